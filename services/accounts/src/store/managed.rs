//! The accounts' table, as an admin sees it.

use chassis::{Transaction, from_database};
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{Error, Row};

use crate::managed::ManagedUser;

fn managed(row: &PgRow) -> Result<ManagedUser, Error> {
    Ok(ManagedUser {
        id: row.try_get("id")?,
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        phone: row.try_get("phone")?,
        permissions: row.try_get("permissions")?,
        disabled: row.try_get("disabled")?,
        created_at: from_database(row.try_get("created_at")?),
    })
}

/// At most `limit` accounts in the order of the id, and one more when there are more.
pub(crate) async fn page(pool: &PgPool, after: Option<&str>, limit: u32) -> Result<Vec<ManagedUser>, Error> {
    // Every id comes after the empty text.
    sqlx::query(
        "SELECT id, email, name, phone, permissions, disabled, created_at FROM users
         WHERE id > $1 ORDER BY id LIMIT $2",
    )
    .bind(after.unwrap_or_default())
    .bind(i64::from(limit) + 1)
    .fetch_all(pool)
    .await?
    .iter()
    .map(managed)
    .collect()
}

/// The account of that email.
pub(crate) async fn of_email(pool: &PgPool, email: &str) -> Result<Option<ManagedUser>, Error> {
    sqlx::query(
        "SELECT id, email, name, phone, permissions, disabled, created_at FROM users WHERE email = $1",
    )
    .bind(email)
    .fetch_optional(pool)
    .await?
    .as_ref()
    .map(managed)
    .transpose()
}

/// The account, locked.
pub(crate) async fn locked_in_tx(
    transaction: &mut Transaction,
    id: &str,
) -> Result<Option<ManagedUser>, Error> {
    sqlx::query(
        "SELECT id, email, name, phone, permissions, disabled, created_at FROM users WHERE id = $1 FOR UPDATE",
    )
    .bind(id)
    .fetch_optional(&mut **transaction)
    .await?
    .as_ref()
    .map(managed)
    .transpose()
}

/// Lets one at a time make or unmake admins: two who unmake each other would leave none.
pub(crate) async fn alone_with_admins_in_tx(transaction: &mut Transaction) -> Result<(), Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext('supercargo accounts admins'))")
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Is there an enabled admin besides this one?
pub(crate) async fn has_other_admin_in_tx(transaction: &mut Transaction, id: &str) -> Result<bool, Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM users WHERE 'admin' = ANY (permissions) AND NOT disabled AND id <> $1)",
    )
    .bind(id)
    .fetch_one(&mut **transaction)
    .await
}
