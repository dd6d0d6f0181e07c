//! A throw-away database for each test.

use chassis::Store;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use url::Url;

pub async fn store() -> Store {
    let url =
        std::env::var("DATABASE_URL").expect("set DATABASE_URL to a Postgres for tests, or run make test");
    let name = format!("test_{}", uuid::Uuid::new_v4().simple());
    let mut server = PgConnection::connect(&url).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut server).await.unwrap();
    let mut url: Url = url.parse().unwrap();
    url.set_path(&name);
    Store::connect(url.as_str(), "shipping", 4, &shipping::MIGRATIONS).await.unwrap()
}

/// The names of the events told of an order, in their order.
pub async fn events(store: &Store, order_id: &str) -> Vec<String> {
    let rows = sqlx::query(
        "SELECT body->>'eventType' AS name FROM outbox WHERE kind = 'event' AND body->>'subject' = $1 ORDER BY id",
    )
    .bind(order_id)
    .fetch_all(store.pool())
    .await
    .unwrap();
    let name = |text: String| text.replace("dev.supercargo.shipment.", "").replace(".v1", "");
    rows.iter().map(|row| name(row.get("name"))).collect()
}

/// The statuses reported of every order, in their order.
pub async fn reports(store: &Store) -> Vec<resources::ShipmentStatus> {
    let rows = sqlx::query("SELECT body->'status' AS status FROM outbox WHERE kind = 'status' ORDER BY id")
        .fetch_all(store.pool())
        .await
        .unwrap();
    rows.iter().map(|row| serde_json::from_value(row.get("status")).unwrap()).collect()
}

/// The phase stored of an order.
pub async fn phase(store: &Store, order_id: &str) -> Option<String> {
    sqlx::query_scalar("SELECT phase FROM shipments WHERE order_id = $1")
        .bind(order_id)
        .fetch_optional(store.pool())
        .await
        .unwrap()
        .flatten()
}

/// How many rows a query counts.
pub async fn count(store: &Store, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(store.pool()).await.unwrap()
}
