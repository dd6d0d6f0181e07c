//! The outbox relay: tells the world what was committed.
//!
//! It reads unpublished rows, never a high-water mark, since commits land out of order. A row stays until it is
//! acknowledged, so everything is told at least once; the ids of events and the revisions of reports make a second
//! telling harmless. Published rows are kept for a week.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use events::{Attributes, Event, EventType, TraceParent};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use tokio::sync::Semaphore;
use tracing::Span;

use crate::gauges::watch_store;
use crate::publish::publish_event_as;
use crate::stream_loss::new_stream;
use crate::trace::{join, onward, within};
use crate::{Backoff, Platform, Point, StatusReport, Store, Transaction, clock, effect};

const BATCH: i64 = 64;
const AT_ONCE: usize = 16;
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
const LOOK_FOR_LOSS_EVERY: Duration = Duration::from_secs(5);
/// Reports that take longer are not waited for.
const REPORTS_SOON: Duration = Duration::from_millis(250);
/// A connection that takes a message later than this is none.
const AHEAD_WITHIN: Duration = Duration::from_millis(100);
/// Who looks for a loss of the stream here.
const READER: &str = "outbox";
/// A dependency that is back is noticed soon: one row tried again costs little.
const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(100), maximum: Duration::from_secs(5) };

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
            trace: onward(&event.attributes.trace).to_string(),
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
    Status {
        report: StatusReport,
        /// What it was made in, where that is traced.
        trace: Option<TraceParent>,
    },
    /// A later row of the same batch reports on the same object.
    Overtaken,
}

/// Relays until the process is to stop, then relays what is there once more.
///
/// # Errors
/// None in operation: failures are retried.
pub async fn relay(platform: Platform, store: Store) -> anyhow::Result<()> {
    let check = platform.health.check(&format!("{} outbox", store.service()));
    let watching = tokio::spawn(watch_store(platform.clone(), store.clone()));
    let mut failures = 0;
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    let mut loss = tokio::time::interval(LOOK_FOR_LOSS_EVERY);
    loss.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut slow = SlowReports::default();
    let mut made_anew = platform.made_anew.from_now_on();
    loop {
        match relay_batch(&platform, &store, &mut slow).await {
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
            slow.finish(&store).await;
            watching.abort();
            return Ok(());
        }
        let wait = if failures == 0 { Duration::from_secs(1) } else { BACKOFF.jittered(failures) };
        tokio::select! {
            () = store.outbox_written.notified() => {}
            () = tokio::time::sleep(wait) => {}
            Some(told) = slow.under_way.next() => slow.settle(&store, told).await,
            _ = sweep.tick() => sweep_old(&store).await,
            () = made_anew.changed() => loss.reset_immediately(),
            _ = loss.tick() => tell_again_after_a_loss(&platform, &store).await,
            () = platform.stop.cancelled() => {}
        }
    }
}

/// What became of a row.
struct Told {
    id: i64,
    attempts: i32,
    outcome: anyhow::Result<()>,
}

/// Relays one batch; true when there may be more.
///
/// Reports that the API server is slow to take are left to go on by themselves: events of theirs and of later batches do
/// not wait for them.
async fn relay_batch<'a>(
    platform: &'a Platform,
    store: &Store,
    slow: &mut SlowReports<'a>,
) -> anyhow::Result<bool> {
    let mut transaction = store.begin().await.context("failed to begin")?;
    let rows = sqlx::query(
        "SELECT id, kind, message_key, body, attempts FROM outbox
         WHERE published_at IS NULL AND next_at <= now() + make_interval(secs => $2::double precision / 1000)
             AND NOT id = ANY($3) AND (kind = 'event' OR $4)
         ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED",
    )
    .bind(BATCH)
    .bind(clock::skipped())
    .bind(&slow.ids)
    .bind(slow.has_room())
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
    let service = store.service();
    let (mut events, mut reports) = (Vec::new(), FuturesUnordered::new());
    let mut reporting: Vec<i64> = Vec::new();
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    for row in rows {
        let (id, attempts): (i64, i32) = (row.get("id"), row.get("attempts"));
        let newest = newest_report.get(row.get::<&str, _>("message_key")).is_none_or(|newest| *newest == id);
        let outgoing = read(row.get("kind"), row.get("body"), newest);
        if let Ok(Outgoing::Status { .. }) = &outgoing {
            let at_once = at_once.clone();
            reporting.push(id);
            reports.push(
                async move {
                    let _slot = at_once.acquire().await;
                    Told { id, attempts, outcome: send(platform, service, outgoing).await }
                }
                .boxed(),
            );
        } else {
            events
                .push(async move { Told { id, attempts, outcome: send(platform, service, outgoing).await } });
        }
    }
    let events = futures::stream::iter(events).buffered(AT_ONCE).collect::<Vec<_>>();
    let (mut told, reported) = tokio::join!(events, quick(&mut reports));
    told.extend(reported);
    reporting.retain(|id| !told.iter().any(|told| told.id == *id));
    settle(store, &mut transaction, told).await?;
    transaction.commit().await.context("failed to commit the outbox")?;
    slow.take(reporting, reports);
    Ok(full)
}

/// The reports that are told soon; the others stay.
async fn quick(reports: &mut Reports<'_>) -> Vec<Told> {
    let mut told = Vec::new();
    let patience = tokio::time::sleep(REPORTS_SOON);
    tokio::pin!(patience);
    loop {
        tokio::select! {
            biased;
            next = reports.next() => match next {
                Some(one) => told.push(one),
                None => return told,
            },
            () = &mut patience => return told,
        }
    }
}

type Reports<'a> = FuturesUnordered<BoxFuture<'a, Told>>;

