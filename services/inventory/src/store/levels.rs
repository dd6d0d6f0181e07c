//! Levels and movements: tables `stock` and `movements`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use chassis::{HandleError, Transaction, to_database};
use events::StockLevel;
use jiff::Timestamp;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{PgConnection, Row};

use crate::ledger::{Level, Levels, Movement};
use crate::publisher;

/// Why a movement was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// The order.
    pub order_id: Option<String>,
    /// The import.
    pub import_id: Option<String>,
    /// The reason in words.
    pub reason: String,
}

impl Cause {
    /// An order's wish or fate.
    #[must_use]
    pub fn order(order_id: &str, reason: &str) -> Self {
        Self { order_id: Some(order_id.to_owned()), import_id: None, reason: reason.to_owned() }
    }
}

const COLUMNS: &str =
    "SELECT sku, on_hand, reserved, revision, minimum FROM stock WHERE sku = ANY($1) ORDER BY sku";

fn level(row: &PgRow) -> Result<(String, Level), sqlx::Error> {
    let level = Level {
        on_hand: row.try_get("on_hand")?,
        reserved: row.try_get("reserved")?,
        revision: row.try_get("revision")?,
        minimum: row.try_get("minimum")?,
    };
    Ok((row.try_get("sku")?, level))
}

fn list(skus: &BTreeSet<String>) -> Vec<&str> {
    skus.iter().map(String::as_str).collect()
}

/// The levels as they are, without waiting for anyone.
///
/// # Errors
/// When the database fails.
pub async fn read(connection: &mut PgConnection, skus: &BTreeSet<String>) -> Result<Levels, sqlx::Error> {
    let rows = sqlx::query(COLUMNS).bind(list(skus)).fetch_all(connection).await?;
    rows.iter().map(level).collect::<Result<_, _>>().map(Levels)
}

/// The levels, locked in the order of the SKU until the transaction ends.
///
/// # Errors
/// When the database fails.
pub async fn lock_in_tx(tx: &mut Transaction, skus: &BTreeSet<String>) -> Result<Levels, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT sku, on_hand, reserved, revision, minimum FROM stock WHERE sku = ANY($1) ORDER BY sku FOR UPDATE",
    )
    .bind(list(skus))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(level).collect::<Result<_, _>>().map(Levels)
}

/// Makes rows for those of `skus` that have none yet, and answers which.
///
/// # Errors
/// When the database fails.
pub async fn add_in_tx(
    tx: &mut Transaction,
    skus: &BTreeSet<String>,
) -> Result<BTreeSet<String>, sqlx::Error> {
    let rows = sqlx::query(
        "INSERT INTO stock (sku) SELECT sku FROM unnest($1::text[]) AS new (sku) ORDER BY sku COLLATE \"C\"
         ON CONFLICT DO NOTHING RETURNING sku",
    )
    .bind(list(skus))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| row.try_get("sku")).collect()
}

/// Writes movements into the ledger and what they add up to into `levels`, and tells the levels that changed: those
/// that moved, and those in `touched`.
///
/// # Errors
/// When the database fails; when the movements are impossible or `levels` are not as locked, which would be a defect.
pub async fn record_in_tx(
    tx: &mut Transaction,
    levels: &mut Levels,
    touched: &BTreeSet<String>,
    movements: &[Movement],
    cause: &Cause,
    now: Timestamp,
) -> Result<(), HandleError> {
    let changed = levels.after(touched, movements).context("failed to write the stock ledger")?;
    if changed.0.is_empty() {
        return Ok(());
    }
    update_in_tx(tx, levels, &changed).await?;
    append_in_tx(tx, &changed, movements, cause, now).await?;
    for (sku, after) in &changed.0 {
        tx.publish(&publisher::level_changed(sku, after, now)?);
        let before = levels.0.insert(sku.clone(), *after).unwrap_or_default();
        if before.falls_below_minimum(after) {
            tx.publish(&publisher::below_minimum(sku, after, now)?);
        }
    }
    Ok(())
}

