//! Articles that staff make and change.

use axum::http::{HeaderMap, header};
use catalog::{NewProduct, ProductContent, Shown};
use jiff::Timestamp;
use rest::{IdempotencyKey, Problem, Stored};
use serde_json::{Value, json};

use crate::images::{png, take};
use crate::world::{Database, article};

fn new(sku: &str, price: &str) -> NewProduct {
    let price = json!({"amount": price, "currency": "EUR"});
    serde_json::from_value(json!({"sku": sku, "name": "Mug", "price": price})).unwrap()
}

fn content(price: &str) -> ProductContent {
    serde_json::from_value(json!({"name": "Mug", "price": {"amount": price, "currency": "EUR"}})).unwrap()
}

fn key(key: &str) -> IdempotencyKey {
    IdempotencyKey(Some(key.to_owned()))
}

async fn create(database: &Database, new: NewProduct, key: &IdempotencyKey) -> Result<Stored, Problem> {
    database.products.create(new, "u-1", key).await
}

async fn replace(database: &Database, sku: &str, content: ProductContent) -> Result<Shown, Problem> {
    database.products.replace(sku, content, &HeaderMap::new(), Timestamp::now()).await
}

fn status(refused: Result<impl std::fmt::Debug, Problem>) -> u16 {
    refused.unwrap_err().status().as_u16()
}

#[tokio::test]
async fn an_article_is_made_once_for_each_sku_and_key() {
    let database = Database::make().await;
    let first = create(&database, new("MUG-01", "15.90"), &key("k-1")).await.unwrap();
    assert_eq!((first.status.as_u16(), first.replayed, &first.body["sku"]), (201, false, &json!("MUG-01")));
    let again = create(&database, new("MUG-01", "15.90"), &key("k-1")).await.unwrap();
    assert_eq!((again.replayed, again.body), (true, first.body));
    assert_eq!(status(create(&database, new("MUG-01", "16"), &key("k-1")).await), 422, "another request");
    assert_eq!(status(create(&database, new("MUG-01", "15.90"), &key("k-2")).await), 409);
    database.products.retire("MUG-01", &HeaderMap::new()).await.unwrap();
    assert_eq!(
        status(create(&database, new("MUG-01", "15.90"), &IdempotencyKey(None)).await),
        409,
        "retired"
    );
    assert_eq!(database.count("articles").await, 1);
    assert!(database.events().await.is_empty(), "a new article has no other price than before");
    database.drop().await;
}

#[tokio::test]
async fn a_replaced_article_is_just_so_and_its_new_price_is_told_and_quoted() {
    let database = Database::make().await;
    let mut imported = article("MUG-01", "15.90 EUR");
    imported.description = Some("white".into());
    imported.image = Some("mug.png".into());
    database.import(vec![imported]).await;
    let first = database.products.read("MUG-01").await.unwrap();
    let mut wanted = content("16.90");
    wanted.categories = vec!["Mugs".into()];
    wanted.images = vec!["mug.png".into()];
    let shown = replace(&database, "MUG-01", wanted.clone()).await.unwrap();
    assert_ne!(shown.tag, first.tag);
    assert_eq!(
        serde_json::to_value(&shown.product).unwrap(),
        json!({
            "sku": "MUG-01", "name": "Mug", "description": null, "price": {"amount": "16.90", "currency": "EUR"},
            "categories": ["Mugs"], "images": ["mug.png"], "available": null, "retired": false
        })
    );
    assert_eq!(replace(&database, "MUG-01", wanted).await.unwrap(), shown, "the same again changes nothing");
    let events = database.events().await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (&events[0]["id"], &events[0]["data"]["price"]["amount"]),
        (&json!("price/MUG-01/1"), &json!("16.90"))
    );
    let quoted = serde_json::to_value(database.quote(&[("MUG-01", 1)], None).await).unwrap();
    assert_eq!(quoted["quoted"]["total"]["amount"], "16.90");
    assert_eq!(status(replace(&database, "NOPE", content("1")).await), 404);
    assert_eq!(status(replace(&database, "no sku", content("1")).await), 404);
    database.drop().await;
}

