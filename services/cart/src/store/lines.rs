//! The table of lines of open carts.

use chassis::{Transaction, from_database, to_database};
use money::{Money, MoneyError};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::types::time::OffsetDateTime;
use sqlx::{Error, Row};
use uuid::Uuid;

use crate::line::Line;

/// The lines of a cart, in the order of their positions.
pub(crate) async fn of_cart(connection: &mut PgConnection, cart: Uuid) -> Result<Vec<Line>, Error> {
    let lines = of_carts(connection, &[cart], None).await?;
    Ok(lines.into_iter().map(|(_, line)| line).collect())
}

/// The lines of several carts, those of `sku` alone where one is named.
pub(crate) async fn of_carts(
    connection: &mut PgConnection,
    carts: &[Uuid],
    sku: Option<&str>,
) -> Result<Vec<(Uuid, Line)>, Error> {
    sqlx::query(
        "SELECT cart_id, sku, position, quantity, added_at, name, image, available, gone, price_minor_units, currency,
             told_minor_units, told_currency
         FROM cart_items WHERE cart_id = ANY($1) AND ($2::text IS NULL OR sku = $2) ORDER BY cart_id, position, sku",
    )
    .bind(carts)
    .bind(sku)
    .fetch_all(connection)
    .await?
    .iter()
    .map(|row| Ok((row.try_get("cart_id")?, line(row)?)))
    .collect()
}

fn line(row: &PgRow) -> Result<Line, Error> {
    Ok(Line {
        sku: row.try_get("sku")?,
        quantity: u32::try_from(row.try_get::<i32, _>("quantity")?).unwrap_or_default(),
        position: row.try_get("position")?,
        added_at: from_database(row.try_get::<OffsetDateTime, _>("added_at")?),
        name: row.try_get("name")?,
        image: row.try_get("image")?,
        available: row.try_get("available")?,
        gone: row.try_get("gone")?,
        price: money(row, "price_minor_units", "currency")?,
        told: money(row, "told_minor_units", "told_currency")?,
    })
}

pub(super) fn money(row: &PgRow, minor_units: &str, currency: &str) -> Result<Money, Error> {
    let known = row.try_get::<&str, _>(currency)?.parse().map_err(|error| Error::ColumnDecode {
        index: currency.to_owned(),
        source: Box::<MoneyError>::new(error),
    })?;
    Ok(Money::from_minor_units(row.try_get(minor_units)?, known))
}

/// The articles in `carts`, each once.
pub(crate) async fn skus_of(connection: &mut PgConnection, carts: &[Uuid]) -> Result<Vec<String>, Error> {
    sqlx::query_scalar("SELECT DISTINCT sku FROM cart_items WHERE cart_id = ANY($1)")
        .bind(carts)
        .fetch_all(connection)
        .await
}

/// At most `limit` carts after `after`, in the order of their ids, that have an article.
pub(crate) async fn carts_with(
    connection: &mut PgConnection,
    sku: &str,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Uuid>, Error> {
    sqlx::query_scalar(
        "SELECT cart_id FROM cart_items WHERE sku = $1 AND cart_id > $2 ORDER BY cart_id LIMIT $3",
    )
    .bind(sku)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// Makes the lines be there just so. Their carts are open, and locked.
pub(crate) async fn write_in_tx(transaction: &mut Transaction, lines: &[(Uuid, Line)]) -> Result<(), Error> {
    fn column<'a, T>(lines: &'a [(Uuid, Line)], value: impl Fn(&'a Line) -> T) -> Vec<T> {
        lines.iter().map(|(_, line)| value(line)).collect()
    }
    sqlx::query(
        "INSERT INTO cart_items (cart_id, sku, position, quantity, added_at, name, image, available, gone,
             price_minor_units, currency, told_minor_units, told_currency)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::integer[], $5::timestamptz[], $6::text[],
             $7::text[], $8::bigint[], $9::boolean[], $10::bigint[], $11::text[], $12::bigint[], $13::text[])
         ON CONFLICT (cart_id, sku) DO UPDATE SET
             position = EXCLUDED.position, quantity = EXCLUDED.quantity, added_at = EXCLUDED.added_at,
             name = EXCLUDED.name, image = EXCLUDED.image, available = EXCLUDED.available, gone = EXCLUDED.gone,
             price_minor_units = EXCLUDED.price_minor_units, currency = EXCLUDED.currency,
             told_minor_units = EXCLUDED.told_minor_units, told_currency = EXCLUDED.told_currency",
    )
    .bind(lines.iter().map(|(cart, _)| *cart).collect::<Vec<_>>())
    .bind(column(lines, |line| line.sku.as_str()))
    .bind(column(lines, |line| line.position))
    .bind(column(lines, |line| i32::try_from(line.quantity).unwrap_or(i32::MAX)))
    .bind(column(lines, |line| to_database(line.added_at)))
    .bind(column(lines, |line| line.name.as_str()))
    .bind(column(lines, |line| line.image.as_deref()))
    .bind(column(lines, |line| line.available))
    .bind(column(lines, |line| line.gone))
    .bind(column(lines, |line| line.price.minor_units()))
    .bind(column(lines, |line| line.price.currency().as_str().to_owned()))
    .bind(column(lines, |line| line.told.minor_units()))
    .bind(column(lines, |line| line.told.currency().as_str().to_owned()))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Takes an article out of a cart; false when it was not there.
pub(crate) async fn remove_in_tx(
    transaction: &mut Transaction,
    cart: Uuid,
    sku: &str,
) -> Result<bool, Error> {
    let gone = sqlx::query("DELETE FROM cart_items WHERE cart_id = $1 AND sku = $2")
        .bind(cart)
        .bind(sku)
        .execute(&mut **transaction)
        .await?;
    Ok(gone.rows_affected() > 0)
}

/// Takes everything out of a cart.
pub(crate) async fn clear_in_tx(transaction: &mut Transaction, cart: Uuid) -> Result<(), Error> {
    sqlx::query("DELETE FROM cart_items WHERE cart_id = $1").bind(cart).execute(&mut **transaction).await?;
    Ok(())
}
