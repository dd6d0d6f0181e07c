//! With 100,000 orders no hot path goes through all of them.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use chassis::Store;
use jiff::Timestamp;
use testkit::ScratchDatabase;

use crate::record::OrderName;
use crate::{MIGRATIONS, placements, status, store, views};

/// Each order of one of 10,000 users, with five events, placed through REST and delivered.
const MANY: &str = "
    ALTER TABLE order_views DISABLE TRIGGER USER;
    INSERT INTO order_views (order_id, namespace, name, user_id, placed_at, sequence, phase)
    SELECT 'o-' || number, 'default', 'web-' || number, 'u-' || (number % 10000), to_timestamp(number), 5, 'Completed'
    FROM generate_series(1, 100000) AS number;
    ALTER TABLE order_views ENABLE TRIGGER USER;
    INSERT INTO order_status (phase, orders) VALUES ('Completed', 100000);
    INSERT INTO placements (user_id, request_key, request_hash, name, request, asked_at, order_id)
    SELECT user_id, 'own-' || name, '\\x00', name, '{}', placed_at, order_id FROM order_views;
    INSERT INTO orders_index (order_id, namespace, name, phase, sequence, complete_to, first_seen)
    SELECT order_id, namespace, name, phase, 5, 5, placed_at FROM order_views;
    INSERT INTO history (ce_id, event, source, subject, order_id, namespace, name, sequence, phase, at, data)
    SELECT order_id || '/' || step, 'order.placed', 'operator', order_id, order_id, namespace, name, step, 'Placed', placed_at, '{}'
    FROM order_views, generate_series(1, 5) AS step;
    ANALYZE;";

/// How many rows of the tables were read by going through all of them.
async fn read_in_sequence(store: &Store) -> i64 {
    // What a connection has read is counted when it is at rest for a moment, or when it is asked to.
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(store.pool()).await.unwrap();
    sqlx::query_scalar(
        "SELECT coalesce(sum(seq_tup_read), 0)::bigint FROM pg_stat_user_tables
         WHERE relname IN ('order_views', 'placements', 'orders_index', 'history')",
    )
    .fetch_one(store.pool())
    .await
    .unwrap()
}

#[tokio::test]
async fn no_hot_path_goes_through_all_of_a_hundred_thousand_orders() {
    let database = ScratchDatabase::make().await;
    // One connection, so that all that was read is counted.
    let store = Store::connect(&database.url, "orders", 1, &MIGRATIONS).await.unwrap();
    sqlx::raw_sql(MANY).execute(store.pool()).await.unwrap();
    let before = read_in_sequence(&store).await;
    let pool = store.pool();
    // More often than a statement is planned for its values.
    for round in 1..9 {
        let number = round * 1000;
        let id = format!("o-{number}");
        assert!(views::of_id(pool, &id).await.unwrap().is_some());
        assert!(views::of_name(pool, "default", &format!("web-{number}")).await.unwrap().is_some());
        let user = format!("u-{number}");
        let page = views::of_user(pool, &user, None, 3).await.unwrap();
        let last = page.last().map(|view| (view.placed_at, view.order.order_id.clone()));
        assert_eq!(page.len(), 3);
        assert_eq!(views::of_user(pool, &user, last.as_ref(), 3).await.unwrap().len(), 3);
        assert_eq!(store::events_of(pool, &id).await.unwrap().len(), 5);
        assert_eq!(store::orders_named(pool, "default", &format!("web-{number}")).await.unwrap().len(), 1);
        assert_eq!(store::orders_with_gaps(pool, Timestamp::now()).await.unwrap().0, 0);
        assert_eq!(status::read(&store).await.unwrap().total, 100_000);
        let key = format!("own-web-{number}");
        let request = serde_json::json!({});
        let known = placements::intend(pool, &user, &key, "web", &request, Timestamp::now()).await.unwrap();
        assert_eq!(known.order_id.as_deref(), Some(id.as_str()));
        let order = OrderName { order_id: id.clone(), namespace: "default".into(), name: "web".into() };
        let mut tx = store.begin().await.unwrap();
        store::lock_order_in_tx(&mut tx, &order, Timestamp::now()).await.unwrap();
        assert!(store::sequences_in_tx(&mut tx, &id, 2).await.unwrap().len() == 3);
        views::begin_in_tx(&mut tx, &order, &user, Timestamp::now()).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(read_in_sequence(&store).await - before, 0);
    store.pool().close().await;
    database.drop().await;
}
