//! What is kept of orders, by order id.

use anyhow::Context as _;
use jiff::Timestamp;
use resources::PaymentPhase;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use sqlx::Row;
use sqlx::postgres::{PgPool, PgRow};

/// The money of one order by the ledger, in minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoneyFacts {
    /// The order id.
    pub order_id: String,
    /// The namespace of the order.
    pub namespace: String,
    /// The name of the order.
    pub name: String,
    /// What was last shown of it.
    pub phase: PaymentPhase,
    /// How much the order costs, in the currency's minor unit.
    pub amount: i64,
    /// The currency, in capitals.
    pub currency: String,
    /// How much was taken, over all attempts.
    pub captured: i64,
    /// How much of it was given back.
    pub refunded: i64,
    /// How much of that staff gave back in parts, of an order that keeps the rest.
    pub parts: i64,
    /// How many attempts keep money.
    pub captures: i64,
    /// True while the provider is being asked, or may still be heard of an attempt: its books may be ahead of the ledger.
    pub is_open: bool,
    /// The number of the newest report.
    pub revision: i64,
    /// The child that is reported to.
    pub child: Option<String>,
    /// When it changed last.
    pub changed_at: Timestamp,
}

/// The facts of those of `order_ids` that are known.
///
/// # Errors
/// When the database fails.
pub async fn facts_of(pool: &PgPool, order_ids: &[String]) -> anyhow::Result<Vec<MoneyFacts>> {
    let rows = sqlx::query(
        "SELECT order_id, namespace, name, phase, amount, currency, told_revision, child_uid, changed_at,
             money.captured, money.refunded, money.captures,
             (SELECT COALESCE(sum(amount), 0)::bigint FROM partial_refunds
              WHERE partial_refunds.order_id = payments.order_id AND state = 'given') AS parts,
             EXISTS (SELECT FROM attempts WHERE attempts.order_id = payments.order_id AND (
                 (asked IS NOT NULL AND stage <> 'captured') OR stage NOT IN ('captured', 'declined', 'void', 'refunded')
                 OR (stage = 'captured' AND refund_retry)))
             OR EXISTS (SELECT FROM partial_refunds WHERE partial_refunds.order_id = payments.order_id
                 AND (state IN ('asked', 'pending') OR (state = 'given' AND asked IS NOT NULL))) AS is_open
         FROM payments, LATERAL (
             SELECT COALESCE(sum(captured), 0)::bigint AS captured, COALESCE(sum(refunded), 0)::bigint AS refunded,
                 count(*) FILTER (WHERE captured > refunded) AS captures
             FROM kept WHERE kept.order_id = payments.order_id
         ) AS money
         WHERE order_id = ANY($1)",
    )
    .bind(order_ids)
    .fetch_all(pool)
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &PgRow) -> anyhow::Result<MoneyFacts> {
    let phase: &str = row.try_get("phase")?;
    let text: StrDeserializer<'_, ValueError> = phase.into_deserializer();
    Ok(MoneyFacts {
        order_id: row.try_get("order_id")?,
        namespace: row.try_get("namespace")?,
        name: row.try_get("name")?,
        phase: PaymentPhase::deserialize(text)
            .with_context(|| format!("{phase:?} in the table of payments is no phase"))?,
        amount: row.try_get("amount")?,
        currency: row.try_get("currency")?,
        captured: row.try_get("captured")?,
        refunded: row.try_get("refunded")?,
        parts: row.try_get("parts")?,
        captures: row.try_get("captures")?,
        is_open: row.try_get("is_open")?,
        revision: row.try_get("told_revision")?,
        child: row.try_get("child_uid")?,
        changed_at: chassis::from_database(row.try_get("changed_at")?),
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
    chassis::audit::order_ids_after(pool, "payments", namespace, after, limit).await
}

/// Those of `order_ids` that were ever charged for.
///
/// # Errors
/// When the database fails.
pub async fn known(pool: &PgPool, order_ids: &[String]) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT order_id FROM payments WHERE order_id = ANY($1)")
        .bind(order_ids)
        .fetch_all(pool)
        .await
}

/// The provider's ids of the intents of an order, as far as they are known here.
///
/// # Errors
/// When the database fails.
pub async fn intents_of(pool: &PgPool, order_id: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT intent FROM attempts WHERE order_id = $1 AND intent IS NOT NULL ORDER BY attempt",
    )
    .bind(order_id)
    .fetch_all(pool)
    .await
}
