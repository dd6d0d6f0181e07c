//! What is kept of orders, by order id.

use std::collections::BTreeMap;

use events::{Event, OrderTransition};
use jiff::Timestamp;
use money::Money;
use resources::{MoneyRepair, OrderPhase, OrderStatus, Settled};
use serde_json::Value;
use sqlx::postgres::PgPool;
use sqlx::types::time::OffsetDateTime;
use sqlx::{FromRow, Row};

use crate::store::phase_of;

/// The history of one order.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryFacts {
    /// The order id.
    pub order_id: String,
    /// The namespace of the order.
    pub namespace: String,
    /// The name of the order.
    pub name: String,
    /// The phase of the newest transition, as the index has it.
    pub phase: Option<OrderPhase>,
    /// The number of the newest transition, as the index has it.
    pub sequence: i64,
    /// The transitions that are recorded, by number.
    pub transitions: BTreeMap<i64, OrderPhase>,
    /// What the customer was to pay, as the newest recorded transition tells it.
    pub total: Option<Money>,
    /// The transitions to this one were archived with its snapshot; absent when it is not archived.
    pub archived_sequence: Option<i64>,
    /// What people had taken into their hands when it was archived.
    pub by_hand: ByHand,
    /// When it was first heard of.
    pub first_seen: Timestamp,
}

/// What people have taken out of the operator's hands: what no longer has to be as it would by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByHand {
    /// The parcel was settled by hand.
    pub parcel: bool,
    /// The money was settled by hand: so much was kept then, in minor units.
    pub money: Option<i64>,
    /// All that was kept is given back as goodwill.
    pub goodwill: bool,
}

impl ByHand {
    /// What `settled` and `money` of a status come to.
    #[must_use]
    pub fn of(settled: &[Settled], money: Option<&MoneyRepair>) -> Self {
        Self {
            parcel: settled.contains(&Settled::Parcel),
            money: settled.contains(&Settled::Money).then(|| {
                let kept = money.and_then(|money| money.settled);
                kept.map_or(0, |kept| kept.minor_units())
            }),
            goodwill: money.is_some_and(|money| money.refund),
        }
    }
}

#[derive(FromRow)]
struct IndexRow {
    order_id: String,
    namespace: String,
    name: String,
    phase: Option<String>,
    sequence: i64,
    archived_sequence: Option<i64>,
    first_seen: OffsetDateTime,
    sequences: Vec<i64>,
    phases: Vec<String>,
    total: Option<Value>,
    settled: Option<Value>,
    money_repair: Option<Value>,
}

/// The facts of those of `order_ids` that are known.
///
/// # Errors
/// When the database fails.
pub async fn facts_of(pool: &PgPool, order_ids: &[String]) -> anyhow::Result<Vec<HistoryFacts>> {
    let rows: Vec<IndexRow> = sqlx::query_as(
        "SELECT order_id, namespace, name, phase, sequence, archived_sequence, first_seen,
             COALESCE(told.sequences, '{}') AS sequences, COALESCE(told.phases, '{}') AS phases,
             (SELECT data->'total' FROM history AS newest
              WHERE newest.order_id = orders_index.order_id AND newest.sequence IS NOT NULL
              ORDER BY newest.sequence DESC LIMIT 1) AS total,
             settled, money_repair
         FROM orders_index, LATERAL (
             SELECT array_agg(history.sequence ORDER BY history.sequence) AS sequences,
                 array_agg(history.phase ORDER BY history.sequence) AS phases
             FROM history WHERE history.order_id = orders_index.order_id AND history.sequence IS NOT NULL
         ) AS told
         WHERE order_id = ANY($1)",
    )
    .bind(order_ids)
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(read).collect()
}

fn read(row: IndexRow) -> anyhow::Result<HistoryFacts> {
    let phases: Result<Vec<OrderPhase>, sqlx::Error> = row.phases.iter().map(|text| phase_of(text)).collect();
    let settled: Vec<Settled> = row.settled.map(serde_json::from_value).transpose()?.unwrap_or_default();
    let repair: Option<MoneyRepair> = row.money_repair.map(serde_json::from_value).transpose()?;
    Ok(HistoryFacts {
        by_hand: ByHand::of(&settled, repair.as_ref()),
        phase: row.phase.as_deref().map(phase_of).transpose()?,
        transitions: row.sequences.into_iter().zip(phases?).collect(),
        total: row.total.filter(|total| !total.is_null()).map(serde_json::from_value).transpose()?,
        first_seen: chassis::from_database(row.first_seen),
        order_id: row.order_id,
        namespace: row.namespace,
        name: row.name,
        sequence: row.sequence,
        archived_sequence: row.archived_sequence,
    })
}

/// The ids of at most `limit` orders after `after`, in the order of the index; of one namespace when it is given.
///
/// # Errors
/// When the database fails.
pub async fn ids_after(
    pool: &PgPool,
    namespace: Option<&str>,
    after: &str,
    limit: i64,
) -> Result<Vec<String>, sqlx::Error> {
    chassis::audit::order_ids_after(pool, "orders_index", namespace, after, limit).await
}

/// The ids of all orders that ever had that name.
///
/// # Errors
/// When the database fails.
pub async fn ids_named(pool: &PgPool, namespace: &str, name: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT order_id FROM orders_index WHERE namespace = $1 AND name = $2 ORDER BY order_id",
    )
    .bind(namespace)
    .bind(name)
    .fetch_all(pool)
    .await
}

/// Those of these events that have not arrived here.
///
/// # Errors
/// When the database fails.
pub async fn unrecorded(pool: &PgPool, event_ids: &[String]) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT told FROM unnest($1::text[]) AS told WHERE NOT EXISTS (SELECT FROM history WHERE ce_id = told)",
    )
    .bind(event_ids)
    .fetch_all(pool)
    .await
}

/// The events of those of the transitions `missing` that can be told once more: what is known of an order from a transition
/// that is recorded or from its archived snapshot, with number, phase, reason and time from the history in its status.
///
/// # Errors
/// When the database fails.
pub async fn told_again(
    pool: &PgPool,
    order_id: &str,
    live: Option<&OrderStatus>,
    missing: &[i64],
) -> anyhow::Result<Vec<Event>> {
    let row = sqlx::query(
        "SELECT snapshot->'order'->'status' AS status,
             (SELECT data FROM history WHERE history.order_id = orders_index.order_id AND history.sequence IS NOT NULL
              ORDER BY history.sequence LIMIT 1) AS sibling
         FROM orders_index WHERE order_id = $1",
    )
    .bind(order_id)
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(Vec::new()) };
    let archived: Option<OrderStatus> = row
        .try_get::<Option<Value>, _>("status")?
        .filter(|status| !status.is_null())
        .map(serde_json::from_value)
        .transpose()?;
    let sibling: Option<OrderTransition> =
        row.try_get::<Option<Value>, _>("sibling")?.map(serde_json::from_value).transpose()?;
    let (Some(sibling), Some(status)) = (sibling, live.or(archived.as_ref())) else { return Ok(Vec::new()) };
    let told = status.history.iter().filter(|entry| missing.contains(&entry.sequence));
    told.map(|entry| Ok(sibling.retold(status, entry).event()?)).collect()
}
