//! Tokens: JSON Web Tokens signed with Ed25519, by keys that are replaced every month.
//!
//! # Guarantees
//! - One key signs at a time, of all replicas: it is made under a lock, and the next one a day before it signs, so that whoever
//!   verifies has heard of it.
//! - A key is believed for longer than any token that it has signed.

pub(crate) mod rotation;
pub(crate) mod store;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chassis::Store;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use events::questions::PublicKey;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rest::{Claims, ISSUER, Problem};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use self::rotation::{Span, missing};
use self::store::Kept;

/// How long a token lasts.
const LASTS: SignedDuration = SignedDuration::from_mins(15);

/// A token, for its holder alone: it is shown nowhere else.
#[derive(Serialize, JsonSchema, Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token, to be handed out.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(hidden)")
    }
}

/// A key that signs.
pub(crate) struct Signer {
    kid: String,
    key: EncodingKey,
    span: Span,
}

impl Signer {
    fn of(kept: &Kept) -> Self {
        Self { kid: kept.kid.clone(), key: EncodingKey::from_ed_der(&kept.pkcs8), span: kept.span }
    }

    /// A token of the user's session, issued then. The same again is the same token.
    ///
    /// # Errors
    /// 503 when the key cannot sign, which means that what is kept of it is broken.
    pub(crate) fn token(&self, user: &str, session: &str, issued_at: Timestamp) -> Result<Token, Problem> {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user.to_owned(),
            sid: session.to_owned(),
            iat: issued_at.as_second(),
            exp: issued_at.as_second() + LASTS.as_secs(),
        };
        jsonwebtoken::encode(&header, &claims, &self.key).map(Token).map_err(|error| {
            tracing::error!(kid = self.kid, "the key cannot sign: delete it from signing_keys: {error}");
            Problem::unavailable("no token could be made: send the same request again in a moment")
        })
    }
}

/// When a token for an answer that is given again is issued: as the first one while that lasts, else now.
pub(crate) fn issued_again(first: Timestamp, now: Timestamp) -> Timestamp {
    if now.duration_since(first) < LASTS { first } else { now }
}

/// A public key as RFC 7517 and RFC 8037 write it.
#[derive(Serialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonWebKey {
    /// The kind of key: an octet key pair.
    kty: &'static str,
    /// The curve.
    crv: &'static str,
    /// What it signs with.
    alg: &'static str,
    /// What it is for.
    #[serde(rename = "use")]
    purpose: &'static str,
    /// Its id, as in the header of a token.
    kid: String,
    /// The key, in base64url without padding.
    x: String,
}

impl From<PublicKey> for JsonWebKey {
    fn from(PublicKey { kid, x }: PublicKey) -> Self {
        Self { kty: "OKP", crv: "Ed25519", alg: "EdDSA", purpose: "sig", kid, x }
    }
}

/// The keys by which tokens are believed.
#[derive(Serialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonWebKeys {
    /// The keys.
    pub(crate) keys: Vec<JsonWebKey>,
}

/// The keys of this service, and the one that signs.
pub(crate) struct Tokens {
    store: Store,
    signers: RwLock<Vec<Arc<Signer>>>,
}

