//! Order_Status: how many orders are in each phase, over all orders for ever.
//!
//! The tables count with the views, in the transaction that moves them. What moved is summed up from time to time, so that
//! reading stays quick however many orders there are.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use chassis::gauges::as_gauge;
use chassis::questions::Answerer;
use chassis::{Platform, Store};
use events::questions::{Question, Reply};
use resources::OrderPhase;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{Error, Row};

/// How often what moved is summed up, and shown as metrics.
const EVERY: Duration = Duration::from_secs(10);

/// How many orders are in each phase.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OrderStatus {
    /// All orders there ever were.
    pub total: i64,
    /// Those that are not quoted yet.
    pub unquoted: i64,
    /// By phase, every one of them.
    pub phases: BTreeMap<String, i64>,
}

/// How many orders are in each phase?
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ReadStatus {}

impl Question for ReadStatus {
    type Answer = OrderStatus;
    const SUBJECT: &'static str = "orders.status";
}

/// Answers [`ReadStatus`].
#[derive(Clone)]
pub struct Counts(pub Store);

#[async_trait]
impl Answerer<ReadStatus, OrderStatus> for Counts {
    async fn answer(&self, _question: ReadStatus) -> Reply<OrderStatus> {
        match read(&self.0).await {
            Ok(status) => Reply::Answer(status),
            Err(error) => Reply::Unavailable(format!("failed to count the orders: {error}")),
        }
    }
}

/// How many orders are in each phase now.
///
/// # Errors
/// When the database fails.
pub async fn read(store: &Store) -> Result<OrderStatus, Error> {
    let rows = sqlx::query(
        "SELECT phase, sum(orders)::bigint AS orders
         FROM (SELECT phase, orders FROM order_status UNION ALL SELECT phase, change FROM order_status_moves) AS counted
         GROUP BY phase",
    )
    .fetch_all(store.pool())
    .await?;
    let none = OrderPhase::ALL.iter().map(|phase| (phase.as_str().to_owned(), 0));
    let mut status = OrderStatus { phases: none.collect(), ..OrderStatus::default() };
    for row in rows {
        let (phase, orders): (String, i64) = (row.try_get("phase")?, row.try_get("orders")?);
        status.total += orders;
        match phase.as_str() {
            "" => status.unquoted = orders,
            _ => {
                status.phases.insert(phase, orders);
            }
        }
    }
    Ok(status)
}

/// Adds what moved to the sums.
///
/// # Errors
/// When the database fails; nothing is lost then.
pub async fn sum_up(store: &Store) -> Result<(), Error> {
    let mut tx = store.begin().await?;
    sqlx::query(
        "WITH moved AS (DELETE FROM order_status_moves RETURNING phase, change)
         INSERT INTO order_status AS known (phase, orders)
         SELECT phase, sum(change)::bigint FROM moved GROUP BY phase ORDER BY phase
         ON CONFLICT (phase) DO UPDATE SET orders = known.orders + EXCLUDED.orders",
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Counts the views anew. Meanwhile they can be read; what moves them waits.
///
/// # Errors
/// When the database fails.
pub(crate) async fn count_anew_in_tx(tx: &mut chassis::Transaction) -> Result<(), Error> {
    for statement in [
        "LOCK TABLE order_views IN SHARE MODE",
        "DELETE FROM order_status_moves",
        "DELETE FROM order_status",
        "INSERT INTO order_status (phase, orders) SELECT COALESCE(phase, ''), count(*) FROM order_views GROUP BY 1",
    ] {
        sqlx::query(statement).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Sums up what moved, and shows it as the metric `supercargo_orders`, until told to stop. Each replica does both, so that
/// the metric is the same at each.
pub(crate) async fn keep_counting(platform: Platform, store: Store) -> anyhow::Result<()> {
    while !platform.stop.is_cancelled() {
        match count(&store).await {
            Ok(status) => show(&status),
            Err(error) => tracing::warn!("failed to count the orders by phase, will retry: {error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = platform.stop.cancelled() => {}
        }
    }
    Ok(())
}

async fn count(store: &Store) -> Result<OrderStatus, Error> {
    sum_up(store).await?;
    read(store).await
}

fn show(status: &OrderStatus) {
    metrics::gauge!("supercargo_orders", "phase" => "Unquoted").set(as_gauge(status.unquoted.unsigned_abs()));
    for (phase, orders) in &status.phases {
        metrics::gauge!("supercargo_orders", "phase" => phase.clone()).set(as_gauge(orders.unsigned_abs()));
    }
}
