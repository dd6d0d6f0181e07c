//! What piles up: messages that wait for a consumer, rows of the outbox, dead letters, and the database itself. Measured from
//! time to time; a measurement that fails is left out, and the next one is made as ever.

use std::time::Duration;

use anyhow::Context as _;
use events::streams;
use sqlx::Row;
use tokio_util::sync::CancellationToken;

use crate::{Platform, Store};

const EVERY: Duration = Duration::from_secs(15);

/// Measures how much waits for a consumer, until the process is to stop.
pub(crate) async fn watch_consumer(platform: Platform, stream: &'static str, consumer: &'static str) {
    loop {
        noted(measure_consumer(&platform, stream, consumer).await);
        if rest(&platform.stop).await {
            return;
        }
    }
}

async fn measure_consumer(
    platform: &Platform,
    stream: &'static str,
    consumer: &'static str,
) -> anyhow::Result<()> {
    let held = platform.jetstream.get_stream_no_info(stream).await.context("failed to find the stream")?;
    let info = held.consumer_info(consumer).await.context("failed to ask for the consumer")?;
    let labels = [("stream", stream), ("consumer", consumer)];
    metrics::gauge!("supercargo_consumer_lag", &labels).set(as_gauge(info.num_pending));
    let unacknowledged = u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX);
    metrics::gauge!("supercargo_consumer_unacknowledged", &labels).set(as_gauge(unacknowledged));
    Ok(())
}

/// Measures a service's outbox and database, and the dead letters, until the process is to stop.
pub(crate) async fn watch_store(platform: Platform, store: Store) {
    loop {
        noted(measure_store(&platform, &store).await);
        if rest(&platform.stop).await {
            return;
        }
    }
}

async fn measure_store(platform: &Platform, store: &Store) -> anyhow::Result<()> {
    let row = sqlx::query(
        "SELECT count(*) AS waiting,
             COALESCE(EXTRACT(epoch FROM now() - min(created_at)), 0)::float8 AS age,
             pg_database_size(current_database()) AS bytes
         FROM outbox WHERE published_at IS NULL",
    )
    .fetch_one(store.pool())
    .await
    .context("failed to read the outbox")?;
    let number = |column| row.try_get::<i64, _>(column).map(|number| as_gauge(number.unsigned_abs()));
    let labels = [("service", store.service())];
    metrics::gauge!("supercargo_outbox_waiting", &labels).set(number("waiting")?);
    metrics::gauge!("supercargo_outbox_age_seconds", &labels).set(row.try_get::<f64, _>("age")?);
    metrics::gauge!("supercargo_database_bytes", &labels).set(number("bytes")?);
    let letters = platform.jetstream.get_stream_no_info(streams::DEAD_LETTERS).await;
    let letters = letters.context("failed to find the stream of dead letters")?.get_info().await;
    let letters = letters.context("failed to count the dead letters")?.state.messages;
    metrics::gauge!("supercargo_dead_letters_waiting").set(as_gauge(letters));
    Ok(())
}

/// A measurement that fails is left out.
pub fn noted(measured: anyhow::Result<()>) {
    if let Err(error) = measured {
        tracing::debug!("a measurement is left out: {error:#}");
    }
}

/// Waits until the next measurement is due; true when the process is to stop instead.
pub async fn rest(stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(EVERY) => false,
        () = stop.cancelled() => true,
    }
}

/// The number as gauges have it.
#[must_use]
#[allow(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; nothing here is counted beyond its 52 bits"
)]
pub const fn as_gauge(number: u64) -> f64 {
    number as f64
}
