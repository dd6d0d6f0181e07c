//! Sessions: who is logged in, for how long, and by which secret they stay so.
//!
//! # Guarantees
//! - A secret refreshes once; the next one is only in the answer. The database keeps their hashes alone.
//! - A secret that was replaced more than ten seconds ago, or that no session ever had, ends the session: two hold what one was
//!   given. Within ten seconds it is another tab of the same browser, which gets a token and no secret.
//! - A session that has ended stays so; the sessions of a disabled account have all ended.

pub(crate) mod cookie;
pub(crate) mod store;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// How long a session lasts from the last time that it was refreshed.
pub(crate) const LASTS: SignedDuration = SignedDuration::from_hours(30 * 24);
/// For so long a replaced secret is taken for another tab's.
const TOGETHER: SignedDuration = SignedDuration::from_secs(10);

/// What refreshes a session. It is shown nowhere, and kept nowhere here.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    pub(crate) fn new() -> Self {
        Self(rand::random())
    }

    fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    fn read(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    pub(crate) fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(hidden)")
    }
}

/// By what a secret is known again.
#[derive(Clone, Copy)]
pub(crate) struct SecretHash([u8; 32]);

impl SecretHash {
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) const fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes as long for every other hash.
    fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// What the cookie holds: a session and the secret that refreshes it.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub(crate) session: String,
    pub(crate) secret: Secret,
}

impl Ticket {
    /// For a session that there is not yet.
    pub(crate) fn new() -> Self {
        Self { session: Uuid::new_v4().simple().to_string(), secret: Secret::new() }
    }

    /// The session's id.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// For the same session, with another secret.
    pub(crate) fn renewed(&self) -> Self {
        Self { session: self.session.clone(), secret: Secret::new() }
    }
}

/// A session as far as it decides about a refresh.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) refresh_hash: SecretHash,
    pub(crate) previous_hash: Option<SecretHash>,
    pub(crate) refreshed_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
}

impl Session {
    pub(crate) fn is_alive(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}

/// When a session is over that is refreshed now.
pub(crate) fn expiry(now: Timestamp) -> Timestamp {
    now.checked_add(LASTS).unwrap_or(Timestamp::MAX)
}

/// What a refresh leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// The session is over: log in.
    Over,
    /// A token, and a new secret instead of this one.
    Rotate,
    /// A token: another tab has the new secret already.
    Together,
    /// Two hold the session: it ends.
    Stolen,
}

/// What a refresh by a secret with that hash leads to.
pub(crate) fn judge(session: &Session, presented: &SecretHash, now: Timestamp) -> Refresh {
    if !session.is_alive(now) {
        return Refresh::Over;
    }
    if session.refresh_hash.is(presented) {
        return Refresh::Rotate;
    }
    let replaced = session.previous_hash.is_some_and(|previous| previous.is(presented));
    // The clock of the replica that rotated it may be ahead of ours: then it was just now.
    if replaced && now.duration_since(session.refreshed_at) <= TOGETHER {
        return Refresh::Together;
    }
    // Whoever knows the session's id has held a token or cookie of it, so an unknown secret is an older one, or made up by
    // somebody who has no business with it.
    Refresh::Stolen
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn session(present: &Secret, previous: Option<&Secret>, seconds_ago: i64) -> Session {
        Session {
            refresh_hash: present.hash(),
            previous_hash: previous.map(Secret::hash),
            refreshed_at: NOW - SignedDuration::from_secs(seconds_ago),
            expires_at: NOW + LASTS,
            ended_at: None,
        }
    }

    #[test]
    fn the_present_secret_gets_a_token_and_another_secret() {
        let present = Secret::new();
        assert_eq!(judge(&session(&present, None, 3600), &present.hash(), NOW), Refresh::Rotate);
    }

    #[test]
    fn the_secret_before_is_another_tabs_for_ten_seconds_and_theft_after() {
        let (present, before) = (Secret::new(), Secret::new());
        for (seconds_ago, judged) in [
            (-5, Refresh::Together),
            (0, Refresh::Together),
            (10, Refresh::Together),
            (11, Refresh::Stolen),
            (86_400, Refresh::Stolen),
        ] {
            let session = session(&present, Some(&before), seconds_ago);
            assert_eq!(judge(&session, &before.hash(), NOW), judged, "{seconds_ago}");
            assert_eq!(judge(&session, &present.hash(), NOW), Refresh::Rotate);
        }
    }

    #[test]
    fn a_secret_that_is_neither_ends_the_session() {
        let session = session(&Secret::new(), Some(&Secret::new()), 1);
        assert_eq!(judge(&session, &Secret::new().hash(), NOW), Refresh::Stolen);
    }

    #[test]
    fn a_session_that_has_ended_or_expired_is_over_whatever_is_shown() {
        let present = Secret::new();
        let ended = Session { ended_at: Some(NOW), ..session(&present, None, 1) };
        let expired = Session { expires_at: NOW, ..session(&present, None, 1) };
        for session in [ended, expired] {
            assert_eq!(judge(&session, &present.hash(), NOW), Refresh::Over);
            assert_eq!(judge(&session, &Secret::new().hash(), NOW), Refresh::Over);
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let ticket = Ticket::new();
        assert!(!format!("{ticket:?}").contains(&ticket.secret.text()));
    }
}
