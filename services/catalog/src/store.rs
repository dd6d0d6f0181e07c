//! The catalog's tables.

pub(crate) mod browse;
pub(crate) mod images;
pub(crate) mod levels;
pub(crate) mod products;

use std::collections::BTreeMap;

use chassis::Transaction;
use events::questions::Article;
use money::Money;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::types::Json;
use sqlx::{Error, Row};
use uuid::Uuid;

use crate::quote::{Coupon, Discount, Listing};

/// An article as it rests in its table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredArticle {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) price: Money,
    pub(crate) price_revision: i64,
    pub(crate) retired: bool,
}

/// An import as it rests in its table.
pub(crate) struct Import {
    pub(crate) parts: i32,
    pub(crate) completed: bool,
    pub(crate) created: u64,
    pub(crate) changed: u64,
}

/// The prices of `skus`; those that are no articles are absent.
pub(crate) async fn listings(pool: &PgPool, skus: &[&str]) -> Result<BTreeMap<String, Listing>, Error> {
    sqlx::query("SELECT sku, price_minor_units, currency, retired FROM articles WHERE sku = ANY($1)")
        .bind(skus)
        .fetch_all(pool)
        .await?
        .iter()
        .map(|row| {
            let price = money(row, "price_minor_units")?;
            Ok((row.try_get("sku")?, Listing { price, retired: row.try_get("retired")? }))
        })
        .collect()
}

/// The coupon of that code.
pub(crate) async fn coupon(pool: &PgPool, code: &str) -> Result<Option<Coupon>, Error> {
    let query = "SELECT percent, amount_minor_units, currency, active FROM coupons WHERE code = $1";
    let Some(row) = sqlx::query(query).bind(code).fetch_optional(pool).await? else { return Ok(None) };
    let discount = match row.try_get::<Option<i16>, _>("percent")? {
        Some(percent) => Discount::Percent(u8::try_from(percent).unwrap_or_default()),
        None => Discount::Amount(money(&row, "amount_minor_units")?),
    };
    Ok(Some(Coupon { discount, active: row.try_get("active")? }))
}

fn money(row: &PgRow, column: &str) -> Result<Money, Error> {
    let currency = row.try_get::<&str, _>("currency")?.parse().map_err(|error| Error::ColumnDecode {
        index: "currency".into(),
        source: Box::<money::MoneyError>::new(error),
    })?;
    Ok(Money::from_minor_units(row.try_get(column)?, currency))
}

/// The import of that id, begun now if it is new, and locked: the parts of one import are taken one after the other.
/// Imports that were left unfinished a day ago go, and answers of a month ago.
///
/// It does not wait long for the lock: those that ask again while a large import takes effect would use up the
/// connections that quotes need.
pub(crate) async fn open_import_in_tx(
    transaction: &mut Transaction,
    import_id: Uuid,
    parts: i32,
) -> Result<Import, Error> {
    sqlx::query("SET LOCAL lock_timeout = '3s'").execute(&mut **transaction).await?;
    let begun = sqlx::query("INSERT INTO imports (import_id, parts) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(import_id)
        .bind(parts)
        .execute(&mut **transaction)
        .await?;
    if begun.rows_affected() == 1 {
        sqlx::query(
            "DELETE FROM imports WHERE import_id IN (
                 SELECT import_id FROM imports
                 WHERE coalesce(completed_at + interval '30 days', started_at + interval '1 day') < now()
                 FOR UPDATE SKIP LOCKED)",
        )
        .execute(&mut **transaction)
        .await?;
    }
    let row = sqlx::query(
        "SELECT parts, completed_at IS NOT NULL AS completed, created, changed FROM imports
         WHERE import_id = $1 FOR UPDATE",
    )
    .bind(import_id)
    .fetch_one(&mut **transaction)
    .await?;
    let count = |column| row.try_get::<i64, _>(column).map(|count| u64::try_from(count).unwrap_or_default());
    Ok(Import {
        parts: row.try_get("parts")?,
        completed: row.try_get("completed")?,
        created: count("created")?,
        changed: count("changed")?,
    })
}

