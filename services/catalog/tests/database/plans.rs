//! No page of a large catalog is read by going through all of it.

use serde_json::Value;

use crate::world::Database;

/// 10,000 articles in 20 categories whose SKUs begin as the category does, as they do in shops.
const MANY: &str = "
    INSERT INTO articles (sku, name, description, price_minor_units, currency, categories)
    SELECT 'C' || lpad((number % 20)::text, 2, '0') || '-' || lpad(number::text, 5, '0'), 'Article ' || number,
        'word' || (number % 100) || ' some longer text that says what it is, and what it is made of',
        1590, 'EUR', ARRAY['category-' || (number % 20)]
    FROM generate_series(1, 10000) AS number;
    INSERT INTO levels (sku, available, revision) SELECT sku, 7, 1 FROM articles;
    ANALYZE;";

/// How many rows of the tables were read by going through all of them.
async fn read_in_sequence(database: &Database) -> i64 {
    // What a connection has read is counted when it is at rest for a moment, or when it is asked to.
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(database.store.pool()).await.unwrap();
    sqlx::query_scalar(
        "SELECT coalesce(sum(seq_tup_read), 0)::bigint FROM pg_stat_user_tables
         WHERE relname IN ('articles', 'levels', 'article_categories')",
    )
    .fetch_one(database.store.pool())
    .await
    .unwrap()
}

#[tokio::test]
async fn no_page_is_read_in_sequence_whatever_is_asked_for() {
    let database = Database::make_with(1).await;
    sqlx::raw_sql(MANY).execute(database.store.pool()).await.unwrap();
    let before = read_in_sequence(&database).await;
    // More often than a statement is planned for its values.
    for _ in 0..8 {
        for path in [
            "/products?limit=100",
            "/products?category=category-7",
            "/products?category=category-19&limit=100",
            "/products?category=none",
            "/products?query=article",
            "/products?query=word7",
            "/products?query=word77&category=category-17",
            "/products?query=article%209&category=category-3&limit=100",
            "/products?query=none",
            "/products/C07-00007",
        ] {
            let page = database.json(path).await;
            let Some(next) = page["next"].as_str() else { continue };
            let page = database.json(&format!("{path}&cursor={next}")).await;
            assert!(page["items"].as_array().is_some_and(|items| !items.is_empty()), "{path}");
            assert_eq!(page["items"][0]["available"], Value::from(7));
        }
        database.products.have_changed();
    }
    assert_eq!(read_in_sequence(&database).await - before, 0);
    database.drop().await;
}

/// The SKUs of all pages of a list.
async fn all(database: &Database, path: &str) -> Vec<String> {
    let (mut skus, mut next) = (Vec::new(), String::new());
    loop {
        let page = database.json(&format!("{path}&limit=30{next}")).await;
        skus.extend(
            page["items"].as_array().unwrap().iter().map(|item| item["sku"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return skus,
        }
    }
}

#[tokio::test]
async fn the_pages_of_a_list_are_all_of_it_in_order_and_once() {
    let database = Database::make().await;
    sqlx::raw_sql(MANY).execute(database.store.pool()).await.unwrap();
    for (path, condition) in [
        ("/products?category=category-7", "number % 20 = 7"),
        ("/products?query=word77", "number % 100 = 77"),
        ("/products?query=longer%20word7", "number % 100 = 7 OR number % 100 BETWEEN 70 AND 79"),
        ("/products?query=longer&category=category-19", "number % 20 = 19"),
        ("/products?query=article%2091&category=category-3", "number % 20 = 3 AND number::text LIKE '91%'"),
    ] {
        let expected: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "SELECT 'C' || lpad((number % 20)::text, 2, '0') || '-' || lpad(number::text, 5, '0') AS sku
             FROM generate_series(1, 10000) AS number WHERE {condition} ORDER BY sku"
        )))
        .fetch_all(database.store.pool())
        .await
        .unwrap();
        assert_eq!(all(&database, path).await, expected, "{path}");
    }
    database.drop().await;
}
