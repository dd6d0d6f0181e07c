//! The keys by which tokens are believed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chassis::questions::ask;
use events::questions::{ReadKeys, ReadKeysAnswer};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

use super::{Claims, ISSUER, PATIENCE};
use crate::Problem;

/// How often accounts is asked for a key that nobody knows: whoever makes up key ids causes no more.
const ASK_AT_MOST_EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Keys {
    known: RwLock<HashMap<String, DecodingKey>>,
    asked: Mutex<Option<Instant>>,
}

impl Keys {
    /// What the token says, where it is to be believed.
    pub(super) async fn verify(&self, token: &str, nats: &async_nats::Client) -> Result<Claims, Problem> {
        let header = decode_header(token).map_err(|_| forged())?;
        let kid = header.kid.ok_or_else(forged)?;
        if let Some(key) = self.of(&kid) {
            return read(token, &key);
        }
        if self.may_ask() {
            let ReadKeysAnswer { keys } = ask(nats, &ReadKeys {}, PATIENCE).await?;
            let read = keys
                .into_iter()
                .filter_map(|key| DecodingKey::from_ed_components(&key.x).ok().map(|read| (key.kid, read)));
            *self.known.write().unwrap_or_else(PoisonError::into_inner) = read.collect();
        }
        let key = self.of(&kid).ok_or_else(forged)?;
        read(token, &key)
    }

    fn of(&self, kid: &str) -> Option<DecodingKey> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(kid).cloned()
    }

    fn may_ask(&self) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let none_known = self.known.read().unwrap_or_else(PoisonError::into_inner).is_empty();
        let may = none_known || asked.is_none_or(|last| last.elapsed() >= ASK_AT_MOST_EVERY);
        if may {
            *asked = Some(Instant::now());
        }
        may
    }
}

/// The one algorithm is ours to choose: the token's header does not.
fn read(token: &str, key: &DecodingKey) -> Result<Claims, Problem> {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "sub"]);
    validation.validate_aud = false;
    validation.leeway = 5;
    decode::<Claims>(token, key, &validation).map(|data| data.claims).map_err(|error| {
        if matches!(error.kind(), jsonwebtoken::errors::ErrorKind::ExpiredSignature) {
            Problem::unauthenticated("the token is over: refresh it, or log in again")
        } else {
            forged()
        }
    })
}

fn forged() -> Problem {
    Problem::unauthenticated("the token is none of ours: log in again")
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ed25519_dalek::SigningKey;
    use ed25519_dalek::pkcs8::EncodePrivateKey;
    use jsonwebtoken::{EncodingKey, Header, encode};

    use super::*;

    fn pair(seed: u8) -> (EncodingKey, DecodingKey) {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let der = key.to_pkcs8_der().unwrap();
        let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        (EncodingKey::from_ed_der(der.as_bytes()), DecodingKey::from_ed_components(&x).unwrap())
    }

    fn claims(expires_in: i64) -> Claims {
        let now = i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap();
        let [sub, sid] = ["u-1", "s-1"].map(str::to_owned);
        Claims { iss: ISSUER.into(), sub, sid, iat: now, exp: now + expires_in }
    }

    #[test]
    fn a_token_of_ours_is_believed_while_it_lasts() {
        let (sign, verify) = pair(1);
        let header = Header::new(Algorithm::EdDSA);
        let token = encode(&header, &claims(60), &sign).unwrap();
        assert_eq!(read(&token, &verify).unwrap().sub, "u-1");
        let over = encode(&header, &claims(-60), &sign).unwrap();
        assert!(read(&over, &verify).unwrap_err().detail().contains("over"));
    }

    #[test]
    fn a_token_that_another_key_or_no_key_signed_is_not_believed() {
        let (_, verify) = pair(1);
        let (other, _) = pair(2);
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims(60)).unwrap());
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"1"}"#);
        // The public key taken for a secret.
        let confused =
            encode(&Header::new(Algorithm::HS256), &claims(60), &EncodingKey::from_secret(&[1; 32])).unwrap();
        for token in [
            encode(&Header::new(Algorithm::EdDSA), &claims(60), &other).unwrap(),
            format!("{none}.{payload}."),
            format!("{none}.{payload}.c2ln"),
            confused,
            "a.b.c".to_owned(),
            String::new(),
        ] {
            assert_eq!(read(&token, &verify).unwrap_err().status().as_u16(), 401, "{token}");
        }
    }
}
