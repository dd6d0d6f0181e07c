//! The newest change of each price that was heard of.

use chassis::Transaction;
use events::PriceChanged;
use money::Money;
use sqlx::Error;
use sqlx::postgres::PgConnection;

use super::lines::money;

/// Notes a change; false when it or a newer one was noted before.
pub(crate) async fn note_in_tx(transaction: &mut Transaction, change: &PriceChanged) -> Result<bool, Error> {
    let noted = sqlx::query(
        "INSERT INTO prices (sku, revision, minor_units, currency) VALUES ($1, $2, $3, $4)
         ON CONFLICT (sku) DO UPDATE SET
             revision = EXCLUDED.revision, minor_units = EXCLUDED.minor_units, currency = EXCLUDED.currency
         WHERE prices.revision < EXCLUDED.revision",
    )
    .bind(&change.sku)
    .bind(change.revision)
    .bind(change.price.minor_units())
    .bind(change.price.currency().as_str())
    .execute(&mut **transaction)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// True when an open cart has the article.
pub(crate) async fn is_in_a_cart_in_tx(transaction: &mut Transaction, sku: &str) -> Result<bool, Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM cart_items WHERE sku = $1)")
        .bind(sku)
        .fetch_one(&mut **transaction)
        .await
}

/// The price after the newest change.
pub(crate) async fn newest(connection: &mut PgConnection, sku: &str) -> Result<Option<Money>, Error> {
    sqlx::query("SELECT minor_units, currency FROM prices WHERE sku = $1")
        .bind(sku)
        .fetch_optional(connection)
        .await?
        .as_ref()
        .map(|row| money(row, "minor_units", "currency"))
        .transpose()
}