#[tokio::test]
async fn a_retired_article_is_quoted_no_more_until_it_is_replaced() {
    let database = Database::make().await;
    create(&database, new("MUG-01", "15.90"), &IdempotencyKey(None)).await.unwrap();
    let reason = async || -> Value {
        serde_json::to_value(database.quote(&[("MUG-01", 1)], None).await).unwrap()["refused"]["reason"]
            .take()
    };
    for _ in 0..2 {
        database.products.retire("MUG-01", &HeaderMap::new()).await.unwrap();
        assert_eq!(reason().await, "UnknownArticle");
    }
    replace(&database, "MUG-01", content("15.90")).await.unwrap();
    assert_eq!(reason().await, Value::Null);
    assert!(database.events().await.is_empty());
    assert_eq!(status(database.products.retire("NOPE", &HeaderMap::new()).await), 404);
    database.drop().await;
}

#[tokio::test]
async fn who_edits_what_was_changed_meanwhile_is_refused() {
    let database = Database::make().await;
    create(&database, new("MUG-01", "1"), &IdempotencyKey(None)).await.unwrap();
    let tag = database.products.read("MUG-01").await.unwrap().tag;
    let headers = HeaderMap::from_iter([(header::IF_MATCH, tag.parse().unwrap())]);
    let change =
        |price: &str| database.products.replace("MUG-01", content(price), &headers, Timestamp::now());
    change("2").await.unwrap();
    assert_eq!(status(change("3").await), 412);
    assert_eq!(status(database.products.retire("MUG-01", &headers).await), 412);
    let shown = database.products.read("MUG-01").await.unwrap().product;
    assert_eq!((shown.price.amount().as_str(), shown.retired), ("2.00", false));
    database.drop().await;
}

#[tokio::test]
async fn only_pictures_that_were_uploaded_are_taken_and_what_is_shown_may_stay() {
    let database = Database::make().await;
    let id = take(&database, png(4, 4)).await.unwrap();
    let with = |images: &[&str]| ProductContent {
        images: images.iter().map(|&image| image.to_owned()).collect(),
        ..content("1")
    };
    let mut imported = article("MUG-01", "1 EUR");
    imported.image = Some("mug.png".into());
    database.import(vec![imported]).await;
    let shown = replace(&database, "MUG-01", with(&[&id, "mug.png"])).await.unwrap().product;
    assert_eq!(shown.images, [id.as_str(), "mug.png"]);
    for unknown in ["other.png", &"0".repeat(64)] {
        let refused = replace(&database, "MUG-01", with(&[&id, unknown])).await.unwrap_err();
        let refused = serde_json::to_value(refused).unwrap();
        assert_eq!((&refused["status"], &refused["pointer"]), (&json!(422), &json!("/images/1")));
    }
    let mut product = new("TEE-02", "1");
    product.images = vec!["mug.png".into()];
    assert_eq!(status(create(&database, product, &IdempotencyKey(None)).await), 422);
    assert_eq!(database.count("articles").await, 1);
    assert_eq!(replace(&database, "MUG-01", with(&[])).await.unwrap().product.images, Vec::<String>::new());
    database.drop().await;
}

#[tokio::test]
async fn who_edits_while_an_import_takes_effect_is_told_to_come_back() {
    let database = Database::make().await;
    create(&database, new("MUG-01", "1"), &IdempotencyKey(None)).await.unwrap();
    let mut writer = database.store.begin().await.unwrap();
    sqlx::query("LOCK TABLE articles IN SHARE ROW EXCLUSIVE MODE").execute(&mut *writer).await.unwrap();
    assert_eq!(status(replace(&database, "MUG-01", content("2")).await), 503);
    assert_eq!(database.products.read("MUG-01").await.unwrap().product.price.amount(), "1.00");
    writer.commit().await.unwrap();
    replace(&database, "MUG-01", content("2")).await.unwrap();
    database.drop().await;
}