/// Keeps a part; false when it is there with other articles.
pub(crate) async fn stage_part_in_tx(
    transaction: &mut Transaction,
    import_id: Uuid,
    part: i32,
    articles: &[Article],
) -> Result<bool, Error> {
    sqlx::query(
        "INSERT INTO import_parts (import_id, part, articles) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(import_id)
    .bind(part)
    .bind(Json(articles))
    .execute(&mut **transaction)
    .await?;
    sqlx::query_scalar("SELECT articles = $3 FROM import_parts WHERE import_id = $1 AND part = $2")
        .bind(import_id)
        .bind(part)
        .bind(Json(articles))
        .fetch_one(&mut **transaction)
        .await
}

/// The articles of all parts, once all have arrived.
pub(crate) async fn all_parts_in_tx(
    transaction: &mut Transaction,
    import_id: Uuid,
    parts: i32,
) -> Result<Option<Vec<Article>>, Error> {
    let arrived: i64 = sqlx::query_scalar("SELECT count(*) FROM import_parts WHERE import_id = $1")
        .bind(import_id)
        .fetch_one(&mut **transaction)
        .await?;
    if arrived < i64::from(parts) {
        return Ok(None);
    }
    let parts: Vec<Json<Vec<Article>>> =
        sqlx::query_scalar("SELECT articles FROM import_parts WHERE import_id = $1 ORDER BY part")
            .bind(import_id)
            .fetch_all(&mut **transaction)
            .await?;
    Ok(Some(parts.into_iter().flat_map(|Json(articles)| articles).collect()))
}

/// Remembers the answer, and lets the parts go.
pub(crate) async fn complete_import_in_tx(
    transaction: &mut Transaction,
    import_id: Uuid,
    created: u64,
    changed: u64,
) -> Result<(), Error> {
    let count = |rows| i64::try_from(rows).unwrap_or(i64::MAX);
    sqlx::query("UPDATE imports SET completed_at = now(), created = $2, changed = $3 WHERE import_id = $1")
        .bind(import_id)
        .bind(count(created))
        .bind(count(changed))
        .execute(&mut **transaction)
        .await?;
    sqlx::query("DELETE FROM import_parts WHERE import_id = $1")
        .bind(import_id)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Keeps other writers away from the articles until the end of the transaction; readers go on.
pub(crate) async fn lock_articles_in_tx(transaction: &mut Transaction) -> Result<(), Error> {
    sqlx::query("LOCK TABLE articles IN SHARE ROW EXCLUSIVE MODE").execute(&mut **transaction).await?;
    Ok(())
}

/// The articles of `skus` that are there.
pub(crate) async fn articles_in_tx(
    transaction: &mut Transaction,
    skus: &[&str],
) -> Result<BTreeMap<String, StoredArticle>, Error> {
    sqlx::query(
        "SELECT sku, name, description, image, price_minor_units, currency, price_revision, retired
         FROM articles WHERE sku = ANY($1)",
    )
    .bind(skus)
    .fetch_all(&mut **transaction)
    .await?
    .iter()
    .map(|row| {
        let article = StoredArticle {
            sku: row.try_get("sku")?,
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            image: row.try_get("image")?,
            price: money(row, "price_minor_units")?,
            price_revision: row.try_get("price_revision")?,
            retired: row.try_get("retired")?,
        };
        Ok((article.sku.clone(), article))
    })
    .collect()
}

/// Makes `articles` be there just so.
pub(crate) async fn write_articles_in_tx(
    transaction: &mut Transaction,
    articles: &[StoredArticle],
) -> Result<(), Error> {
    fn column<'a, T>(articles: &'a [StoredArticle], value: impl Fn(&'a StoredArticle) -> T) -> Vec<T> {
        articles.iter().map(value).collect()
    }
    let currencies = column(articles, |article| article.price.currency());
    sqlx::query(
        "INSERT INTO articles (sku, name, description, image, price_minor_units, currency, price_revision, retired)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[],
                              $8::boolean[])
         ON CONFLICT (sku) DO UPDATE SET
             name = EXCLUDED.name, description = EXCLUDED.description, image = EXCLUDED.image,
             price_minor_units = EXCLUDED.price_minor_units, currency = EXCLUDED.currency,
             price_revision = EXCLUDED.price_revision, retired = EXCLUDED.retired, revision = articles.revision + 1,
             updated_at = now()",
    )
    .bind(column(articles, |article| article.sku.as_str()))
    .bind(column(articles, |article| article.name.as_str()))
    .bind(column(articles, |article| article.description.as_deref()))
    .bind(column(articles, |article| article.image.as_deref()))
    .bind(column(articles, |article| article.price.minor_units()))
    .bind(currencies.iter().map(money::Currency::as_str).collect::<Vec<_>>())
    .bind(column(articles, |article| article.price_revision))
    .bind(column(articles, |article| article.retired))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
