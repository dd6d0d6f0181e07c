//! Idempotency keys, as Stripe documents them and as the carrier takes them: the first execution's answer is kept for
//! 24 hours and given again to the same request; another request under the same key is refused.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::common::lock;
use crate::journal::Span;

/// How long an answer is kept.
pub(crate) const KEPT_MILLIS: i64 = 24 * 3_600_000;
/// How long a key may be.
pub(crate) const LONGEST_KEY: usize = 255;

/// An answer as it is journaled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SavedAnswer {
    /// What was asked.
    pub fingerprint: String,
    /// When it was answered, in milliseconds since 1970.
    pub at: i64,
    /// The HTTP status.
    pub status: u16,
    /// The body, as it was.
    pub body: String,
}

/// What memory holds of an answer: the body stays on disk.
#[derive(Clone, Debug)]
struct Known {
    fingerprint: String,
    at: i64,
    span: Span,
}

/// What a key means for a request.
#[derive(Debug)]
pub(crate) enum Begin {
    /// Never seen, or expired: execute, and hold on to this until the answer is durable.
    Fresh(Running),
    /// Answered before: the saved answer lies here.
    Replay(Span),
    /// Used for something else.
    Mismatch,
    /// The first request is still being executed.
    InUse,
}

/// The keys of one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    known: HashMap<String, Known>,
    running: HashSet<String>,
}

impl Keys {
    /// Judges a key at its request's start.
    pub fn begin(&self, key: &str, fingerprint: &str, now: i64) -> Begin {
        let mut inner = lock(&self.0);
        if inner.running.contains(key) {
            return Begin::InUse;
        }
        match inner.known.get(key) {
            Some(known) if now - known.at >= KEPT_MILLIS => {}
            Some(known) if known.fingerprint != fingerprint => return Begin::Mismatch,
            Some(known) => return Begin::Replay(known.span),
            None => {}
        }
        inner.running.insert(key.to_owned());
        Begin::Fresh(Running { keys: self.clone(), key: key.to_owned() })
    }

    /// Remembers where an answer lies.
    pub fn remember(&self, key: &str, answer: &SavedAnswer, span: Span) {
        let known = Known { fingerprint: answer.fingerprint.clone(), at: answer.at, span };
        lock(&self.0).known.insert(key.to_owned(), known);
    }
}

/// A key in use; letting go of it ends the use.
#[derive(Debug)]
pub(crate) struct Running {
    keys: Keys,
    key: String,
}

impl Running {
    /// The key itself.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.keys.0).running.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Batch;

    async fn some_span() -> Span {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let journal = crate::journal::Journal::open(&path, |_, _| true, |_| Ok(())).unwrap();
        let mut batch = Batch::default();
        batch.put("a", "b", &1).unwrap();
        journal.append(batch)
    }

    fn answer(at: i64) -> SavedAnswer {
        SavedAnswer { fingerprint: "same".into(), at, status: 200, body: "{}".into() }
    }

    #[tokio::test]
    async fn the_same_request_is_replayed_and_another_is_refused() {
        let keys = Keys::default();
        assert!(matches!(keys.begin("k", "same", 0), Begin::Fresh(_)));
        keys.remember("k", &answer(0), some_span().await);
        assert!(matches!(keys.begin("k", "same", 10), Begin::Replay(_)));
        assert!(matches!(keys.begin("k", "other", 10), Begin::Mismatch));
    }

    #[tokio::test]
    async fn a_key_is_in_use_until_its_request_lets_go() {
        let keys = Keys::default();
        let running = keys.begin("k", "same", 0);
        assert!(matches!(keys.begin("k", "same", 0), Begin::InUse));
        drop(running);
        assert!(matches!(keys.begin("k", "same", 0), Begin::Fresh(_)));
    }

    #[tokio::test]
    async fn a_key_expires_after_a_day() {
        let keys = Keys::default();
        keys.remember("k", &answer(0), some_span().await);
        assert!(matches!(keys.begin("k", "same", KEPT_MILLIS - 1), Begin::Replay(_)));
        assert!(matches!(keys.begin("k", "other", KEPT_MILLIS), Begin::Fresh(_)));
    }
}