/// Reports under way that the API server is slow to take; their rows are left alone meanwhile.
#[derive(Default)]
struct SlowReports<'a> {
    ids: Vec<i64>,
    under_way: Reports<'a>,
}

impl<'a> SlowReports<'a> {
    fn has_room(&self) -> bool {
        i64::try_from(self.ids.len()).is_ok_and(|count| count < BATCH)
    }

    fn take(&mut self, ids: Vec<i64>, reports: Reports<'a>) {
        self.ids.extend(ids);
        self.under_way.extend(reports);
    }

    /// Notes what became of one of them.
    async fn settle(&mut self, store: &Store, told: Told) {
        self.ids.retain(|id| *id != told.id);
        let settling = async {
            let mut transaction = store.begin().await?;
            settle(store, &mut transaction, vec![told]).await?;
            anyhow::Ok(transaction.commit().await?)
        };
        if let Err(error) = settling.await {
            tracing::warn!(
                service = store.service(),
                "failed to mark the outbox; it is told again: {error:#}"
            );
        }
    }

    async fn finish(&mut self, store: &Store) {
        while let Some(told) = self.under_way.next().await {
            self.settle(store, told).await;
        }
    }
}

/// Notes what is told, and when the rest is tried again.
async fn settle(store: &Store, transaction: &mut Transaction, all: Vec<Told>) -> anyhow::Result<()> {
    let mut published = Vec::new();
    for Told { id, attempts, outcome } in all {
        let Err(error) = outcome else {
            published.push(id);
            continue;
        };
        tracing::warn!(
            service = store.service(),
            outbox = id,
            attempts,
            "failed to tell, will retry: {error:#}"
        );
        metrics::counter!("supercargo_outbox_failures_total", "service" => store.service()).increment(1);
        let wait = BACKOFF.jittered(u32::try_from(attempts).unwrap_or(0) + 1);
        sqlx::query(
            "UPDATE outbox SET attempts = attempts + 1, error = $2,
                 next_at = now() + make_interval(secs => $3::double precision / 1000) WHERE id = $1",
        )
        .bind(id)
        .bind(format!("{error:#}"))
        .bind(i64::try_from(wait.as_millis()).unwrap_or(30_000))
        .execute(&mut **transaction)
        .await
        .context("failed to note a failure in the outbox")?;
    }
    sqlx::query("UPDATE outbox SET published_at = now() WHERE id = ANY($1)")
        .bind(&published)
        .execute(&mut **transaction)
        .await
        .context("failed to mark the outbox")?;
    Ok(())
}

/// A stream that was made anew has lost what nobody may have read yet: every event that is kept is told again. Whoever had
/// it knows it by its id.
async fn tell_again_after_a_loss(platform: &Platform, store: &Store) {
    let telling = async {
        let Some(new) = new_stream(platform, store, READER).await? else { return anyhow::Ok(()) };
        let mut transaction = store.begin().await?;
        let again = sqlx::query(
            "UPDATE outbox SET published_at = NULL, next_at = now(), attempts = 0
             WHERE kind = 'event' AND published_at IS NOT NULL",
        )
        .execute(&mut *transaction)
        .await?;
        new.note(&mut transaction).await?;
        transaction.commit().await?;
        tracing::warn!(
            service = store.service(),
            events = again.rows_affected(),
            "the stream of events was made anew: what is kept is told again"
        );
        Ok(())
    };
    if let Err(error) = telling.await {
        tracing::debug!(service = store.service(), "failed to look for a loss of the stream: {error:#}");
    }
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
    let trace = body.get("trace").and_then(serde_json::Value::as_str).and_then(TraceParent::parse);
    let report = serde_json::from_value(body).context("failed to read a report in the outbox")?;
    Ok(Outgoing::Status { report, trace })
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
            let span = telling(&event.attributes.trace);
            within(span, effect(point, &event.attributes.subject, publishing)).await
        }
        Outgoing::Status { report, trace } => {
            let point = Point::new(service, "outbox", "report");
            let key = report.key();
            let span = trace.as_ref().map_or_else(Span::none, telling);
            let ahead = Point::new(service, "outbox", "ahead");
            let told = effect(ahead, &key, || report.tell_ahead(&platform.nats));
            // Whatever comes of it: the resource does not wait for it.
            match tokio::time::timeout(AHEAD_WITHIN, told).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(report = key, "{error:#}"),
                Err(_) => tracing::debug!(report = key, "not told ahead: the connection to NATS is full"),
            }
            let reporting = within(span, effect(point, &key, || report.write(&platform.kubernetes)));
            let written = tokio::time::timeout(Duration::from_secs(10), reporting)
                .await
                .context("the API server did not answer within 10 s")??;
            tracing::debug!(report = key, ?written, "reported");
            Ok(())
        }
        Outgoing::Overtaken => Ok(()),
    }
}

/// The span that a row is told in: part of what it was written in.
fn telling(trace: &TraceParent) -> Span {
    join(tracing::info_span!("tell", trace_id = trace.trace_id()), trace)
}

async fn sweep_old(store: &Store) {
    for statement in [
        "DELETE FROM outbox WHERE published_at < now() - interval '7 days'",
        "DELETE FROM inbox WHERE handled_at < now() - interval '14 days'",
        "DELETE FROM inbox_failures WHERE failed_at < now() - interval '14 days'",
        "DELETE FROM idempotency WHERE created_at < now() - interval '24 hours'",
    ] {
        if let Err(error) = sqlx::query(statement).execute(store.pool()).await {
            tracing::warn!(service = store.service(), "failed to sweep old rows, will retry: {error}");
        }
    }
}
