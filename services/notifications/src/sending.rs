//! Messages are sent from the worklist, until the server takes them or there is no hope.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream;
use async_trait::async_trait;
use chassis::trace::{join, within};
use chassis::worklist::{Next, Work};
use chassis::{Backoff, Point, Store, bury_event, effect};
use events::Event;
use jiff::{SignedDuration, Timestamp};

use crate::mailer::{SendError, Sender};
use crate::store::{self, Outgoing};

/// Under which the dead letters of mails are kept.
pub const MAIL_CONSUMER: &str = "notifications-mail";
/// How long a message is tried.
const HOPE: SignedDuration = SignedDuration::from_hours(24);
const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(500), maximum: Duration::from_secs(120) };

/// Keeps events whose message cannot be sent.
#[async_trait]
pub trait DeadLetters: Send + Sync + 'static {
    /// Keeps `event` with `error`; returns when it is kept.
    async fn bury(&self, event: &Event, error: &str, tries: u32) -> anyhow::Result<()>;
}

/// Keeps them in the stream `DEAD_LETTERS`.
#[derive(Clone, Debug)]
pub struct JetStreamDeadLetters(pub jetstream::Context);

#[async_trait]
impl DeadLetters for JetStreamDeadLetters {
    async fn bury(&self, event: &Event, error: &str, tries: u32) -> anyhow::Result<()> {
        bury_event(&self.0, MAIL_CONSUMER, event, error, i64::from(tries)).await
    }
}

/// What follows a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Then {
    /// It is tried again after so long.
    Again(Duration),
    /// It is given up.
    GiveUp(String),
}

/// Decides what follows the refusal of a message that had failed `tries` times since `since`.
fn after(error: &SendError, tries: u32, since: Timestamp, now: Timestamp) -> Then {
    match error {
        SendError::ForGood(why) => Then::GiveUp(why.clone()),
        SendError::ForNow(why) if now.duration_since(since) >= HOPE => Then::GiveUp(format!(
            "given up after {} h and {} tries: {why}",
            HOPE.as_hours(),
            tries.saturating_add(1)
        )),
        SendError::ForNow(_) => Then::Again(BACKOFF.wait(tries.saturating_add(1))),
    }
}

/// Sends the message of an event.
pub struct SendMail<S, D> {
    store: Store,
    sender: S,
    dead_letters: D,
}

impl<S: Sender, D: DeadLetters> SendMail<S, D> {
    /// Sends what is in `store` by `sender`.
    #[must_use]
    pub const fn new(store: Store, sender: S, dead_letters: D) -> Self {
        Self { store, sender, dead_letters }
    }

    async fn send(&self, message: Outgoing) -> anyhow::Result<Next> {
        let id = message.event.attributes.id.as_str();
        let point = |object, action| Point::new("notifications", object, action);
        let sent = effect(point("mail", "send"), id, || self.sender.send(&message)).await;
        let now = chassis::clock::now();
        let label = match &sent {
            Ok(()) => "sent",
            Err(SendError::ForNow(_)) => "refused for now",
            Err(SendError::ForGood(_)) => "refused for good",
        };
        metrics::counter!("supercargo_notifications_sendings_total", "outcome" => label).increment(1);
        let Err(error) = sent else {
            effect(point("mail", "note"), id, || store::mark_sent(&self.store, id, now)).await.with_context(
                || format!("failed to note that the mail about {id} was sent; it may be sent again"),
            )?;
            tracing::info!(event = id, "mail sent");
            return Ok(Next::Done);
        };
        match after(&error, message.tries, message.since, now) {
            Then::Again(wait) => {
                tracing::warn!(
                    event = id,
                    tries = message.tries + 1,
                    "mail not sent, next try in {wait:?}: {error}"
                );
                let text = error.to_string();
                effect(point("mail", "note"), id, || store::mark_tried(&self.store, id, &text))
                    .await
                    .with_context(|| format!("failed to note that the mail about {id} was not sent"))?;
                let wait = BACKOFF.jittered(message.tries.saturating_add(1));
                Ok(Next::At(now.checked_add(wait).unwrap_or(Timestamp::MAX)))
            }
            Then::GiveUp(why) => {
                tracing::error!(event = id, "mail cannot be sent, goes to the dead letters: {why}");
                let tries = message.tries.saturating_add(1);
                let bury = || self.dead_letters.bury(&message.event, &why, tries);
                effect(point("mail", "bury"), id, bury)
                    .await
                    .with_context(|| format!("failed to keep the dead letter about {id}"))?;
                effect(point("mail", "note"), id, || store::mark_failed(&self.store, id, &why, now))
                    .await
                    .with_context(|| format!("failed to note that the mail about {id} cannot be sent"))?;
                Ok(Next::Done)
            }
        }
    }
}

#[async_trait]
impl<S: Sender, D: DeadLetters> Work for SendMail<S, D> {
    async fn perform(&self, key: &str, _failures: u32) -> anyhow::Result<Next> {
        let message = store::pending(&self.store, key)
            .await
            .with_context(|| format!("failed to read the message about {key}"))?;
        // Sent already, and only the worklist had not heard.
        let Some(message) = message else { return Ok(Next::Done) };
        let order = message.event.attributes.subject.clone();
        let trace = message.event.attributes.trace.clone();
        let span = tracing::info_span!("mail", order, trace_id = trace.trace_id());
        within(join(span, &trace), self.send(message)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_may_pass_is_tried_for_a_day_at_longer_and_longer_intervals() {
        let since: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        let busy = SendError::ForNow("451 try later".into());
        let again = |tries| after(&busy, tries, since, since);
        assert_eq!(again(0), Then::Again(Duration::from_millis(500)));
        assert_eq!(again(4), Then::Again(Duration::from_secs(8)));
        assert_eq!(again(500), Then::Again(Duration::from_secs(120)));
        let almost = since + SignedDuration::from_secs(24 * 3600 - 1);
        assert_eq!(after(&busy, 700, since, almost), Then::Again(Duration::from_secs(120)));
        let day = since + HOPE;
        let words = "given up after 24 h and 701 tries: 451 try later";
        assert_eq!(after(&busy, 700, since, day), Then::GiveUp(words.into()));
    }

    #[test]
    fn a_refusal_for_good_is_given_up_at_once() {
        let now = Timestamp::UNIX_EPOCH;
        let refused = SendError::ForGood("550 no such user".into());
        assert_eq!(after(&refused, 0, now, now), Then::GiveUp("550 no such user".into()));
    }
}
