//! The streams: who is far behind, and what could not be handled.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::consumer::{self, DeliverPolicy, pull::OrderedConfig};
use async_nats::jetstream::{self, stream::Stream};
use clap::ValueEnum as _;
use events::streams;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::roles::RoleName;

/// How many dead letters are told one by one.
const MOST_LETTERS: usize = 10_000;

/// A consumer that is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The stream.
    pub stream: &'static str,
    /// The consumer.
    pub consumer: String,
    /// How many messages it has not acknowledged.
    pub pending: u64,
    /// When the oldest of them was published.
    pub since: Timestamp,
}

/// A message that could not be handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number in the stream of dead letters.
    pub sequence: u64,
    /// The order that it is about, as far as its headers say.
    pub order_id: Option<String>,
    /// `<stream>.<consumer>`.
    pub consumer: String,
    /// Why it could not be handled.
    pub error: String,
}

async fn stream(jetstream: &jetstream::Context, name: &'static str) -> anyhow::Result<Stream> {
    jetstream
        .get_stream(name)
        .await
        .with_context(|| format!("could not check the streams: failed to read {name} at NATS_URL"))
}

/// The durable consumers whose oldest unacknowledged message is from before `before`.
pub async fn behind(jetstream: &jetstream::Context, before: Timestamp) -> anyhow::Result<Vec<Behind>> {
    let mut found = Vec::new();
    for name in [streams::COMMANDS, streams::EVENTS] {
        let stream = stream(jetstream, name).await?;
        let failed = || format!("could not check the streams: failed to read the consumers of {name}");
        let consumers: Vec<consumer::Info> = stream.consumers().try_collect().await.with_context(failed)?;
        for info in consumers {
            let pending = info.num_pending + u64::try_from(info.num_ack_pending).unwrap_or(0);
            // Those without a durable name read for a moment, as this does; those of other names are somebody else's.
            let ours = |name: &String| pending > 0 && is_ours(name);
            let Some(durable) = info.config.durable_name.clone().filter(ours) else { continue };
            if let Some(since) = oldest(&stream, &info).await.filter(|since| *since < before) {
                found.push(Behind { stream: name, consumer: durable, pending, since });
            }
        }
    }
    Ok(found)
}

/// True of the consumers of our services, which are named after them.
fn is_ours(durable: &str) -> bool {
    let service = durable.split('-').next().unwrap_or_default();
    RoleName::from_str(service, false).is_ok()
}

/// When the oldest message that is not acknowledged was published; absent when it was acknowledged meanwhile.
async fn oldest(stream: &Stream, info: &consumer::Info) -> Option<Timestamp> {
    let mut subjects = info.config.filter_subjects.clone();
    if subjects.is_empty() {
        subjects.push(if info.config.filter_subject.is_empty() {
            ">".to_owned()
        } else {
            info.config.filter_subject.clone()
        });
    }
    let from = info.ack_floor.stream_sequence + 1;
    let mut oldest: Option<Timestamp> = None;
    for subject in subjects {
        let Ok(message) = stream.get_first_raw_message_by_subject(&subject, from).await else { continue };
        let at = Timestamp::from_nanosecond(message.time.unix_timestamp_nanos()).ok()?;
        oldest = Some(oldest.map_or(at, |known| known.min(at)));
    }
    oldest
}

/// The messages that could not be handled, oldest first.
pub async fn dead_letters(jetstream: &jetstream::Context) -> anyhow::Result<Vec<DeadLetter>> {
    let mut stream = stream(jetstream, streams::DEAD_LETTERS).await?;
    let failed = "could not check the streams: failed to read the dead letters";
    let state = stream.info().await.context(failed)?.state.clone();
    if state.messages == 0 {
        return Ok(Vec::new());
    }
    let config =
        OrderedConfig { deliver_policy: DeliverPolicy::All, headers_only: true, ..OrderedConfig::default() };
    let reader = stream.create_consumer(config).await.context(failed)?;
    let mut messages = reader.messages().await.context(failed)?;
    let mut letters = Vec::new();
    while letters.len() < MOST_LETTERS {
        let next = tokio::time::timeout(Duration::from_secs(10), messages.next()).await.context(failed)?;
        let Some(message) = next else { break };
        let message = message.context(failed)?;
        let info = message.info().map_err(|error| anyhow::anyhow!("{error}")).context(failed)?;
        let header = |name: &str| {
            let value = message.headers.as_ref().and_then(|headers| headers.get(name));
            value.map(|value| value.as_str().to_owned())
        };
        letters.push(DeadLetter {
            sequence: info.stream_sequence,
            order_id: header("ce-subject"),
            consumer: message.subject.trim_start_matches("supercargo.dead.").to_owned(),
            error: header("Supercargo-Dead-Error").unwrap_or_else(|| "no reason was kept".to_owned()),
        });
        if info.pending == 0 || info.stream_sequence >= state.last_sequence {
            break;
        }
    }
    Ok(letters)
}
