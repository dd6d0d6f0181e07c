//! The sessions' table. Whoever locks a user and a session locks the user first.

use chassis::{Transaction, from_database, to_database};
use events::questions::Identity;
use jiff::Timestamp;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{Error, Row};
use time::OffsetDateTime;

use super::{Secret, SecretHash, Session, Ticket, expiry};

/// How many sessions of an account there are at most: the one that was not refreshed for longest goes first.
const EACH_AT_MOST: i64 = 500;
const SWEPT_AT_ONCE: i64 = 5000;

/// Begins a session of the account.
pub(crate) async fn open_in_tx(
    transaction: &mut Transaction,
    user: &str,
    ticket: &Ticket,
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "DELETE FROM sessions WHERE id IN
             (SELECT id FROM sessions WHERE user_id = $1 ORDER BY refreshed_at DESC OFFSET $2)",
    )
    .bind(user)
    .bind(EACH_AT_MOST - 1)
    .execute(&mut **transaction)
    .await?;
    sqlx::query(
        "INSERT INTO sessions (id, user_id, refresh_hash, created_at, refreshed_at, expires_at)
         VALUES ($1, $2, $3, $4, $4, $5)",
    )
    .bind(&ticket.session)
    .bind(user)
    .bind(ticket.secret.hash().bytes())
    .bind(to_database(now))
    .bind(to_database(expiry(now)))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Whose session it is, also of one that is over.
pub(crate) async fn owner(pool: &PgPool, session: &str) -> Result<Option<String>, Error> {
    sqlx::query_scalar("SELECT user_id FROM sessions WHERE id = $1").bind(session).fetch_optional(pool).await
}

/// True when the browser that shows `ticket` was in as that user, also when the session is over.
pub(crate) async fn is_of(pool: &PgPool, ticket: &Ticket, user: &str) -> Result<bool, Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM sessions
                        WHERE id = $1 AND user_id = $2 AND (refresh_hash = $3 OR previous_hash = $3))",
    )
    .bind(&ticket.session)
    .bind(user)
    .bind(ticket.secret.hash().bytes())
    .fetch_one(pool)
    .await
}

/// The session, locked.
pub(crate) async fn locked_in_tx(
    transaction: &mut Transaction,
    session: &str,
) -> Result<Option<Session>, Error> {
    sqlx::query(
        "SELECT refresh_hash, previous_hash, refreshed_at, expires_at, ended_at
         FROM sessions WHERE id = $1 FOR UPDATE",
    )
    .bind(session)
    .fetch_optional(&mut **transaction)
    .await?
    .as_ref()
    .map(read)
    .transpose()
}

fn read(row: &PgRow) -> Result<Session, Error> {
    let hash = |bytes: Vec<u8>| {
        SecretHash::of(&bytes).ok_or_else(|| Error::Decode("a session's hash is not of 32 bytes".into()))
    };
    let ended_at: Option<OffsetDateTime> = row.try_get("ended_at")?;
    Ok(Session {
        refresh_hash: hash(row.try_get("refresh_hash")?)?,
        previous_hash: row.try_get::<Option<Vec<u8>>, _>("previous_hash")?.map(hash).transpose()?,
        refreshed_at: from_database(row.try_get("refreshed_at")?),
        expires_at: from_database(row.try_get("expires_at")?),
        ended_at: ended_at.map(from_database),
    })
}

/// Replaces the session's secret.
pub(crate) async fn rotate_in_tx(
    transaction: &mut Transaction,
    session: &str,
    secret: &Secret,
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE sessions SET previous_hash = refresh_hash, refresh_hash = $2, refreshed_at = $3, expires_at = $4
         WHERE id = $1",
    )
    .bind(session)
    .bind(secret.hash().bytes())
    .bind(to_database(now))
    .bind(to_database(expiry(now)))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Ends the session; false when it had ended.
pub(crate) async fn end_in_tx(
    transaction: &mut Transaction,
    session: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let ended = sqlx::query("UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL")
        .bind(session)
        .bind(to_database(now))
        .execute(&mut **transaction)
        .await?;
    Ok(ended.rows_affected() == 1)
}

/// Ends all sessions of the account.
pub(crate) async fn end_all_in_tx(
    transaction: &mut Transaction,
    user: &str,
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query("UPDATE sessions SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL")
        .bind(user)
        .bind(to_database(now))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Ends all sessions of the account but one; false when there was no other.
pub(crate) async fn end_others_in_tx(
    transaction: &mut Transaction,
    user: &str,
    session: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let ended =
        sqlx::query("UPDATE sessions SET ended_at = $3 WHERE user_id = $1 AND id <> $2 AND ended_at IS NULL")
            .bind(user)
            .bind(session)
            .bind(to_database(now))
            .execute(&mut **transaction)
            .await?;
    Ok(ended.rows_affected() > 0)
}

/// Whose session it is, where it is alive.
pub(crate) async fn identity(
    pool: &PgPool,
    session: &str,
    now: Timestamp,
) -> Result<Option<Identity>, Error> {
    let row = sqlx::query(
        "SELECT users.id, email, name, permissions FROM sessions JOIN users ON users.id = user_id
         WHERE sessions.id = $1 AND ended_at IS NULL AND expires_at > $2 AND NOT disabled",
    )
    .bind(session)
    .bind(to_database(now))
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        Ok(Identity {
            id: row.try_get("id")?,
            email: row.try_get("email")?,
            name: row.try_get("name")?,
            permissions: row.try_get("permissions")?,
        })
    })
    .transpose()
}

/// Forgets sessions that expired a day ago; true when there may be more. By the database's clock: one of ours that is wrong
/// for a moment loses nobody's session.
pub(crate) async fn sweep(pool: &PgPool) -> Result<bool, Error> {
    let swept = sqlx::query(
        "DELETE FROM sessions WHERE id IN
             (SELECT id FROM sessions WHERE expires_at < now() - interval '1 day' LIMIT $1)",
    )
    .bind(SWEPT_AT_ONCE)
    .execute(pool)
    .await?;
    Ok(swept.rows_affected() == SWEPT_AT_ONCE.unsigned_abs())
}
