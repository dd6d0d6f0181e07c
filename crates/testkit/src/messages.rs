//! JetStream as it is: commands and events sent by hand, and the dead letters.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{DeliverPolicy, pull::OrderedConfig};
use events::{Command, CommandTarget, Event, EventType, OrderTransition, streams};
use futures::StreamExt;
use serde::Serialize;

use crate::stack::Stack;

/// A message that could not be handled, with its reason.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// `supercargo.dead.<stream>.<consumer>`.
    pub subject: String,
    /// Where the message was.
    pub original: String,
    /// Why it could not be handled.
    pub error: String,
    /// As it was.
    pub payload: String,
}

impl Stack {
    /// Sends a command as the operator does, under a fresh message id.
    ///
    /// # Errors
    /// When JetStream does not take it.
    pub async fn command<S: CommandTarget + Serialize>(&self, command: &Command<S>) -> anyhow::Result<()> {
        chassis::publish_command(&self.jetstream, "tests", command).await
    }

    /// Publishes anything on a subject; waits until it is stored.
    ///
    /// # Errors
    /// When JetStream does not take it.
    pub async fn publish(&self, subject: &str, headers: HeaderMap, payload: &str) -> anyhow::Result<()> {
        let stored =
            self.jetstream.publish_with_headers(subject.to_owned(), headers, payload.to_owned().into());
        stored.await?.await.with_context(|| format!("failed to publish on {subject}"))?;
        Ok(())
    }

    /// Publishes an event under a fresh message id, so that the stream does not swallow one that it has seen.
    ///
    /// # Errors
    /// When JetStream does not take it.
    pub async fn publish_again(&self, event: &Event) -> anyhow::Result<()> {
        let mut headers = event.headers();
        let fresh = uuid::Uuid::new_v4().to_string();
        headers.insert(async_nats::header::NATS_MESSAGE_ID, fresh.as_str());
        self.publish(event.event_type.subject(), headers, &event.data.to_string()).await
    }

    /// The events on these subjects about one thing, an order or an article, as they are stored: headers and data.
    ///
    /// # Errors
    /// When fewer than `count` come in time.
    pub async fn events_about(
        &self,
        subjects: &str,
        about: &str,
        count: usize,
    ) -> anyhow::Result<Vec<(HeaderMap, serde_json::Value)>> {
        let events = self.jetstream.get_stream(streams::EVENTS).await.context("there is no EVENTS")?;
        let config = OrderedConfig {
            filter_subject: subjects.to_owned(),
            deliver_policy: DeliverPolicy::All,
            ..OrderedConfig::default()
        };
        let reader = events.create_consumer(config).await.context("failed to read the events")?;
        let mut messages = reader.messages().await.context("failed to read the events")?;
        let mut found = Vec::new();
        let finding = async {
            while found.len() < count {
                let message =
                    messages.next().await.context("the events ended")?.context("failed to read an event")?;
                let headers = message.headers.clone().unwrap_or_default();
                if headers.get("ce-subject").is_some_and(|subject| subject.as_str() == about) {
                    found.push((
                        headers,
                        serde_json::from_slice(&message.payload).context("an event without JSON")?,
                    ));
                }
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(Duration::from_secs(30), finding).await.with_context(|| {
            format!("fewer than {count} events on {subjects} about {about} within 30 s")
        })??;
        Ok(found)
    }

    /// The first dead letter of that consumer whose payload contains `mark`; waited for.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn dead_letter(&self, stream: &str, consumer: &str, mark: &str) -> anyhow::Result<DeadLetter> {
        let letters =
            self.jetstream.get_stream(streams::DEAD_LETTERS).await.context("there is no DEAD_LETTERS")?;
        let config = OrderedConfig {
            filter_subject: format!("supercargo.dead.{stream}.{consumer}"),
            deliver_policy: DeliverPolicy::All,
            ..OrderedConfig::default()
        };
        let reader = letters.create_consumer(config).await.context("failed to read the dead letters")?;
        let mut messages = reader.messages().await.context("failed to read the dead letters")?;
        let finding = async {
            while let Some(message) = messages.next().await {
                let message = message.context("failed to read a dead letter")?;
                let payload = String::from_utf8_lossy(&message.payload).into_owned();
                if payload.contains(mark) {
                    let header = |name: &str| {
                        let value = message.headers.as_ref().and_then(|headers| headers.get(name));
                        value.map(|value| value.as_str().to_owned()).unwrap_or_default()
                    };
                    return Ok(DeadLetter {
                        subject: message.subject.to_string(),
                        original: header("Supercargo-Dead-Subject"),
                        error: header("Supercargo-Dead-Error"),
                        payload,
                    });
                }
            }
            anyhow::bail!("the dead letters ended")
        };
        tokio::time::timeout(Duration::from_secs(30), finding)
            .await
            .with_context(|| format!("no dead letter of {stream}/{consumer} with {mark:?} within 30 s"))?
    }
}

/// An event of the catalogue with data of any form.
///
/// # Errors
/// When the data cannot be written.
pub fn raw_event(
    event_type: EventType,
    id: &str,
    subject: &str,
    data: &serde_json::Value,
) -> anyhow::Result<Event> {
    Ok(Event::new(event_type, "tests", id.to_owned(), subject, jiff::Timestamp::now(), data)?)
}

/// The event of a transition, as the operator publishes it.
///
/// # Errors
/// When the data cannot be written.
pub fn transition_event(event_type: EventType, data: &OrderTransition) -> anyhow::Result<Event> {
    let id = format!("{}/{}", data.order_id, data.sequence);
    Ok(Event::new(event_type, "operator", id, &data.order_id, data.at, data)?)
}
