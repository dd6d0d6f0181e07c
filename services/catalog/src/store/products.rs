//! Changing single articles.

use chassis::Transaction;
use sqlx::{Error, Row};

use super::money;
use crate::product::{Product, ProductContent, shown_images};

/// An article that is to be changed, locked.
pub(crate) struct Locked {
    /// As it is shown, without its level.
    pub(crate) product: Product,
    pub(crate) price_revision: i64,
    pub(crate) revision: i64,
}

/// The article of that SKU, locked until the transaction ends.
///
/// An import has the whole table to itself. Whoever held a row of it and then waited for the table would wait for one who waits
/// for the row: so the table comes first here, and not for long.
pub(crate) async fn lock_in_tx(transaction: &mut Transaction, sku: &str) -> Result<Option<Locked>, Error> {
    wait_for_import_in_tx(transaction).await?;
    let row = sqlx::query(
        "SELECT sku, name, description, price_minor_units, currency, categories, image, images, retired,
             price_revision, revision
         FROM articles WHERE sku = $1 FOR UPDATE",
    )
    .bind(sku)
    .fetch_optional(&mut **transaction)
    .await?;
    row.map(|row| {
        Ok(Locked {
            product: Product {
                sku: row.try_get("sku")?,
                name: row.try_get("name")?,
                description: row.try_get("description")?,
                price: money(&row, "price_minor_units")?,
                categories: row.try_get("categories")?,
                images: shown_images(row.try_get("image")?, row.try_get("images")?),
                available: None,
                retired: row.try_get("retired")?,
            },
            price_revision: row.try_get("price_revision")?,
            revision: row.try_get("revision")?,
        })
    })
    .transpose()
}

/// Waits while an import takes effect, a moment at most: a large one takes long.
async fn wait_for_import_in_tx(transaction: &mut Transaction) -> Result<(), Error> {
    sqlx::query("SET LOCAL lock_timeout = '3s'").execute(&mut **transaction).await?;
    sqlx::query("LOCK TABLE articles IN ROW EXCLUSIVE MODE").execute(&mut **transaction).await?;
    Ok(())
}

/// Makes a new article; false when there is one of that SKU.
pub(crate) async fn insert_in_tx(
    transaction: &mut Transaction,
    sku: &str,
    content: &ProductContent,
) -> Result<bool, Error> {
    wait_for_import_in_tx(transaction).await?;
    let ProductContent { name, price, description, categories, images } = content;
    let done = sqlx::query(
        "INSERT INTO articles (sku, name, description, price_minor_units, currency, categories, images)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (sku) DO NOTHING",
    )
    .bind(sku)
    .bind(name)
    .bind(description)
    .bind(price.minor_units())
    .bind(price.currency().as_str())
    .bind(categories)
    .bind(images)
    .execute(&mut **transaction)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Makes the article be just so, and sold. What an import named as its picture is now in `images`, where it is wanted.
pub(crate) async fn update_in_tx(
    transaction: &mut Transaction,
    sku: &str,
    content: &ProductContent,
    price_revision: i64,
) -> Result<(), Error> {
    let ProductContent { name, price, description, categories, images } = content;
    sqlx::query(
        "UPDATE articles SET name = $2, description = $3, price_minor_units = $4, currency = $5, categories = $6,
             images = $7, image = NULL, price_revision = $8, retired = false, revision = revision + 1, updated_at = now()
         WHERE sku = $1",
    )
    .bind(sku)
    .bind(name)
    .bind(description)
    .bind(price.minor_units())
    .bind(price.currency().as_str())
    .bind(categories)
    .bind(images)
    .bind(price_revision)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Sells the article no more.
pub(crate) async fn retire_in_tx(transaction: &mut Transaction, sku: &str) -> Result<(), Error> {
    sqlx::query(
        "UPDATE articles SET retired = true, revision = revision + 1, updated_at = now()
         WHERE sku = $1 AND NOT retired",
    )
    .bind(sku)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
