//! Dead letters for people: read, delivered again, dropped.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{DeliverPolicy, pull::OrderedConfig};
use async_nats::jetstream::stream::{State, Stream};
use async_nats::jetstream::{self, Message};
use bytes::Bytes;
use events::{SOURCE_PREFIX, TraceParent, streams};
use futures::StreamExt;
use jiff::Timestamp;
use serde_json::json;

use crate::dead_letter::{DELIVERIES, ERROR, MARKS, SUBJECT};

/// Names the consumer for which a message is delivered again: services that did not fail to handle it leave it alone.
pub const REDRIVEN_FOR: &str = "Supercargo-Redriven-For";
const PATIENCE: Duration = Duration::from_secs(10);

/// A message that could not be handled.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Its number in the stream of dead letters, by which people name it.
    pub id: u64,
    /// When it was given up.
    pub at: Timestamp,
    /// The stream that it came from.
    pub stream: String,
    /// The consumer that could not handle it.
    pub consumer: String,
    /// The subject that it came by.
    pub subject: String,
    /// Why it could not be handled.
    pub error: String,
    /// How often that was tried.
    pub tries: i64,
    /// Its business key (`ce-id`); empty when it has none.
    pub key: String,
    /// What it is about (`ce-subject`), for most an order id; empty when it does not say.
    pub about: String,
    /// When it was first told (`ce-time`); when it was given up, if it does not say.
    pub told_at: Timestamp,
    /// Its headers, less those of the dead letter.
    pub headers: HeaderMap,
    /// Its payload; empty where only the headers were read.
    pub payload: Bytes,
}

impl Letter {
    fn of(message: &Message) -> anyhow::Result<Self> {
        let info =
            message.info().map_err(|error| anyhow::anyhow!("failed to read a dead letter: {error}"))?;
        let mut headers = message.headers.clone().unwrap_or_default();
        let text = |name: &str| headers.get(name).map(|value| value.as_str().to_owned()).unwrap_or_default();
        let at = Timestamp::from_nanosecond(info.published.unix_timestamp_nanos())
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let parts =
            message.subject.as_str().strip_prefix("supercargo.dead.").and_then(|rest| rest.split_once('.'));
        let (stream, consumer) = parts.unwrap_or_default();
        let letter = Self {
            id: info.stream_sequence,
            at,
            stream: stream.to_owned(),
            consumer: consumer.to_owned(),
            subject: text(SUBJECT),
            error: text(ERROR),
            tries: text(DELIVERIES).parse().unwrap_or(0),
            key: text("ce-id"),
            about: text("ce-subject"),
            told_at: text("ce-time").parse().unwrap_or(at),
            headers: HeaderMap::new(),
            payload: message.payload.clone(),
        };
        let kept = headers
            .iter()
            .filter(|(name, _)| !is_mark(name.as_ref()))
            .flat_map(|(name, values)| values.iter().map(move |value| (name.clone(), value.clone())));
        let mut own = HeaderMap::new();
        for (name, value) in kept {
            own.append(name, value);
        }
        headers = own;
        Ok(Self { headers, ..letter })
    }

    /// The name of the order that it is about, and its namespace, as far as the payload says.
    #[must_use]
    pub fn order(&self) -> Option<(String, String)> {
        let payload: serde_json::Value = serde_json::from_slice(&self.payload).ok()?;
        let text = |name: &str| payload.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        text("orderId")?;
        Some((text("namespace")?, text("name")?))
    }
}

fn is_mark(name: &str) -> bool {
    MARKS.iter().any(|mark| mark.eq_ignore_ascii_case(name))
        || name.eq_ignore_ascii_case(REDRIVEN_FOR)
        || name.starts_with("Nats-")
}

/// The stream of dead letters.
#[derive(Clone, Debug)]
pub struct Letters {
    jetstream: jetstream::Context,
    stream: Stream,
}

impl Letters {
    /// Finds the stream.
    ///
    /// # Errors
    /// When NATS does not answer, or has no such stream.
    pub async fn open(jetstream: &jetstream::Context) -> anyhow::Result<Self> {
        let stream = jetstream.get_stream(streams::DEAD_LETTERS).await.with_context(|| {
            format!(
                "failed to find the stream {}: has the shop been started on this NATS?",
                streams::DEAD_LETTERS
            )
        })?;
        Ok(Self { jetstream: jetstream.clone(), stream })
    }

    /// How many there are, and their numbers.
    ///
    /// # Errors
    /// When NATS does not answer.
    pub async fn state(&self) -> anyhow::Result<State> {
        Ok(self.stream.get_info().await.context("failed to ask for the state of the dead letters")?.state)
    }

