//! A message as a handler sees it, and why one was not handled.

use async_nats::HeaderMap;
use async_nats::jetstream;
use bytes::Bytes;
use events::{Command, CommandTarget, Event};
use serde::de::DeserializeOwned;

/// How often a message that fails for a reason of its own is tried before it becomes a dead letter.
pub(super) const TRIES: i64 = 8;
/// How often one that came too early is tried: for a day, at the longest wait.
const TRIES_WHEN_EARLY: i64 = 8640;

/// A message as it arrived.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its subject.
    pub subject: String,
    /// Its headers.
    pub headers: Option<HeaderMap>,
    /// Its payload.
    pub payload: Bytes,
}

impl Message {
    pub(super) fn of(incoming: &jetstream::Message) -> Self {
        Self {
            subject: incoming.subject.to_string(),
            headers: incoming.headers.clone(),
            payload: incoming.payload.clone(),
        }
    }

    /// Reads it as an event of the catalogue.
    ///
    /// # Errors
    /// [`HandleError::Malformed`] when it is none.
    pub fn event(&self) -> Result<Event, HandleError> {
        Event::read(self.headers.as_ref(), &self.payload)
            .map_err(|error| HandleError::Malformed(chain(&error)))
    }

    /// Reads it as a command.
    ///
    /// # Errors
    /// [`HandleError::Malformed`] when it is none.
    pub fn command<S: CommandTarget + DeserializeOwned>(&self) -> Result<Command<S>, HandleError> {
        serde_json::from_slice(&self.payload)
            .map_err(|error| HandleError::Malformed(format!("the command cannot be read: {error}")))
    }
}

pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

/// Why a message was not handled.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// It can never be handled: a dead letter at once. Says why.
    #[error("{0}")]
    Malformed(String),
    /// It needs what another message brings, which has not come yet: tried for as long as that may take.
    #[error("{0:#}")]
    TooEarly(anyhow::Error),
    /// The database failed. An outage is waited out; a refusal counts as a failure of the message.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// It failed this time; after some tries it is a dead letter.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

impl HandleError {
    /// How often a message that fails so is tried before it becomes a dead letter.
    pub(super) const fn most_tries(&self) -> i64 {
        match self {
            Self::Malformed(_) => 0,
            Self::TooEarly(_) => TRIES_WHEN_EARLY,
            Self::Database(_) | Self::Failed(_) => TRIES,
        }
    }

    /// True when the message is not to blame, so that it is tried for as long as it takes.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Malformed(_) | Self::TooEarly(_) | Self::Failed(_) => false,
            Self::Database(error) => is_database_outage(error),
        }
    }
}

/// True when the database is away or overloaded, rather than refusing what it was asked.
fn is_database_outage(error: &sqlx::Error) -> bool {
    match error.as_database_error() {
        // Connection, resources, operator intervention, system error; serialization failure and deadlock.
        Some(refusal) => refusal
            .code()
            .is_some_and(|code| ["08", "53", "57", "58", "40"].iter().any(|class| code.starts_with(class))),
        None => matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::Protocol(_)
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::consumer::BACKOFF;

    #[test]
    fn a_message_that_came_too_early_is_tried_for_a_day_and_one_that_cannot_be_read_never_again() {
        assert_eq!(HandleError::Malformed("no JSON".into()).most_tries(), 0);
        assert_eq!(HandleError::Failed(anyhow::anyhow!("refused")).most_tries(), TRIES);
        let early = HandleError::TooEarly(anyhow::anyhow!("whom to tell is not known yet"));
        let longest = BACKOFF.maximum * u32::try_from(early.most_tries()).unwrap();
        assert_eq!(longest, Duration::from_secs(24 * 3600));
        assert!(!early.is_outage());
    }
}
