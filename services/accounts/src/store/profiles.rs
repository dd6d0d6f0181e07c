//! The accounts' table, as their users see it.

use chassis::{Transaction, from_database};
use sqlx::postgres::{PgPool, PgRow};
use sqlx::types::Json;
use sqlx::{Error, Row};

use crate::passwords::Hash;
use crate::profile::Profile;

/// By what an account is logged in to.
pub(crate) struct Credentials {
    /// Its id.
    pub(crate) id: String,
    /// The hash of its password; absent where the command line made it.
    pub(crate) hash: Option<Hash>,
}

fn profile(row: &PgRow) -> Result<Profile, Error> {
    Ok(Profile {
        id: row.try_get("id")?,
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        phone: row.try_get("phone")?,
        addresses: row.try_get::<Json<_>, _>("addresses")?.0,
        picture: row.try_get("picture")?,
        tastes: row.try_get::<Json<_>, _>("tastes")?.0,
        payment_methods: row.try_get::<Json<_>, _>("payment_methods")?.0,
        permissions: row.try_get("permissions")?,
        created_at: from_database(row.try_get("created_at")?),
    })
}

/// Puts a new account there; `None` when its email is taken.
pub(crate) async fn register_in_tx(
    transaction: &mut Transaction,
    id: &str,
    email: &str,
    name: &str,
    hash: &Hash,
) -> Result<Option<Profile>, Error> {
    sqlx::query(
        "INSERT INTO users (id, email, name, password_hash) VALUES ($1, $2, $3, $4)
         ON CONFLICT (email) DO NOTHING
         RETURNING id, email, name, phone, addresses, picture, tastes, payment_methods, permissions, created_at",
    )
    .bind(id)
    .bind(email)
    .bind(name)
    .bind(hash.text())
    .fetch_optional(&mut **transaction)
    .await?
    .as_ref()
    .map(profile)
    .transpose()
}

/// By what the account of that email is logged in to.
pub(crate) async fn credentials_of_email(pool: &PgPool, email: &str) -> Result<Option<Credentials>, Error> {
    let row = sqlx::query("SELECT id, password_hash FROM users WHERE email = $1")
        .bind(email)
        .fetch_optional(pool)
        .await?;
    row.map(|row| {
        let hash: Option<String> = row.try_get("password_hash")?;
        Ok(Credentials { id: row.try_get("id")?, hash: hash.map(Hash::of) })
    })
    .transpose()
}

/// How a row is locked.
#[derive(Clone, Copy)]
pub(crate) enum Lock {
    /// Nobody disables the account meanwhile.
    Shared,
    /// Nobody does anything with it meanwhile.
    Alone,
}

/// The account, locked, and whether it is disabled.
pub(crate) async fn locked_in_tx(
    transaction: &mut Transaction,
    id: &str,
    lock: Lock,
) -> Result<Option<(Profile, bool)>, Error> {
    let query = match lock {
        Lock::Shared => {
            "SELECT id, email, name, phone, addresses, picture, tastes, payment_methods, permissions, created_at,
                 disabled FROM users WHERE id = $1 FOR SHARE"
        }
        Lock::Alone => {
            "SELECT id, email, name, phone, addresses, picture, tastes, payment_methods, permissions, created_at,
                 disabled FROM users WHERE id = $1 FOR UPDATE"
        }
    };
    sqlx::query(query)
        .bind(id)
        .fetch_optional(&mut **transaction)
        .await?
        .map(|row| Ok((profile(&row)?, row.try_get("disabled")?)))
        .transpose()
}

/// The account.
pub(crate) async fn read(pool: &PgPool, id: &str) -> Result<Option<Profile>, Error> {
    sqlx::query(
        "SELECT id, email, name, phone, addresses, picture, tastes, payment_methods, permissions, created_at
         FROM users WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(pool)
    .await?
    .as_ref()
    .map(profile)
    .transpose()
}

/// Keeps what its user may change of the account.
pub(crate) async fn save_in_tx(transaction: &mut Transaction, profile: &Profile) -> Result<(), Error> {
    // Email, permissions and age change elsewhere, or never.
    let Profile {
        id,
        email: _,
        name,
        phone,
        addresses,
        picture,
        tastes,
        payment_methods,
        permissions: _,
        created_at: _,
    } = profile;
    sqlx::query(
        "UPDATE users SET name = $2, phone = $3, addresses = $4, picture = $5, tastes = $6, payment_methods = $7,
             updated_at = now() WHERE id = $1",
    )
    .bind(id)
    .bind(name)
    .bind(phone)
    .bind(Json(addresses))
    .bind(picture)
    .bind(Json(tastes))
    .bind(Json(payment_methods))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// True while `hash` is that of the account's password.
pub(crate) async fn has_hash_in_tx(
    transaction: &mut Transaction,
    id: &str,
    hash: &Hash,
) -> Result<bool, Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM users WHERE id = $1 AND password_hash = $2)")
        .bind(id)
        .bind(hash.text())
        .fetch_one(&mut **transaction)
        .await
}

/// Replaces the hash of the account's password; false when it is not `kept` any more.
pub(crate) async fn replace_hash_in_tx(
    transaction: &mut Transaction,
    id: &str,
    kept: &Hash,
    hash: &Hash,
) -> Result<bool, Error> {
    let replaced = sqlx::query(
        "UPDATE users SET password_hash = $3, updated_at = now() WHERE id = $1 AND password_hash = $2",
    )
    .bind(id)
    .bind(kept.text())
    .bind(hash.text())
    .execute(&mut **transaction)
    .await?;
    Ok(replaced.rows_affected() == 1)
}
