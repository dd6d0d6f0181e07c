//! The sessions that are known to be alive, for a moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use async_nats::Subscriber;
use chassis::Platform;
use events::questions::Identity;
use futures::StreamExt;
use moka::sync::Cache;

use super::{LOGOUT, PATIENCE};

/// For so long what accounts said of a session counts: a replica that is cut off without noticing believes no longer.
const BELIEVED_FOR: Duration = Duration::from_secs(2);
const AT_MOST: u64 = 20_000;

pub(super) struct Sessions {
    alive: Cache<String, Arc<Identity>>,
    /// How many logouts were heard: what was asked before one is not kept after it.
    logouts: AtomicU64,
    listening: AtomicBool,
}

impl Default for Sessions {
    fn default() -> Self {
        let alive = Cache::builder().max_capacity(AT_MOST).time_to_live(BELIEVED_FOR).build();
        Self { alive, logouts: AtomicU64::new(0), listening: AtomicBool::new(false) }
    }
}

impl Sessions {
    /// Whose session it is, where it is known to be alive.
    pub(super) fn known(&self, session: &str, connected: bool) -> Option<Arc<Identity>> {
        if connected { self.alive.get(session) } else { None }
    }

    /// How many logouts were heard so far.
    pub(super) fn heard(&self) -> u64 {
        self.logouts.load(Ordering::SeqCst)
    }

    /// Keeps an answer, where no logout was heard since the question was asked, after `heard` of them.
    pub(super) fn learn(&self, session: &str, user: &Arc<Identity>, heard: u64) {
        if self.listening.load(Ordering::SeqCst) && self.heard() == heard {
            self.alive.insert(session.to_owned(), user.clone());
            // One that came between the question and here.
            if self.heard() != heard {
                self.alive.invalidate(session);
            }
        }
    }

    pub(super) fn forget_all(&self) {
        self.logouts.fetch_add(1, Ordering::SeqCst);
        self.alive.invalidate_all();
    }
}

/// Forgets all sessions on each logout, until the process is to stop.
pub(super) async fn listen(platform: Platform, sessions: Arc<Sessions>) {
    while !platform.stop.is_cancelled() {
        match subscribe(&platform.nats).await {
            Ok(mut logouts) => {
                sessions.listening.store(true, Ordering::SeqCst);
                loop {
                    tokio::select! {
                        heard = logouts.next() => match heard {
                            Some(_) => sessions.forget_all(),
                            None => break,
                        },
                        () = platform.stop.cancelled() => return,
                    }
                }
            }
            Err(error) => tracing::warn!("failed to listen for logouts, will retry: {error}"),
        }
        sessions.listening.store(false, Ordering::SeqCst);
        sessions.forget_all();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Returns once the server knows the subscription: it has passed on what was sent after it.
async fn subscribe(nats: &async_nats::Client) -> anyhow::Result<Subscriber> {
    let logouts = nats.subscribe(LOGOUT).await?;
    let inbox = nats.new_inbox();
    let mut echo = nats.subscribe(inbox.clone()).await?;
    nats.publish(inbox, "".into()).await?;
    tokio::time::timeout(PATIENCE, echo.next()).await?.context("the connection to NATS has ended")?;
    Ok(logouts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening() -> (Sessions, Arc<Identity>) {
        let sessions = Sessions::default();
        sessions.listening.store(true, Ordering::SeqCst);
        let user =
            Identity { id: "u-1".into(), email: "a@example.com".into(), name: None, permissions: vec![] };
        (sessions, Arc::new(user))
    }

    #[test]
    fn a_session_is_known_until_a_logout_is_heard() {
        let (sessions, user) = listening();
        sessions.learn("s-1", &user, sessions.heard());
        assert!(sessions.known("s-1", true).is_some());
        sessions.forget_all();
        assert!(sessions.known("s-1", true).is_none());
    }

    #[test]
    fn an_answer_from_before_a_logout_is_not_kept_after_it() {
        let (sessions, user) = listening();
        let asked = sessions.heard();
        sessions.forget_all();
        sessions.learn("s-1", &user, asked);
        assert!(sessions.known("s-1", true).is_none());
    }

    #[test]
    fn who_cannot_hear_logouts_believes_nothing_for_longer_than_a_request() {
        let (sessions, user) = listening();
        sessions.learn("s-1", &user, sessions.heard());
        assert!(sessions.known("s-1", false).is_none(), "cut off");
        sessions.listening.store(false, Ordering::SeqCst);
        sessions.learn("s-2", &user, sessions.heard());
        assert!(sessions.known("s-2", true).is_none(), "not listening");
    }
}
