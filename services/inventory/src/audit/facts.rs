//! What is kept of orders, by order id.

use jiff::Timestamp;
use resources::ReservationPhase;
use sqlx::Row;
use sqlx::postgres::PgPool;
use sqlx::types::time::OffsetDateTime;

use crate::store::reservations::phase_of;

/// The goods of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockFacts {
    /// The order id.
    pub order_id: String,
    /// The namespace of the order.
    pub namespace: String,
    /// The name of the order.
    pub name: String,
    /// What has come true.
    pub phase: ReservationPhase,
    /// How many pieces that is about.
    pub pieces: i64,
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
pub async fn facts_of(pool: &PgPool, order_ids: &[String]) -> anyhow::Result<Vec<StockFacts>> {
    let rows = sqlx::query(
        "SELECT order_id, namespace, name, phase, revision, child_uid, updated_at,
             (SELECT COALESCE(sum(quantity), 0)::bigint FROM reservation_lines AS line
              WHERE line.order_id = reservations.order_id) AS pieces
         FROM reservations WHERE order_id = ANY($1)",
    )
    .bind(order_ids)
    .fetch_all(pool)
    .await?;
    let read = |row: &sqlx::postgres::PgRow| {
        Ok(StockFacts {
            order_id: row.try_get("order_id")?,
            namespace: row.try_get("namespace")?,
            name: row.try_get("name")?,
            phase: phase_of(row.try_get("phase")?)?,
            pieces: row.try_get("pieces")?,
            revision: row.try_get("revision")?,
            child: row.try_get("child_uid")?,
            changed_at: chassis::from_database(row.try_get::<OffsetDateTime, _>("updated_at")?),
        })
    };
    rows.iter().map(read).collect()
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
    chassis::audit::order_ids_after(pool, "reservations", namespace, after, limit).await
}

/// The articles that these orders are about.
///
/// # Errors
/// When the database fails.
pub async fn skus_of(pool: &PgPool, order_ids: &[String]) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT DISTINCT sku FROM reservation_lines WHERE order_id = ANY($1)")
        .bind(order_ids)
        .fetch_all(pool)
        .await
}

/// How many articles there are.
///
/// # Errors
/// When the database fails.
pub async fn count(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT count(*) FROM stock").fetch_one(pool).await
}

/// The articles and quantities of an order.
///
/// # Errors
/// When the database fails.
pub async fn lines_of(pool: &PgPool, order_id: &str) -> Result<Vec<(String, i64)>, sqlx::Error> {
    sqlx::query_as("SELECT sku, quantity FROM reservation_lines WHERE order_id = $1 ORDER BY sku")
        .bind(order_id)
        .fetch_all(pool)
        .await
}
