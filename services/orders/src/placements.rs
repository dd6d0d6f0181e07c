//! The table `placements`: what was asked for through REST, one row a key of a user.

use chassis::{Transaction, from_database, to_database};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{Error, PgPool, Row};

/// A key of a user, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    /// The hash of what was asked for first.
    pub(crate) request_hash: Vec<u8>,
    /// When it was asked for first.
    pub(crate) asked_at: Timestamp,
    /// The order that it became.
    pub(crate) order_id: Option<String>,
}

/// The name of the resource for a key of a user: the same for ever, and nobody else's.
pub(crate) fn name_of(user: &str, key: &str) -> String {
    let mut hash = Sha256::new();
    // The length parts the two: no other pair gives the same bytes.
    hash.update(user.len().to_be_bytes());
    hash.update(user);
    hash.update(key);
    format!("web-{}", hex::encode(hash.finalize().get(..16).unwrap_or_default()))
}

/// The hash by which another request under the same key is told.
pub(crate) fn hash_of(request: &Value) -> Vec<u8> {
    Sha256::digest(request.to_string()).to_vec()
}

/// Writes the intent when it is new; answers what the key stands for.
pub(crate) async fn intend(
    pool: &PgPool,
    user: &str,
    key: &str,
    name: &str,
    request: &Value,
    at: Timestamp,
) -> Result<Placement, Error> {
    let hash = hash_of(request);
    let new: Option<Timestamp> = sqlx::query(
        "INSERT INTO placements (user_id, request_key, request_hash, name, request, asked_at)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING asked_at",
    )
    .bind(user)
    .bind(key)
    .bind(&hash)
    .bind(name)
    .bind(request)
    .bind(to_database(at))
    .fetch_optional(pool)
    .await?
    .map(|row| row.try_get("asked_at").map(from_database))
    .transpose()?;
    if let Some(asked_at) = new {
        return Ok(Placement { request_hash: hash, asked_at, order_id: None });
    }
    let row = sqlx::query(
        "SELECT request_hash, asked_at, order_id FROM placements WHERE user_id = $1 AND request_key = $2",
    )
    .bind(user)
    .bind(key)
    .fetch_one(pool)
    .await?;
    Ok(Placement {
        request_hash: row.try_get("request_hash")?,
        asked_at: from_database(row.try_get("asked_at")?),
        order_id: row.try_get("order_id")?,
    })
}

/// Takes an intent back of which no order came: the cluster refuses it, and the key may be used for a better one.
pub(crate) async fn withdraw(pool: &PgPool, user: &str, key: &str) -> Result<(), Error> {
    sqlx::query("DELETE FROM placements WHERE user_id = $1 AND request_key = $2 AND order_id IS NULL")
        .bind(user)
        .bind(key)
        .execute(pool)
        .await?;
    Ok(())
}

/// Puts what an edit has in the place of what was asked for. The hash stays that of the request that was sent.
pub(crate) async fn edit(pool: &PgPool, order_id: &str, edit: &Value) -> Result<(), Error> {
    sqlx::query("UPDATE placements SET request = request || $2 WHERE order_id = $1")
        .bind(order_id)
        .bind(edit)
        .execute(pool)
        .await?;
    Ok(())
}

/// Remembers the order that an intent became.
pub(crate) async fn answer_in_tx(
    transaction: &mut Transaction,
    user: &str,
    key: &str,
    order_id: &str,
) -> Result<(), Error> {
    sqlx::query("UPDATE placements SET order_id = $3 WHERE user_id = $1 AND request_key = $2")
        .bind(user)
        .bind(key)
        .bind(order_id)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_one_order_of_one_user_for_ever() {
        assert_eq!(name_of("u-1", "k"), name_of("u-1", "k"));
        assert_ne!(name_of("u-1", "k"), name_of("u-2", "k"));
        assert_ne!(name_of("u-1", "1k"), name_of("u-11", "k"));
        assert_eq!(name_of("u-1", "k").len(), 36);
    }
}
