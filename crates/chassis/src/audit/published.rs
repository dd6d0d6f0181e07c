//! Events that a service has told, to be held against what has arrived.

use jiff::Timestamp;
use sqlx::postgres::PgPool;

use crate::to_database;

/// An event that was told. It is remembered for a week.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct PublishedEvent {
    /// The row of the outbox.
    pub row: i64,
    /// The event's id.
    pub id: String,
    /// What it is about: an order id or an article.
    pub subject: String,
}

/// Events told before `before`, from the first row after `after`, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn published_after(
    pool: &PgPool,
    after: i64,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<PublishedEvent>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id AS row, message_key AS id, body->>'subject' AS subject FROM outbox
         WHERE id > $1 AND kind = 'event' AND published_at < $2 ORDER BY outbox.id LIMIT $3",
    )
    .bind(after)
    .bind(to_database(before))
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// The events about `subjects` that were told before `before`.
///
/// # Errors
/// When the database fails.
pub async fn published_about(
    pool: &PgPool,
    subjects: &[String],
    before: Timestamp,
) -> Result<Vec<PublishedEvent>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id AS row, message_key AS id, body->>'subject' AS subject FROM outbox
         WHERE kind = 'event' AND published_at < $2 AND body->>'subject' = ANY($1) ORDER BY outbox.id",
    )
    .bind(subjects)
    .bind(to_database(before))
    .fetch_all(pool)
    .await
}

/// Makes the relay tell events once more, under fresh message ids (the stream swallows one that it has seen) and the same
/// event ids (so that they count once); answers how many.
///
/// # Errors
/// When the database fails.
pub async fn publish_again(pool: &PgPool, rows: &[i64]) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE outbox SET published_at = NULL, next_at = now(), error = NULL,
             body = jsonb_set(body, '{again}', to_jsonb(gen_random_uuid()::text))
         WHERE id = ANY($1) AND kind = 'event'",
    )
    .bind(rows)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
