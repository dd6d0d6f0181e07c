//! Questions: NATS request/reply, safe to repeat.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use events::questions::{Question, Reply};
use futures::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use crate::Platform;

const AT_ONCE: usize = 32;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The question is wrong; repeating it is useless.
    #[error("{subject} refuses the question: {reason}")]
    Invalid {
        /// The subject.
        subject: String,
        /// Why.
        reason: String,
    },
    /// No answer now; ask again later.
    #[error("{subject} does not answer: {reason}")]
    Unavailable {
        /// The subject.
        subject: String,
        /// Why.
        reason: String,
    },
}

/// Asks, and waits for the answer at most `patience`.
///
/// # Errors
/// When the question is refused, nobody answers in time, or the answer cannot be read.
pub async fn ask<Q: Question>(
    nats: &async_nats::Client,
    question: &Q,
    patience: Duration,
) -> Result<Q::Answer, AskError> {
    ask_subject(nats, Q::SUBJECT, question, patience).await
}

/// As [`ask`], for a subject that is not tied to a type: the `apply` of a command.
///
/// # Errors
/// As [`ask`].
pub async fn ask_subject<Q, A>(
    nats: &async_nats::Client,
    subject: &str,
    question: &Q,
    patience: Duration,
) -> Result<A, AskError>
where
    Q: Serialize,
    A: DeserializeOwned,
{
    let unavailable = |reason: String| AskError::Unavailable { subject: subject.to_owned(), reason };
    let payload = serde_json::to_vec(question)
        .map_err(|error| AskError::Invalid { subject: subject.to_owned(), reason: error.to_string() })?;
    let request = nats.request(subject.to_owned(), payload.into());
    let message = tokio::time::timeout(patience, request)
        .await
        .map_err(|_| unavailable(format!("no answer within {patience:?}")))?
        .map_err(|error| unavailable(error.to_string()))?;
    match serde_json::from_slice::<Reply<A>>(&message.payload) {
        Ok(Reply::Answer(answer)) => Ok(answer),
        Ok(Reply::Invalid(reason)) => Err(AskError::Invalid { subject: subject.to_owned(), reason }),
        Ok(Reply::Unavailable(reason)) => Err(unavailable(reason)),
        Err(error) => Err(unavailable(format!("the answer cannot be read: {error}"))),
    }
}

/// Answers questions of one kind.
#[async_trait]
pub trait Answerer<Q, A>: Send + Sync + 'static {
    /// The reply; must be safe to ask for twice.
    async fn answer(&self, question: Q) -> Reply<A>;
}

/// Answers questions on `Q::SUBJECT` until the process is to stop; replicas share them.
///
/// # Errors
/// When the subject cannot be subscribed to.
pub async fn answer<Q: Question + 'static>(
    platform: Platform,
    answerer: Arc<dyn Answerer<Q, Q::Answer>>,
) -> anyhow::Result<()> {
    answer_subject(platform, Q::SUBJECT, answerer).await
}

/// As [`answer`], for a subject that is not tied to a type: the `apply` of a command.
///
/// # Errors
/// As [`answer`].
pub async fn answer_subject<Q, A>(
    platform: Platform,
    subject: &'static str,
    answerer: Arc<dyn Answerer<Q, A>>,
) -> anyhow::Result<()>
where
    Q: DeserializeOwned + Send + 'static,
    A: Serialize + Send + 'static,
{
    let check = platform.health.check(&format!("questions {subject}"));
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut questions = platform
        .nats
        .queue_subscribe(subject, "supercargo".to_owned())
        .await
        .with_context(|| format!("failed to subscribe to {subject}"))?;
    check.ready();
    loop {
        let slot = slots.clone().acquire_owned().await.context("the slots are closed")?;
        let next = tokio::select! {
            next = questions.next() => next,
            () = platform.stop.cancelled() => None,
        };
        let Some(message) = next else { break };
        let (nats, answerer) = (platform.nats.clone(), answerer.clone());
        tokio::spawn(async move {
            let reply = match serde_json::from_slice(&message.payload) {
                Ok(question) => answerer.answer(question).await,
                Err(error) => Reply::Invalid(format!("the question cannot be read: {error}")),
            };
            if let (Some(to), Ok(payload)) = (message.reply, serde_json::to_vec(&reply))
                && let Err(error) = nats.publish(to, payload.into()).await
            {
                tracing::warn!(subject, "failed to reply; the asker will ask again: {error}");
            }
            drop(slot);
        });
    }
    let _finished = slots.acquire_many(u32::try_from(AT_ONCE).unwrap_or(u32::MAX)).await;
    if platform.stop.is_cancelled() { Ok(()) } else { anyhow::bail!("the subscription to {subject} ended") }
}
