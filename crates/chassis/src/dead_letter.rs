//! Messages that cannot be handled are kept with their reason.

use anyhow::Context as _;
use async_nats::HeaderMap;
use async_nats::jetstream;
use bytes::Bytes;

/// Stores a message under `supercargo.dead.<stream>.<consumer>` and waits until it is kept.
pub(crate) async fn bury(
    jetstream: &jetstream::Context,
    stream: &str,
    consumer: &str,
    original: Buried<'_>,
) -> anyhow::Result<()> {
    let Buried { subject, headers, payload, error, deliveries } = original;
    let mut headers = headers.cloned().unwrap_or_else(HeaderMap::new);
    headers.insert("Supercargo-Dead-Subject", subject);
    headers.insert("Supercargo-Dead-Error", one_line(error).as_str());
    headers.insert("Supercargo-Dead-Deliveries", deliveries.to_string().as_str());
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
