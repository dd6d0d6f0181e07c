//! The accounts' table.

pub(crate) mod managed;
pub(crate) mod profiles;

use chassis::{Transaction, from_database};
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{Error, Row};
use time::OffsetDateTime;

use crate::questions::{AddUser, User};

const PAGE: i64 = 500;

fn user(row: &PgRow) -> Result<User, Error> {
    Ok(User {
        id: row.try_get("id")?,
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        disabled: row.try_get("disabled")?,
        created_at: from_database(row.try_get::<OffsetDateTime, _>("created_at")?),
    })
}

/// The account of that id.
pub(crate) async fn user_of_id(pool: &PgPool, id: &str) -> Result<Option<User>, Error> {
    sqlx::query("SELECT id, email, name, disabled, created_at FROM users WHERE id = $1")
        .bind(id)
        .fetch_optional(pool)
        .await?
        .as_ref()
        .map(user)
        .transpose()
}

/// Puts the account there; `None` when its id or email is taken.
pub(crate) async fn add_in_tx(
    transaction: &mut Transaction,
    id: &str,
    wish: &AddUser,
) -> Result<Option<User>, Error> {
    sqlx::query(
        "INSERT INTO users (id, email, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
         RETURNING id, email, name, disabled, created_at",
    )
    .bind(id)
    .bind(&wish.email)
    .bind(&wish.name)
    .fetch_optional(&mut **transaction)
    .await?
    .as_ref()
    .map(user)
    .transpose()
}

/// The accounts that have the id or the email, the one with the email first.
pub(crate) async fn taken_in_tx(transaction: &mut Transaction, wish: &AddUser) -> Result<Vec<User>, Error> {
    sqlx::query(
        "SELECT id, email, name, disabled, created_at FROM users WHERE email = $1 OR id = $2 ORDER BY (email = $1) DESC",
    )
    .bind(&wish.email)
    .bind(&wish.id)
    .fetch_all(&mut **transaction)
    .await?
    .iter()
    .map(user)
    .collect()
}

/// Disables or enables the account; with whether that made a difference. `None` when there is no such account.
pub(crate) async fn set_disabled_in_tx(
    transaction: &mut Transaction,
    id: &str,
    disabled: bool,
) -> Result<Option<(User, bool)>, Error> {
    let row = sqlx::query("SELECT id, email, name, disabled, created_at FROM users WHERE id = $1 FOR UPDATE")
        .bind(id)
        .fetch_optional(&mut **transaction)
        .await?;
    let Some(before) = row.as_ref().map(user).transpose()? else { return Ok(None) };
    if before.disabled == disabled {
        return Ok(Some((before, false)));
    }
    sqlx::query("UPDATE users SET disabled = $2, updated_at = now() WHERE id = $1")
        .bind(id)
        .bind(disabled)
        .execute(&mut **transaction)
        .await?;
    Ok(Some((User { disabled, ..before }, true)))
}

/// The account of that email, locked, and what it may.
pub(crate) async fn locked_of_email_in_tx(
    transaction: &mut Transaction,
    email: &str,
) -> Result<Option<(User, Vec<String>)>, Error> {
    sqlx::query(
        "SELECT id, email, name, disabled, created_at, permissions FROM users WHERE email = $1 FOR UPDATE",
    )
    .bind(email)
    .fetch_optional(&mut **transaction)
    .await?
    .map(|row| Ok((user(&row)?, row.try_get("permissions")?)))
    .transpose()
}

/// What an account may from now on.
pub(crate) async fn set_permissions_in_tx(
    transaction: &mut Transaction,
    id: &str,
    permissions: &[String],
) -> Result<(), Error> {
    sqlx::query("UPDATE users SET permissions = $2, updated_at = now() WHERE id = $1")
        .bind(id)
        .bind(permissions)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Counts one more event about the account.
pub(crate) async fn next_revision_in_tx(transaction: &mut Transaction, id: &str) -> Result<i64, Error> {
    sqlx::query_scalar("UPDATE users SET revision = revision + 1 WHERE id = $1 RETURNING revision")
        .bind(id)
        .fetch_one(&mut **transaction)
        .await
}

/// A page of accounts, and whether there are more.
pub(crate) async fn page(pool: &PgPool, after: Option<&str>) -> Result<(Vec<User>, bool), Error> {
    let rows = sqlx::query(
        "SELECT id, email, name, disabled, created_at FROM users
         WHERE $1::text IS NULL OR id > $1 ORDER BY id LIMIT $2",
    )
    .bind(after)
    .bind(PAGE + 1)
    .fetch_all(pool)
    .await?;
    let mut users = rows.iter().map(user).collect::<Result<Vec<_>, _>>()?;
    let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let more = users.len() > page;
    users.truncate(page);
    Ok((users, more))
}
