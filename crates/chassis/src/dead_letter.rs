//! Messages that cannot be handled are kept with their reason.

use anyhow::Context as _;
use async_nats::HeaderMap;
use async_nats::jetstream;
use bytes::Bytes;
use events::{Event, streams};

/// The subject that the message came by.
pub(crate) const SUBJECT: &str = "Supercargo-Dead-Subject";
/// Why it could not be handled.
pub(crate) const ERROR: &str = "Supercargo-Dead-Error";
/// How often it was tried.
pub(crate) const DELIVERIES: &str = "Supercargo-Dead-Deliveries";
/// What is added to a message's own headers.
pub(crate) const MARKS: [&str; 3] = [SUBJECT, ERROR, DELIVERIES];

/// Keeps an event whose effect failed for good after its message was acknowledged (a mail that no server takes), under
/// `supercargo.dead.EVENTS.<consumer>`. Redriving it delivers the event again.
///
/// # Errors
/// When the server does not acknowledge in time.
pub async fn bury_event(
    jetstream: &jetstream::Context,
    consumer: &str,
    event: &Event,
    error: &str,
    tries: i64,
) -> anyhow::Result<()> {
    let payload = serde_json::to_vec(&event.data).context("failed to write the data of an event")?.into();
    let headers = event.headers();
    let letter = Buried {
        subject: event.event_type.subject(),
        headers: Some(&headers),
        payload: &payload,
        error,
        deliveries: tries,
    };
    bury(jetstream, streams::EVENTS, consumer, letter).await
}

/// Stores a message under `supercargo.dead.<stream>.<consumer>` and waits until it is kept.
pub(crate) async fn bury(
    jetstream: &jetstream::Context,
    stream: &str,
    consumer: &str,
    original: Buried<'_>,
) -> anyhow::Result<()> {
    let Buried { subject, headers, payload, error, deliveries } = original;
    let mut headers = headers.cloned().unwrap_or_else(HeaderMap::new);
    headers.insert(SUBJECT, subject);
    headers.insert(ERROR, one_line(error).as_str());
    headers.insert(DELIVERIES, deliveries.to_string().as_str());
    // The same message may die again after it was redriven: each death is a letter of its own.
    headers.insert(async_nats::header::NATS_MESSAGE_ID, uuid::Uuid::new_v4().to_string().as_str());
    let to = format!("supercargo.dead.{stream}.{consumer}");
    jetstream
        .publish_with_headers(to.clone(), headers, payload.clone())
        .await
        .with_context(|| format!("failed to publish to {to}"))?
        .await
        .with_context(|| format!("{to} was not acknowledged by JetStream"))?;
    metrics::counter!("supercargo_dead_letters_total", "stream" => stream.to_owned(), "consumer" => consumer.to_owned())
        .increment(1);
    Ok(())
}

/// A message as it died.
#[derive(Clone, Copy)]
pub(crate) struct Buried<'a> {
    pub(crate) subject: &'a str,
    pub(crate) headers: Option<&'a HeaderMap>,
    pub(crate) payload: &'a Bytes,
    pub(crate) error: &'a str,
    pub(crate) deliveries: i64,
}

/// Header values are one line of printable ASCII.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { ' ' }).take(1000).collect()
}
