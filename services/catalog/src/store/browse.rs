//! Reading articles to show them.

use events::questions::ArticleData;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{Error, Row};

use super::money;
use crate::pages::Browse;
use crate::product::{Product, shown_images};
use crate::search::tsquery;

/// A statement that reads one page of articles: those of `$rows`, which are few, each with its level.
macro_rules! page {
    ($rows:literal) => {
        concat!(
            "SELECT page.*, (SELECT available FROM levels WHERE levels.sku = page.sku) AS available FROM (",
            $rows,
            ") AS page ORDER BY page.sku"
        )
    };
}

const ALL: &str = page!(
    "SELECT sku, name, description, price_minor_units, currency, categories, image, images, retired
     FROM articles WHERE NOT retired AND sku > $1 ORDER BY sku LIMIT $2"
);
// A category knows its articles in their order. LIMIT 1 keeps the planner from reading all articles to join them.
const IN_CATEGORY: &str = page!(
    "SELECT article.*
     FROM (SELECT sku FROM article_categories WHERE category = $3 AND sku > $1 ORDER BY sku LIMIT $2) AS listed
     CROSS JOIN LATERAL (
         SELECT sku, name, description, price_minor_units, currency, categories, image, images, retired
         FROM articles WHERE articles.sku = listed.sku LIMIT 1
     ) AS article"
);
/// A statement that reads one page of those with the words `$3`. `$near` are the next two hundred of which it may be, with their
/// `search`; `$far` is what else is asked of them.
///
/// The index of words knows no order: all that have a common word are found and sorted before a page of them is known. So the next
/// articles are looked at first, and the index is asked only where too few of them have the words. What the words are is hidden
/// from the planner, which would go through all articles for a word that it knows to be common, and the order of the far ones has
/// no index that it could go along instead.
macro_rules! words {
    ($near:literal, $far:literal) => {
        concat!(
            "SELECT page.*, (SELECT available FROM levels WHERE levels.sku = page.sku) AS available FROM (
                 WITH near AS MATERIALIZED (
                     SELECT sku FROM (",
            $near,
            ") AS next WHERE search @@ (SELECT to_tsquery('simple', $3)) ORDER BY sku LIMIT $2
                 ), far AS MATERIALIZED (
                     SELECT sku FROM articles
                     WHERE NOT retired AND sku > $1 AND search @@ (SELECT to_tsquery('simple', $3))",
            $far,
            "    AND (SELECT count(*) FROM near) < $2
                     ORDER BY sku || '' LIMIT $2
                 )
                 SELECT article.*
                 FROM (SELECT sku FROM far UNION ALL SELECT sku FROM near WHERE NOT EXISTS (SELECT FROM far)) AS found
                 CROSS JOIN LATERAL (
                     SELECT sku, name, description, price_minor_units, currency, categories, image, images, retired
                     FROM articles WHERE articles.sku = found.sku LIMIT 1
                 ) AS article
             ) AS page ORDER BY page.sku"
        )
    };
}

const WITH_WORDS: &str =
    words!("SELECT sku, search FROM articles WHERE NOT retired AND sku > $1 ORDER BY sku LIMIT 200", "");
const WITH_WORDS_IN_CATEGORY: &str = words!(
    "SELECT listed.sku, article.search
     FROM (SELECT sku FROM article_categories WHERE category = $4 AND sku > $1 ORDER BY sku LIMIT 200) AS listed
     CROSS JOIN LATERAL (SELECT search FROM articles WHERE articles.sku = listed.sku LIMIT 1) AS article",
    " AND categories @> ARRAY[$4] "
);

/// The articles of a page in the order of the SKU, and one more where there are more.
pub(crate) async fn page(pool: &PgPool, browse: &Browse) -> Result<Vec<Product>, Error> {
    let Browse { query, category, limit, after } = browse;
    let words = match query.as_deref().map(tsquery) {
        // Something without a word is searched for, which nothing has.
        Some(None) => return Ok(Vec::new()),
        Some(Some(words)) => Some(words),
        None => None,
    };
    let limit = i64::from(*limit) + 1;
    let statement = match (&words, category) {
        (None, None) => ALL,
        (None, Some(_)) => IN_CATEGORY,
        (Some(_), None) => WITH_WORDS,
        (Some(_), Some(_)) => WITH_WORDS_IN_CATEGORY,
    };
    let mut query = sqlx::query(statement).bind(after).bind(limit);
    for text in [words.as_ref(), category.as_ref()].into_iter().flatten() {
        query = query.bind(text);
    }
    let rows = query.fetch_all(pool).await?;
    rows.iter().map(product).collect()
}

/// An article with the numbers of its changes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) product: Product,
    pub(crate) revision: i64,
    pub(crate) level_revision: i64,
}

/// The article of that SKU, retired or not.
pub(crate) async fn product_of<'e>(
    executor: impl sqlx::PgExecutor<'e>,
    sku: &str,
) -> Result<Option<Found>, Error> {
    let row = sqlx::query(
        "SELECT articles.sku, name, description, price_minor_units, currency, categories, image, images, retired,
             articles.revision, available, coalesce(levels.revision, 0) AS level_revision
         FROM articles LEFT JOIN levels USING (sku) WHERE articles.sku = $1",
    )
    .bind(sku)
    .fetch_optional(executor)
    .await?;
    row.map(|row| {
        Ok(Found {
            product: product(&row)?,
            revision: row.try_get("revision")?,
            level_revision: row.try_get("level_revision")?,
        })
    })
    .transpose()
}

fn product(row: &PgRow) -> Result<Product, Error> {
    Ok(Product {
        sku: row.try_get("sku")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        price: money(row, "price_minor_units")?,
        categories: row.try_get("categories")?,
        images: shown_images(row.try_get("image")?, row.try_get("images")?),
        available: row.try_get("available")?,
        retired: row.try_get("retired")?,
    })
}

/// Those of `skus` that are articles, in the order of the SKU.
pub(crate) async fn articles_data(pool: &PgPool, skus: &[String]) -> Result<Vec<ArticleData>, Error> {
    sqlx::query(
        "SELECT articles.sku, name, price_minor_units, currency, coalesce(image, images[1]) AS image, retired,
             (SELECT available FROM levels WHERE levels.sku = articles.sku) AS available
         FROM articles WHERE articles.sku = ANY($1) ORDER BY articles.sku",
    )
    .bind(skus)
    .fetch_all(pool)
    .await?
    .iter()
    .map(|row| {
        Ok(ArticleData {
            sku: row.try_get("sku")?,
            name: row.try_get("name")?,
            price: money(row, "price_minor_units")?,
            image: row.try_get("image")?,
            available: row.try_get("available")?,
            retired: row.try_get("retired")?,
        })
    })
    .collect()
}