    /// Every letter from number `from`, in the order in which they were given up.
    ///
    /// # Errors
    /// When NATS does not answer.
    pub async fn read(&self, from: u64, headers_only: bool) -> anyhow::Result<Vec<Letter>> {
        let state = self.state().await?;
        let mut letters = Vec::new();
        if state.messages == 0 || state.last_sequence < from {
            return Ok(letters);
        }
        let config = OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from.max(1) },
            headers_only,
            ..OrderedConfig::default()
        };
        let reader = self.stream.create_consumer(config).await.context("failed to read the dead letters")?;
        let mut messages = reader.messages().await.context("failed to read the dead letters")?;
        loop {
            let next = tokio::time::timeout(PATIENCE, messages.next()).await;
            // Those that were there may have been dropped meanwhile.
            let Ok(Some(message)) = next else { return Ok(letters) };
            let message = message.context("failed to read a dead letter")?;
            let left = message.info().map_or(0, |info| info.pending);
            letters.push(Letter::of(&message)?);
            if left == 0 {
                return Ok(letters);
            }
        }
    }

    /// Delivers a letter's message again: on its own subject, under a fresh message id and the same business key, for the
    /// service that could not handle it. The letter is removed once the message is stored; stopped in between, the same
    /// redrive is safe to repeat.
    ///
    /// # Errors
    /// When JetStream does not take it, or does not remove the letter.
    pub async fn redrive(&self, letter: &Letter, by: &str) -> anyhow::Result<()> {
        anyhow::ensure!(
            !letter.subject.is_empty(),
            "the dead letter {} does not say which subject it came by: drop it",
            letter.id
        );
        let mut headers = letter.headers.clone();
        // The same for every try of this redrive, so that the stream swallows the second of two close ones.
        let message_id = format!("{}/redrive/{}/{}", letter.key, letter.id, letter.at.as_nanosecond());
        headers.insert(async_nats::header::NATS_MESSAGE_ID, message_id.as_str());
        headers.insert(REDRIVEN_FOR, letter.consumer.as_str());
        self.publish(&letter.subject, headers, letter.payload.clone()).await?;
        self.log("redriven", letter, by, None).await?;
        self.remove(letter.id).await
    }

    /// Removes a letter for good; the reason is kept among the events.
    ///
    /// # Errors
    /// When JetStream does not take the record, or does not remove the letter.
    pub async fn drop(&self, letter: &Letter, by: &str, reason: &str) -> anyhow::Result<()> {
        self.log("dropped", letter, by, Some(reason)).await?;
        self.remove(letter.id).await
    }

    async fn remove(&self, id: u64) -> anyhow::Result<()> {
        match self.stream.delete_message(id).await {
            Ok(_) => Ok(()),
            // Somebody else has removed it.
            Err(_) if self.stream.get_raw_message(id).await.is_err_and(|error| is_missing(&error)) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("failed to remove the dead letter {id}")),
        }
    }

    /// Who did what with which letter, as an event that `orders` keeps for ever.
    async fn log(&self, what: &str, letter: &Letter, by: &str, reason: Option<&str>) -> anyhow::Result<()> {
        let now = crate::clock::now();
        let about = if letter.about.is_empty() { "unknown" } else { &letter.about };
        let id = format!("dead_letter/{}/{}/{what}", letter.id, letter.at.as_nanosecond());
        let attributes = events::Attributes {
            id: id.clone(),
            source: format!("{SOURCE_PREFIX}people"),
            subject: about.to_owned(),
            time: now,
            trace: TraceParent::of_order(about),
        };
        let mut headers = attributes.headers(&format!("dev.supercargo.dead_letter.{what}.v1"));
        headers.insert(async_nats::header::NATS_MESSAGE_ID, id.as_str());
        let data = json!({
            "id": letter.id, "at": now.to_string(), "by": by, "reason": reason, "consumer": letter.consumer,
            "subject": letter.subject, "key": letter.key, "about": letter.about, "error": letter.error,
            "payload": (what == "dropped").then(|| String::from_utf8_lossy(&letter.payload).into_owned()),
        });
        let subject = format!("supercargo.event.dead_letter.{what}");
        self.publish(&subject, headers, data.to_string().into()).await
    }

    async fn publish(&self, subject: &str, headers: HeaderMap, payload: Bytes) -> anyhow::Result<()> {
        self.jetstream
            .publish_with_headers(subject.to_owned(), headers, payload)
            .await
            .with_context(|| format!("failed to publish {subject}"))?
            .await
            .with_context(|| format!("{subject} was not acknowledged by JetStream"))?;
        Ok(())
    }
}

fn is_missing(error: &jetstream::stream::RawMessageError) -> bool {
    matches!(error.kind(), jetstream::stream::RawMessageErrorKind::NoMessageFound)
}
