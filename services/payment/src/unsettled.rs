//! How many payments are in a phase that somebody has to look at, as the metric `supercargo_payments`.

use chassis::gauges::{as_gauge, noted, rest};
use chassis::{Platform, Store};
use resources::PaymentPhase;

/// Counts them from time to time, until the process is to stop.
///
/// # Errors
/// None: a count that fails is left out.
pub async fn watch(platform: Platform, store: Store) -> anyhow::Result<()> {
    loop {
        noted(count(&store).await);
        if rest(&platform.stop).await {
            return Ok(());
        }
    }
}

async fn count(store: &Store) -> anyhow::Result<()> {
    let (unknown, failed): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE phase = 'Unknown'), count(*) FILTER (WHERE phase = 'Failed')
         FROM payments WHERE phase IN ('Unknown', 'Failed')",
    )
    .fetch_one(store.pool())
    .await?;
    for (phase, payments) in [(PaymentPhase::Unknown, unknown), (PaymentPhase::Failed, failed)] {
        metrics::gauge!("supercargo_payments", "phase" => phase.as_str())
            .set(as_gauge(payments.unsigned_abs()));
    }
    Ok(())
}
