//! What a service has not told or done although it is long due.

use jiff::Timestamp;
use sqlx::postgres::PgPool;
use sqlx::types::time::OffsetDateTime;

use crate::{from_database, to_database};

/// A row of the outbox that was committed and not told yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpublished {
    /// The row.
    pub id: i64,
    /// `event` or `status`.
    pub kind: String,
    /// The event's id, or the object that the report is about.
    pub key: String,
    /// What the event is about: an order id or an article; of a report, nothing.
    pub subject: Option<String>,
    /// Since when it waits.
    pub since: Timestamp,
    /// Why it could not be told when that was tried last.
    pub error: Option<String>,
}

/// Some of the rows that wait since before `before`, oldest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn unpublished(
    pool: &PgPool,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<Unpublished>, sqlx::Error> {
    type Row = (i64, String, String, Option<String>, OffsetDateTime, Option<String>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, kind, message_key, CASE kind WHEN 'event' THEN body->>'subject' END, created_at, error
         FROM outbox WHERE published_at IS NULL AND created_at < $1 ORDER BY id LIMIT $2",
    )
    .bind(to_database(before))
    .bind(limit)
    .fetch_all(pool)
    .await?;
    let read = |(id, kind, key, subject, since, error)| {
        let since = from_database(since);
        Unpublished { id, kind, key, subject, since, error }
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Makes rows that wait for their next try due at once; answers how many.
///
/// # Errors
/// When the database fails.
pub async fn publish_now(pool: &PgPool, rows: &[i64]) -> Result<u64, sqlx::Error> {
    let done = sqlx::query("UPDATE outbox SET next_at = now() WHERE id = ANY($1) AND published_at IS NULL")
        .bind(rows)
        .execute(pool)
        .await?;
    Ok(done.rows_affected())
}

/// A piece of work that is due and that nobody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverdueWork {
    /// What it is about: an order id, or a key of the service's own.
    pub key: String,
    /// Since when it is due.
    pub due_at: Timestamp,
    /// Why it failed when it was tried last.
    pub error: Option<String>,
}

/// Some of the work that is due since before `before` and is not being done, oldest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn overdue_work(
    pool: &PgPool,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<OverdueWork>, sqlx::Error> {
    let rows: Vec<(String, OffsetDateTime, Option<String>)> = sqlx::query_as(
        "SELECT key, due_at, error FROM worklist
         WHERE due_at < $1 AND (leased_until IS NULL OR leased_until < now()) ORDER BY due_at LIMIT $2",
    )
    .bind(to_database(before))
    .bind(limit)
    .fetch_all(pool)
    .await?;
    let read = |(key, due_at, error)| OverdueWork { key, due_at: from_database(due_at), error };
    Ok(rows.into_iter().map(read).collect())
}