/// Conditional: only where the level is still the one that was decided on, and never below zero or what is reserved.
async fn update_in_tx(tx: &mut Transaction, before: &Levels, after: &Levels) -> Result<(), HandleError> {
    let change = |of: fn(&Level) -> i64| -> Vec<i64> {
        let old = |sku: &String| before.0.get(sku).map_or(0, of);
        after.0.iter().map(|(sku, level)| of(level) - old(sku)).collect()
    };
    let skus: Vec<&str> = after.0.keys().map(String::as_str).collect();
    let revisions: Vec<i64> = after.0.values().map(|level| level.revision).collect();
    let updated = sqlx::query(
        "UPDATE stock SET on_hand = stock.on_hand + change.on_hand, reserved = stock.reserved + change.reserved,
             revision = change.revision
         FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS change (sku, on_hand, reserved, revision)
         WHERE stock.sku = change.sku AND stock.revision = change.revision - 1
           AND stock.reserved + change.reserved >= 0
           AND stock.on_hand + change.on_hand >= stock.reserved + change.reserved",
    )
    .bind(&skus)
    .bind(change(|level| level.on_hand))
    .bind(change(|level| level.reserved))
    .bind(revisions)
    .execute(&mut **tx)
    .await?;
    if updated.rows_affected() == u64::try_from(skus.len()).unwrap_or(u64::MAX) {
        return Ok(());
    }
    Err(anyhow::anyhow!("the level of one of {} changed although it was locked; try again", skus.join(", "))
        .into())
}

async fn append_in_tx(
    tx: &mut Transaction,
    levels: &Levels,
    movements: &[Movement],
    cause: &Cause,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    if movements.is_empty() {
        return Ok(());
    }
    let revision_of = |moved: &Movement| levels.0.get(&moved.sku).map_or(0, |level| level.revision);
    sqlx::query(
        "INSERT INTO movements (sku, kind, quantity, stock_revision, order_id, import_id, reason, at)
         SELECT moved.*, $5, $6, $7, $8
         FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS moved",
    )
    .bind(movements.iter().map(|moved| moved.sku.as_str()).collect::<Vec<_>>())
    .bind(movements.iter().map(|moved| moved.kind.as_str()).collect::<Vec<_>>())
    .bind(movements.iter().map(|moved| moved.quantity).collect::<Vec<_>>())
    .bind(movements.iter().map(revision_of).collect::<Vec<_>>())
    .bind(&cause.order_id)
    .bind(&cause.import_id)
    .bind(&cause.reason)
    .bind(to_database(now))
    .execute(&mut **tx)
    .await?;
    for moved in movements {
        metrics::counter!("supercargo_inventory_movements_total", "kind" => moved.kind.as_str()).increment(1);
    }
    Ok(())
}

/// One page of levels in the order of the SKU, at most `limit`; holds whose time has passed count as free.
///
/// # Errors
/// When the database fails.
pub async fn page(
    pool: &PgPool,
    skus: &[String],
    after: Option<&str>,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<StockLevel>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT sku, on_hand, reserved - COALESCE(over.quantity, 0)::bigint AS reserved, revision
         FROM stock LEFT JOIN (
             SELECT sku, sum(quantity) AS quantity FROM reservation_lines JOIN reservations USING (order_id)
             WHERE phase = 'Held' AND expires_at <= $4 GROUP BY sku
         ) AS over USING (sku)
         WHERE (cardinality($1::text[]) = 0 OR sku = ANY($1)) AND ($2::text IS NULL OR sku > $2)
         ORDER BY sku LIMIT $3",
    )
    .bind(skus)
    .bind(after)
    .bind(limit)
    .bind(to_database(now))
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let (on_hand, reserved): (i64, i64) = (row.try_get("on_hand")?, row.try_get("reserved")?);
            Ok(StockLevel {
                sku: row.try_get("sku")?,
                on_hand,
                reserved,
                available: on_hand - reserved,
                revision: row.try_get("revision")?,
            })
        })
        .collect()
}

/// How many pieces of each of `skus` are held past their time.
///
/// # Errors
/// When the database fails.
pub async fn expired(
    connection: &mut PgConnection,
    skus: &BTreeSet<String>,
    now: Timestamp,
) -> Result<BTreeMap<String, i64>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT sku, sum(quantity)::bigint AS quantity FROM reservation_lines JOIN reservations USING (order_id)
         WHERE phase = 'Held' AND expires_at <= $2 AND sku = ANY($1) GROUP BY sku",
    )
    .bind(list(skus))
    .bind(to_database(now))
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("sku")?, row.try_get("quantity")?))).collect()
}
