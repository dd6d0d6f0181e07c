//! The outbox relay: tells the world what was committed.
//!
//! It reads unpublished rows, never a high-water mark, since commits land out of order. A row stays until it is
//! acknowledged, so everything is told at least once; the ids of events and the revisions of reports make a second
//! telling harmless. Published rows are kept for a week.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use events::{Attributes, Event, EventType, TraceParent};
use futures::StreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;

use crate::publish::publish_event_as;
use crate::{Backoff, Platform, Point, StatusReport, Store, clock, effect};

const BATCH: i64 = 64;
const AT_ONCE: usize = 16;
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// An event as it rests in the outbox.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OutboxEvent {
    event_type: String,
    id: String,
    source: String,
    subject: String,
    time: Timestamp,
    trace: String,
    data: serde_json::Value,
    /// It was told before and is to be told once more: what makes the message another one for the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    again: Option<String>,
}

impl OutboxEvent {
    pub(crate) fn of(event: &Event) -> Self {
        Self {
            event_type: event.event_type.cloud_event_type().to_owned(),
            id: event.attributes.id.clone(),
            source: event.attributes.source.clone(),
            subject: event.attributes.subject.clone(),
            time: event.attributes.time,
            trace: event.attributes.trace.to_string(),
            data: event.data.clone(),
            again: None,
        }
    }

    fn message_id(&self) -> String {
        match &self.again {
            Some(again) => format!("{}/{again}", self.id),
            None => self.id.clone(),
        }
    }

    fn into_event(self) -> anyhow::Result<Event> {
        let event_type = EventType::from_cloud_event_type(&self.event_type)
            .with_context(|| format!("{:?} is not in the catalogue", self.event_type))?;
        let trace = TraceParent::parse(&self.trace).unwrap_or_else(|| TraceParent::of_order(&self.subject));
        let attributes =
            Attributes { id: self.id, source: self.source, subject: self.subject, time: self.time, trace };
        Ok(Event { event_type, attributes, data: self.data })
    }
}

enum Outgoing {
    Event {
        event: Event,
        message_id: String,
    },
    Status(StatusReport),
    /// A later row of the same batch reports on the same object.
    Overtaken,
}

/// Relays until the process is to stop, then relays what is there once more.
///
/// # Errors
/// None in operation: failures are retried.
pub async fn relay(platform: Platform, store: Store) -> anyhow::Result<()> {
    let check = platform.health.check(&format!("{} outbox", store.service()));
    let mut failures = 0;
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    loop {
        match relay_batch(&platform, &store).await {
            Ok(full) => {
                failures = 0;
                check.ready();
                if full {
                    continue;
                }
            }
            Err(error) => {
                failures += 1;
                check.not_ready(&format!("{error:#}"));
                tracing::warn!(
                    service = store.service(),
                    "failed to relay the outbox, will retry: {error:#}"
                );
            }
        }
        if platform.stop.is_cancelled() {
            return Ok(());
        }
        let wait = if failures == 0 { Duration::from_secs(1) } else { Backoff::DEFAULT.jittered(failures) };
        tokio::select! {
            () = store.outbox_written.notified() => {}
            () = tokio::time::sleep(wait) => {}
            _ = sweep.tick() => sweep_old(&store).await,
            () = platform.stop.cancelled() => {}
        }
    }
}