impl Tokens {
    /// Makes a key where there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn open(store: Store, now: Timestamp) -> anyhow::Result<Self> {
        let tokens = Self { store, signers: RwLock::default() };
        tokens.renew(now).await.context("failed to make ready the keys that sign tokens")?;
        Ok(tokens)
    }

    /// What signs now.
    ///
    /// # Errors
    /// 503 when a key has to be made and the database fails.
    pub(crate) async fn signer(&self, now: Timestamp) -> Result<Arc<Signer>, Problem> {
        if let Some(signer) = self.known(now) {
            return Ok(signer);
        }
        if let Err(error) = self.renew(now).await {
            tracing::warn!("no key signs now, and none could be made: {error:#}");
        }
        self.known(now).ok_or_else(|| {
            Problem::unavailable("no token can be made now: send the same request again in a moment")
        })
    }

    /// The newest that signs now, where a wrong clock has made two.
    fn known(&self, now: Timestamp) -> Option<Arc<Signer>> {
        let signers = self.signers.read().unwrap_or_else(PoisonError::into_inner);
        signers
            .iter()
            .filter(|signer| signer.span.signs_at(now))
            .max_by_key(|signer| signer.span.signs_from)
            .cloned()
    }

    /// Reads the keys, and makes the one that is missing, if any.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn renew(&self, now: Timestamp) -> anyhow::Result<()> {
        let mut connection = self.store.pool().acquire().await?;
        let mut keys = store::keys(&mut connection, now).await?;
        drop(connection);
        if missing(&spans(&keys), now).is_some() {
            keys = self.rotate(now).await?;
        }
        let signers = keys.iter().map(|kept| Arc::new(Signer::of(kept))).collect();
        *self.signers.write().unwrap_or_else(PoisonError::into_inner) = signers;
        Ok(())
    }

    async fn rotate(&self, now: Timestamp) -> anyhow::Result<Vec<Kept>> {
        let mut transaction = self.store.begin().await?;
        store::alone_in_tx(&mut transaction).await?;
        let mut keys = store::keys(&mut transaction, now).await?;
        // Another replica may have made it meanwhile.
        if let Some(span) = missing(&spans(&keys), now) {
            let key = new_key(span)?;
            store::add_in_tx(&mut transaction, &key).await?;
            tracing::info!(kid = key.kid, signs_from = %span.signs_from, "made a key that signs tokens");
            keys.push(key);
        }
        transaction.commit().await?;
        Ok(keys)
    }
}

fn spans(keys: &[Kept]) -> Vec<Span> {
    keys.iter().map(|kept| kept.span).collect()
}

fn new_key(span: Span) -> anyhow::Result<Kept> {
    let key = SigningKey::from_bytes(&rand::random());
    let pkcs8 =
        key.to_pkcs8_der().map_err(|error| anyhow::anyhow!("failed to write a key as PKCS #8: {error}"))?;
    Ok(Kept {
        kid: Uuid::new_v4().simple().to_string(),
        pkcs8: pkcs8.as_bytes().to_vec(),
        public_x: URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes()),
        span,
    })
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn key() -> Kept {
        new_key(missing(&[], NOW).unwrap()).unwrap()
    }

    #[test]
    fn a_token_says_whose_session_it_is_and_is_believed_by_the_published_key() {
        let kept = key();
        let token = Signer::of(&kept).token("u-1", "s-1", NOW).unwrap();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.validate_exp = false;
        let published = DecodingKey::from_ed_components(&kept.public_x).unwrap();
        let read = jsonwebtoken::decode::<Claims>(token.text(), &published, &validation).unwrap();
        assert_eq!(read.header.kid, Some(kept.kid));
        let Claims { iss, sub, sid, iat, exp } = read.claims;
        assert_eq!((iss.as_str(), sub.as_str(), sid.as_str()), ("supercargo", "u-1", "s-1"));
        assert_eq!((iat, exp - iat), (NOW.as_second(), 900));
    }

    #[test]
    fn the_same_token_is_made_again_while_it_lasts() {
        let signer = Signer::of(&key());
        let first = signer.token("u-1", "s-1", NOW).unwrap();
        let soon = NOW + SignedDuration::from_mins(14);
        assert!(signer.token("u-1", "s-1", issued_again(NOW, soon)).unwrap() == first);
        let late = NOW + SignedDuration::from_mins(15);
        assert_eq!(issued_again(NOW, late), late);
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = Signer::of(&key()).token("u-1", "s-1", NOW).unwrap();
        assert_eq!(format!("{token:?}"), "Token(hidden)");
    }

    #[test]
    fn a_published_key_is_written_as_the_standard_says() {
        let key = JsonWebKey::from(PublicKey { kid: "k-1".into(), x: "abc".into() });
        let written = serde_json::to_value(key).unwrap();
        let expected = serde_json::json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "k-1", "x": "abc",
        });
        assert_eq!(written, expected);
    }
}
