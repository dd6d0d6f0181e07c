//! The keys' table.

use chassis::{Transaction, from_database, to_database};
use events::questions::PublicKey;
use jiff::Timestamp;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{Error, PgConnection, Row};

use super::rotation::Span;

/// A key as it is kept.
pub(super) struct Kept {
    pub(super) kid: String,
    pub(super) pkcs8: Vec<u8>,
    pub(super) public_x: String,
    pub(super) span: Span,
}

fn read(row: &PgRow) -> Result<Kept, Error> {
    let time = |column: &str| Ok::<_, Error>(from_database(row.try_get(column)?));
    Ok(Kept {
        kid: row.try_get("kid")?,
        pkcs8: row.try_get("pkcs8")?,
        public_x: row.try_get("public_x")?,
        span: Span {
            signs_from: time("signs_from")?,
            signs_until: time("signs_until")?,
            verifies_until: time("verifies_until")?,
        },
    })
}

/// The keys that are believed now or later.
pub(super) async fn keys(connection: &mut PgConnection, now: Timestamp) -> Result<Vec<Kept>, Error> {
    sqlx::query(
        "SELECT kid, pkcs8, public_x, signs_from, signs_until, verifies_until FROM signing_keys
         WHERE verifies_until > $1 ORDER BY signs_from, kid",
    )
    .bind(to_database(now))
    .fetch_all(connection)
    .await?
    .iter()
    .map(read)
    .collect()
}

/// Their public parts.
pub(crate) async fn published(pool: &PgPool, now: Timestamp) -> Result<Vec<PublicKey>, Error> {
    let rows = sqlx::query(
        "SELECT kid, public_x FROM signing_keys WHERE verifies_until > $1 ORDER BY signs_from, kid",
    )
    .bind(to_database(now))
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| Ok(PublicKey { kid: row.try_get("kid")?, x: row.try_get("public_x")? })).collect()
}

/// Lets one replica at a time look which keys there are and make another.
pub(super) async fn alone_in_tx(transaction: &mut Transaction) -> Result<(), Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext('supercargo accounts signing keys'))")
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Keeps a new key.
pub(super) async fn add_in_tx(transaction: &mut Transaction, key: &Kept) -> Result<(), Error> {
    let Kept { kid, pkcs8, public_x, span } = key;
    let Span { signs_from, signs_until, verifies_until } = *span;
    sqlx::query(
        "INSERT INTO signing_keys (kid, pkcs8, public_x, signs_from, signs_until, verifies_until)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(kid)
    .bind(pkcs8)
    .bind(public_x)
    .bind(to_database(signs_from))
    .bind(to_database(signs_until))
    .bind(to_database(verifies_until))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
