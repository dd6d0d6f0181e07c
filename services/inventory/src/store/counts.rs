//! Staged stocktakes: tables `count_imports` and `count_parts`.

use chassis::{Transaction, to_database};
use events::StockLine;
use events::questions::{CountStock, ImportAnswer};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::types::Json;

/// An import as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// How many parts there are.
    pub parts: i64,
    /// Why it is made.
    pub cause: String,
    /// What it led to, once it has taken effect.
    pub outcome: Option<ImportAnswer>,
}

/// What became of a part that was put down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staged {
    /// It is there, as told.
    AsTold,
    /// Another one is there under its number.
    Otherwise,
}

/// Makes the import's row unless it is there, and locks it until the transaction ends.
///
/// # Errors
/// When the database fails.
pub async fn lock_in_tx(
    tx: &mut Transaction,
    question: &CountStock,
    now: Timestamp,
) -> Result<Import, sqlx::Error> {
    sqlx::query(
        "INSERT INTO count_imports (import_id, parts, cause, begun_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(&question.import_id)
    .bind(i64::from(question.parts))
    .bind(&question.cause)
    .bind(to_database(now))
    .execute(&mut **tx)
    .await?;
    let row = sqlx::query(
        "SELECT parts, cause, completed_at IS NOT NULL AS complete, created, changed
         FROM count_imports WHERE import_id = $1 FOR UPDATE",
    )
    .bind(&question.import_id)
    .fetch_one(&mut **tx)
    .await?;
    let count = |column| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
    let outcome = ImportAnswer { complete: true, created: count("created")?, changed: count("changed")? };
    Ok(Import {
        parts: row.try_get("parts")?,
        cause: row.try_get("cause")?,
        outcome: row.try_get::<bool, _>("complete")?.then_some(outcome),
    })
}

/// Puts a part down, unless it is there.
///
/// # Errors
/// When the database fails.
pub async fn stage_in_tx(tx: &mut Transaction, question: &CountStock) -> Result<Staged, sqlx::Error> {
    let digest = digest(&question.counts);
    let done = sqlx::query(
        "INSERT INTO count_parts (import_id, part, digest, counts) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(&question.import_id)
    .bind(i64::from(question.part))
    .bind(&digest)
    .bind(Json(&question.counts))
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(Staged::AsTold);
    }
    let known: String =
        sqlx::query_scalar("SELECT digest FROM count_parts WHERE import_id = $1 AND part = $2")
            .bind(&question.import_id)
            .bind(i64::from(question.part))
            .fetch_one(&mut **tx)
            .await?;
    Ok(if known == digest { Staged::AsTold } else { Staged::Otherwise })
}

fn digest(counts: &[StockLine]) -> String {
    let mut hasher = Sha256::new();
    for StockLine { sku, quantity } in counts {
        hasher.update(format!("{sku}\t{quantity}\n"));
    }
    hex::encode(hasher.finalize())
}

/// The counts of all parts that have arrived, a list a part.
///
/// # Errors
/// When the database fails.
pub async fn staged_in_tx(tx: &mut Transaction, import_id: &str) -> Result<Vec<Vec<StockLine>>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT counts FROM count_parts WHERE import_id = $1 AND counts IS NOT NULL ORDER BY part",
    )
    .bind(import_id)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| row.try_get::<Json<Vec<StockLine>>, _>("counts").map(|Json(counts)| counts))
        .collect()
}

/// How many parts have arrived.
///
/// # Errors
/// When the database fails.
pub async fn arrived_in_tx(tx: &mut Transaction, import_id: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT count(*) FROM count_parts WHERE import_id = $1")
        .bind(import_id)
        .fetch_one(&mut **tx)
        .await
}

/// Notes what the import led to, drops the staged counts, and forgets imports that were never finished.
///
/// # Errors
/// When the database fails.
pub async fn complete_in_tx(
    tx: &mut Transaction,
    import_id: &str,
    outcome: &ImportAnswer,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    sqlx::query(
        "UPDATE count_imports SET completed_at = $2, created = $3, changed = $4 WHERE import_id = $1",
    )
    .bind(import_id)
    .bind(to_database(now))
    .bind(number(outcome.created))
    .bind(number(outcome.changed))
    .execute(&mut **tx)
    .await?;
    sqlx::query("UPDATE count_parts SET counts = NULL WHERE import_id = $1")
        .bind(import_id)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "DELETE FROM count_imports WHERE import_id IN (
             SELECT import_id FROM count_imports WHERE completed_at IS NULL AND begun_at < $1 - interval '7 days'
             FOR UPDATE SKIP LOCKED)",
    )
    .bind(to_database(now))
    .execute(&mut **tx)
    .await?;
    Ok(())
}
