//! What inventory tells of stock.

use catalog::Levels;
use chassis::{Handler, Message};
use events::{Event, EventType, StockLevel};
use jiff::Timestamp;
use serde_json::json;

use crate::world::{Database, article};

/// A message as inventory sends it.
fn level(sku: &str, available: i64, revision: i64) -> Message {
    let level = StockLevel { sku: sku.into(), on_hand: available + 2, reserved: 2, available, revision };
    let id = format!("stock/{sku}/{revision}");
    let event =
        Event::new(EventType::StockLevelChanged, "inventory", id, sku, Timestamp::now(), &level).unwrap();
    Message {
        subject: event.event_type.subject().to_owned(),
        headers: Some(event.headers()),
        payload: serde_json::to_vec(&level).unwrap().into(),
    }
}

async fn hear(database: &Database, messages: &[Message]) {
    let mut transaction = database.store.begin().await.unwrap();
    for message in messages {
        Levels.handle(message, &mut transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn the_newest_level_counts_in_whatever_order_they_are_heard() {
    let database = Database::make().await;
    // An import counts the stock before the article is there.
    hear(&database, &[level("MUG-01", 5, 1)]).await;
    database.import(vec![article("MUG-01", "1 EUR"), article("TEE-02", "1 EUR")]).await;
    let page = database.json("/products").await;
    assert_eq!((&page["items"][0]["available"], &page["items"][1]["available"]), (&json!(5), &json!(null)));
    let before = database.products.read("MUG-01").await.unwrap();
    hear(&database, &[level("MUG-01", 3, 4), level("MUG-01", 4, 3), level("TEE-02", 0, 1)]).await;
    let after = database.products.read("MUG-01").await.unwrap();
    assert_eq!(after.product.available, Some(3));
    assert_ne!(after.tag, before.tag, "another level is another tag");
    assert_eq!(database.products.read("TEE-02").await.unwrap().product.available, Some(0));
    database.drop().await;
}

#[tokio::test]
async fn a_level_that_changes_does_not_stand_in_the_way_of_an_editor() {
    let database = Database::make().await;
    database
        .create(json!({"sku": "MUG-01", "name": "Mug", "price": {"amount": "1", "currency": "EUR"}}))
        .await;
    let tag = database.products.read("MUG-01").await.unwrap().tag;
    hear(&database, &[level("MUG-01", 3, 1)]).await;
    let headers = axum::http::HeaderMap::from_iter([(axum::http::header::IF_MATCH, tag.parse().unwrap())]);
    database.products.retire("MUG-01", &headers).await.unwrap();
    database.drop().await;
}
