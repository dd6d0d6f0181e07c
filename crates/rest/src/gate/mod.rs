//! Who asks: tokens, and the sessions that they stand for.
//!
//! # Guarantees
//! - A token is believed for its signature by a key of accounts, its issuer and its time; nothing else is: `alg` is not asked.
//! - Its session is alive: accounts said so within the last two seconds, and no logout was heard since. A replica that starts
//!   again knows no session, and one that is cut off from NATS believes none: both ask, or refuse with 503.
//! - What a person may do is what accounts says now, not what the token said when it was made.

mod keys;
mod sessions;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use chassis::Platform;
use chassis::questions::ask;
use events::questions::{CheckSession, Identity, SessionAnswer};
use serde::{Deserialize, Serialize};

use self::keys::Keys;
use self::sessions::Sessions;
use crate::Problem;

/// Who issues tokens.
pub const ISSUER: &str = "supercargo";
/// The broadcast on core NATS that ends a session everywhere; accounts tells it after the commit.
pub const LOGOUT: &str = "supercargo.logout";

const PATIENCE: Duration = Duration::from_secs(3);

/// What a token says.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Who issued it: [`ISSUER`].
    pub iss: String,
    /// The user's id.
    pub sub: String,
    /// The session's id.
    pub sid: String,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it is over.
    pub exp: i64,
}

/// Who asks, by a token whose session is alive.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The session.
    pub session: String,
    /// Who they are and what they may.
    pub user: Arc<Identity>,
}

impl Caller {
    /// Their id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.user.id
    }

    /// True when they hold `permission`, or all of them as `admin`.
    #[must_use]
    pub fn may(&self, permission: &str) -> bool {
        self.user.permissions.iter().any(|held| held == permission || held == "admin")
    }

    /// Refuses those who do not hold `permission`.
    ///
    /// # Errors
    /// 403, with its name.
    pub fn need(&self, permission: &str) -> Result<(), Problem> {
        if self.may(permission) {
            return Ok(());
        }
        Err(Problem::forbidden(format!("this needs the permission {permission}: ask an admin to grant it")))
    }
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Gate: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Who was admitted on the way here, in this process, is not judged twice: nobody can send an extension.
        match parts.extensions.get::<Self>() {
            Some(caller) => Ok(caller.clone()),
            None => Gate::from_ref(state).admit_headers(&parts.headers).await,
        }
    }
}

/// A permission that a service declares.
pub trait Permission: Send + Sync + 'static {
    /// Its name: `catalog:write`.
    const NAME: &'static str;
}

/// A caller who holds the permission `P`: judged before a body is read.
#[derive(Clone, Debug)]
pub struct Holder<P> {
    /// Who asks.
    pub caller: Caller,
    permission: PhantomData<P>,
}

impl<S, P> FromRequestParts<S> for Holder<P>
where
    S: Send + Sync,
    P: Permission,
    Gate: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.need(P::NAME)?;
        Ok(Self { caller, permission: PhantomData })
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let missing = "log in first: send the token as `Authorization: Bearer TOKEN`";
    let given = headers.get(header::AUTHORIZATION).ok_or_else(|| Problem::unauthenticated(missing))?;
    let (scheme, token) = given.to_str().ok().and_then(|text| text.split_once(' ')).unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() {
        Ok(token.trim())
    } else {
        Err(Problem::unauthenticated(missing))
    }
}

/// Judges tokens; one for each process.
#[derive(Clone)]
pub struct Gate {
    nats: async_nats::Client,
    keys: Arc<Keys>,
    sessions: Arc<Sessions>,
}

impl Gate {
    /// Listens for logouts until the process is to stop.
    #[must_use]
    pub fn open(platform: &Platform) -> Self {
        let sessions = Arc::new(Sessions::default());
        tokio::spawn(sessions::listen(platform.clone(), sessions.clone()));
        Self { nats: platform.nats.clone(), keys: Arc::default(), sessions }
    }

    /// Forgets all sessions in this process, without waiting for the broadcast: for who has just ended one.
    pub fn forget_sessions(&self) {
        self.sessions.forget_all();
    }

    /// Who holds `token`.
    ///
    /// # Errors
    /// 401 when it is not believed or its session is over, 503 when accounts does not answer.
    pub async fn admit(&self, token: &str) -> Result<Caller, Problem> {
        let outcome = self.judge(token).await;
        let label = match &outcome {
            Ok(_) => "admitted",
            Err(problem) if problem.status().is_server_error() => "unavailable",
            Err(_) => "refused",
        };
        metrics::counter!("supercargo_tokens_total", "outcome" => label).increment(1);
        outcome
    }

    /// Who sends these headers.
    ///
    /// # Errors
    /// As [`Gate::admit`]; 401 when there is no token.
    pub async fn admit_headers(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        self.admit(bearer(headers)?).await
    }

    async fn judge(&self, token: &str) -> Result<Caller, Problem> {
        let claims = self.keys.verify(token, &self.nats).await?;
        let connected = self.nats.connection_state() == async_nats::connection::State::Connected;
        if let Some(user) = self.sessions.known(&claims.sid, connected) {
            return believed(claims, user);
        }
        let heard = self.sessions.heard();
        let question = CheckSession { session: claims.sid.clone() };
        match ask(&self.nats, &question, PATIENCE).await? {
            SessionAnswer::Alive(user) => {
                let user = Arc::new(user);
                self.sessions.learn(&claims.sid, &user, heard);
                believed(claims, user)
            }
            SessionAnswer::Over => Err(over()),
        }
    }
}

fn believed(claims: Claims, user: Arc<Identity>) -> Result<Caller, Problem> {
    if claims.sub == user.id { Ok(Caller { session: claims.sid, user }) } else { Err(over()) }
}

fn over() -> Problem {
    Problem::unauthenticated("the session is over: log in again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    #[test]
    fn only_a_bearer_token_is_one() {
        assert_eq!(bearer(&headers("Bearer abc")).unwrap(), "abc");
        assert_eq!(bearer(&headers("bearer abc")).unwrap(), "abc");
        for other in ["", "Bearer", "Bearer ", "Basic abc", "abc"] {
            assert_eq!(bearer(&headers(other)).unwrap_err().status().as_u16(), 401, "{other}");
        }
        assert_eq!(bearer(&HeaderMap::new()).unwrap_err().status().as_u16(), 401);
    }

    #[test]
    fn who_is_admin_may_all() {
        let caller = |permissions: &[&str]| Caller {
            session: "s".into(),
            user: Arc::new(Identity {
                id: "u-1".into(),
                email: "a@example.com".into(),
                name: None,
                permissions: permissions.iter().map(|&name| name.to_owned()).collect(),
            }),
        };
        assert!(caller(&["admin"]).may("catalog:write"));
        assert!(caller(&["catalog:write"]).need("catalog:write").is_ok());
        assert_eq!(caller(&["stock:write"]).need("catalog:write").unwrap_err().status().as_u16(), 403);
    }
}
