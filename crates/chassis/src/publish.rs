//! Publishing with the acknowledgement awaited.

use anyhow::Context as _;
use async_nats::jetstream;
use events::{Attributes, Command, CommandTarget, Event, SOURCE_PREFIX, TraceParent};
use serde::Serialize;

use crate::trace::onward;

/// Publishes an event; returns when it is stored. The event's id deduplicates within the stream's window.
///
/// # Errors
/// When the server does not acknowledge in time.
pub async fn publish_event(jetstream: &jetstream::Context, event: &Event) -> anyhow::Result<()> {
    publish_event_as(jetstream, event, &event.attributes.id).await
}

/// Publishes an event that the stream may have seen already, under a fresh message id: whoever counts by the event's id
/// counts it once.
///
/// # Errors
/// When the server does not acknowledge in time.
pub async fn publish_event_again(jetstream: &jetstream::Context, event: &Event) -> anyhow::Result<()> {
    let message_id = format!("{}/{}", event.attributes.id, uuid::Uuid::new_v4());
    publish_event_as(jetstream, event, &message_id).await
}

/// Publishes an event under this message id.
pub(crate) async fn publish_event_as(
    jetstream: &jetstream::Context,
    event: &Event,
    message_id: &str,
) -> anyhow::Result<()> {
    let payload = serde_json::to_vec(&event.data).context("failed to write the data of an event")?;
    let subject = event.event_type.subject();
    let mut headers = event.headers();
    headers.insert(async_nats::header::NATS_MESSAGE_ID, message_id);
    headers.insert("traceparent", onward(&event.attributes.trace).to_string());
    jetstream
        .publish_with_headers(subject, headers, payload.into())
        .await
        .with_context(|| format!("failed to publish {subject} of {}", event.attributes.subject))?
        .await
        .with_context(|| {
            format!("{subject} of {} was not acknowledged by JetStream", event.attributes.subject)
        })?;
    metrics::counter!("supercargo_events_published_total", "type" => event.event_type.name()).increment(1);
    Ok(())
}

/// Publishes a command under a fresh message id, so that a repeated one is not swallowed; the business key stays.
///
/// # Errors
/// When the server does not acknowledge in time.
pub async fn publish_command<S>(
    jetstream: &jetstream::Context,
    source: &str,
    command: &Command<S>,
) -> anyhow::Result<()>
where
    S: CommandTarget + Serialize,
{
    let payload = serde_json::to_vec(command).context("failed to write a command")?;
    let subject = command.subject();
    let attributes = Attributes {
        id: command.key(),
        source: format!("{SOURCE_PREFIX}{source}"),
        subject: command.order_id.clone(),
        time: crate::clock::now(),
        trace: onward(&TraceParent::of_order(&command.order_id)),
    };
    let type_text = format!("dev.{subject}.v1");
    let mut headers = attributes.headers(&type_text);
    let message_id = format!("{}/{}", attributes.id, uuid::Uuid::new_v4());
    headers.insert(async_nats::header::NATS_MESSAGE_ID, message_id.as_str());
    jetstream
        .publish_with_headers(subject, headers, payload.into())
        .await
        .with_context(|| format!("failed to publish {subject} of {}", command.order_id))?
        .await
        .with_context(|| format!("{subject} of {} was not acknowledged by JetStream", command.order_id))?;
    metrics::counter!("supercargo_commands_published_total", "service" => S::SERVICE).increment(1);
    Ok(())
}