/// Relays one batch; true when there may be more.
async fn relay_batch(platform: &Platform, store: &Store) -> anyhow::Result<bool> {
    let mut transaction = store.begin().await.context("failed to begin")?;
    let rows = sqlx::query(
        "SELECT id, kind, message_key, body, attempts FROM outbox
         WHERE published_at IS NULL AND next_at <= now() + make_interval(secs => $2::double precision / 1000)
         ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED",
    )
    .bind(BATCH)
    .bind(clock::skipped())
    .fetch_all(&mut *transaction)
    .await
    .context("failed to read the outbox")?;
    if rows.is_empty() {
        return Ok(false);
    }
    let mut newest_report: HashMap<String, i64> = HashMap::new();
    for row in &rows {
        transaction.about("outbox", row.get("message_key"));
        if row.get::<&str, _>("kind") == "status" {
            newest_report.insert(row.get("message_key"), row.get("id"));
        }
    }
    let full = i64::try_from(rows.len()).unwrap_or(BATCH) == BATCH;
    let jobs = rows.into_iter().map(|row| {
        let (id, attempts): (i64, i32) = (row.get("id"), row.get("attempts"));
        let newest = newest_report.get(row.get::<&str, _>("message_key")).is_none_or(|newest| *newest == id);
        let outgoing = read(row.get("kind"), row.get("body"), newest);
        async move { (id, attempts, send(platform, store.service(), outgoing).await) }
    });
    let outcomes: Vec<_> = futures::stream::iter(jobs).buffered(AT_ONCE).collect().await;

    let mut published = Vec::new();
    for (id, attempts, outcome) in outcomes {
        match outcome {
            Ok(()) => published.push(id),
            Err(error) => {
                tracing::warn!(
                    service = store.service(),
                    outbox = id,
                    attempts,
                    "failed to tell, will retry: {error:#}"
                );
                metrics::counter!("supercargo_outbox_failures_total", "service" => store.service())
                    .increment(1);
                let wait = Backoff::DEFAULT.jittered(u32::try_from(attempts).unwrap_or(0) + 1);
                sqlx::query(
                    "UPDATE outbox SET attempts = attempts + 1, error = $2,
                         next_at = now() + make_interval(secs => $3::double precision / 1000) WHERE id = $1",
                )
                .bind(id)
                .bind(format!("{error:#}"))
                .bind(i64::try_from(wait.as_millis()).unwrap_or(30_000))
                .execute(&mut *transaction)
                .await
                .context("failed to note a failure in the outbox")?;
            }
        }
    }
    sqlx::query("UPDATE outbox SET published_at = now() WHERE id = ANY($1)")
        .bind(&published)
        .execute(&mut *transaction)
        .await
        .context("failed to mark the outbox")?;
    transaction.commit().await.context("failed to commit the outbox")?;
    Ok(full)
}

fn read(kind: &str, body: serde_json::Value, newest: bool) -> anyhow::Result<Outgoing> {
    if kind == "event" {
        let event: OutboxEvent =
            serde_json::from_value(body).context("failed to read an event in the outbox")?;
        let message_id = event.message_id();
        return Ok(Outgoing::Event { event: event.into_event()?, message_id });
    }
    if !newest {
        return Ok(Outgoing::Overtaken);
    }
    Ok(Outgoing::Status(serde_json::from_value(body).context("failed to read a report in the outbox")?))
}

async fn send(
    platform: &Platform,
    service: &'static str,
    outgoing: anyhow::Result<Outgoing>,
) -> anyhow::Result<()> {
    match outgoing? {
        Outgoing::Event { event, message_id } => {
            let point = Point::new(service, "outbox", "publish");
            let publishing = || publish_event_as(&platform.jetstream, &event, &message_id);
            effect(point, &event.attributes.subject, publishing).await
        }
        Outgoing::Status(report) => {
            let point = Point::new(service, "outbox", "report");
            let key = report.key();
            let reporting = effect(point, &key, || report.write(&platform.kubernetes));
            let written = tokio::time::timeout(Duration::from_secs(10), reporting)
                .await
                .context("the API server did not answer within 10 s")??;
            tracing::debug!(report = key, ?written, "reported");
            Ok(())
        }
        Outgoing::Overtaken => Ok(()),
    }
}

async fn sweep_old(store: &Store) {
    for statement in [
        "DELETE FROM outbox WHERE published_at < now() - interval '7 days'",
        "DELETE FROM inbox WHERE handled_at < now() - interval '14 days'",
        "DELETE FROM inbox_failures WHERE failed_at < now() - interval '14 days'",
    ] {
        if let Err(error) = sqlx::query(statement).execute(store.pool()).await {
            tracing::warn!(service = store.service(), "failed to sweep old rows, will retry: {error}");
        }
    }
}
