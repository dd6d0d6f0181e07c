//! Imports and quotes.

use catalog::ImportError;
use events::questions::{Article, ImportAnswer, ImportArticles, Quote, QuoteAnswer, Reply};
use money::Currency;
use resources::Item;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Database, article, import};

fn done(created: u64, changed: u64) -> ImportAnswer {
    ImportAnswer { complete: true, created, changed }
}

fn told(answer: QuoteAnswer) -> Value {
    serde_json::to_value(answer).unwrap()
}

#[tokio::test]
async fn what_was_imported_is_quoted() {
    let database = Database::make().await;
    assert_eq!(
        database.import(vec![article("MUG-01", "15.90 EUR"), article("CAP-07", "9 USD")]).await,
        done(2, 0)
    );
    let quoted = told(database.quote(&[("MUG-01", 2)], None).await);
    assert_eq!(quoted["quoted"]["total"], json!({"amount": "31.80", "currency": "EUR"}));
    let unknown = told(database.quote(&[("NOPE-1", 1), ("MUG-01", 1)], None).await);
    assert_eq!(
        unknown["refused"],
        json!({"reason": "UnknownArticle", "message": "there is no article NOPE-1: choose one of the catalog"})
    );
    assert_eq!(told(database.quote(&[("CAP-07", 1)], None).await)["refused"]["reason"], "CurrencyMismatch");
    assert_eq!(
        told(database.quote(&[("MUG-01", 1)], Some("NONE")).await)["refused"]["reason"],
        "CouponUnknown"
    );
    database.drop().await;
}

#[tokio::test]
async fn coupons_of_the_table_take_off_what_they_say() {
    let database = Database::make().await;
    database.import(vec![article("MUG-01", "15.90 EUR")]).await;
    sqlx::raw_sql(
        "INSERT INTO coupons (code, kind, percent) VALUES ('TENTH', 'percent', 10);
         INSERT INTO coupons (code, kind, amount_minor_units, currency) VALUES ('FIVE', 'amount', 500, 'EUR');
         INSERT INTO coupons (code, kind, percent, active) VALUES ('OLD', 'percent', 10, false);",
    )
    .execute(database.store.pool())
    .await
    .unwrap();
    for (code, total) in [("TENTH", "28.62"), ("FIVE", "26.80")] {
        let quoted = told(database.quote(&[("MUG-01", 2)], Some(code)).await);
        assert_eq!(quoted["quoted"]["total"]["amount"], total, "{code}");
        assert_eq!(quoted["quoted"]["lines"][0]["total"]["amount"], total, "{code}");
        assert_eq!(quoted["quoted"]["lines"][0]["unitPrice"]["amount"], "15.90");
    }
    assert_eq!(
        told(database.quote(&[("MUG-01", 1)], Some("OLD")).await)["refused"]["reason"],
        "CouponUnknown"
    );
    database.drop().await;
}

#[tokio::test]
async fn the_parts_of_an_import_take_effect_together_in_whatever_order_they_arrive() {
    let database = Database::make().await;
    let id = Uuid::new_v4().to_string();
    let parts: Vec<ImportArticles> =
        (0..3).map(|part| import(&id, part, 3, vec![article(&format!("MUG-{part}"), "1 EUR")])).collect();
    for part in [&parts[2], &parts[0], &parts[0]] {
        let answer = database.catalog.import(part).await.unwrap();
        assert_eq!(answer, ImportAnswer { complete: false, created: 0, changed: 0 });
        assert_eq!(database.count("articles").await, 0);
    }
    assert_eq!(database.catalog.import(&parts[1]).await.unwrap(), done(3, 0));
    assert_eq!((database.count("articles").await, database.count("import_parts").await), (3, 0));
    database.drop().await;
}

#[tokio::test]
async fn parts_that_arrive_at_the_same_time_take_effect_once() {
    let database = Database::make().await;
    database.import(vec![article("MUG-0", "1 EUR")]).await;
    let id = Uuid::new_v4().to_string();
    let tasks: Vec<_> = (0..12_u32)
        .map(|number| {
            let part = number % 4;
            let (catalog, id) = (database.catalog.clone(), id.clone());
            let articles = vec![article(&format!("MUG-{part}"), "2 EUR")];
            tokio::spawn(async move { catalog.import(&import(&id, part, 4, articles)).await.unwrap() })
        })
        .collect();
    let mut complete = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        if answer.complete {
            complete += 1;
            assert_eq!(answer, done(3, 1));
        }
    }
    assert!(complete >= 1);
    assert_eq!((database.count("articles").await, database.events().await.len()), (4, 1));
    database.drop().await;
}

#[tokio::test]
async fn a_repeated_import_is_answered_as_before_and_does_nothing_again() {
    let database = Database::make().await;
    database.import(vec![article("MUG-01", "15.90 EUR")]).await;
    let id = Uuid::new_v4().to_string();
    let dearer = import(&id, 0, 1, vec![article("MUG-01", "16.90 EUR")]);
    assert_eq!(database.catalog.import(&dearer).await.unwrap(), done(0, 1));
    // Another import in between must not be undone by the late repetition of an older one.
    assert_eq!(database.import(vec![article("MUG-01", "17.90 EUR")]).await, done(0, 1));
    assert_eq!(database.catalog.import(&dearer).await.unwrap(), done(0, 1));
    let quoted = told(database.quote(&[("MUG-01", 1)], None).await);
    assert_eq!(quoted["quoted"]["total"]["amount"], "17.90");
    database.drop().await;
}

#[tokio::test]
async fn changes_of_price_are_told_and_nothing_else_is() {
    let database = Database::make().await;
    let named = |name: &str| Article { name: name.into(), ..article("MUG-01", "15.90 EUR") };
    database.import(vec![named("Mug")]).await;
    database.import(vec![named("White mug")]).await;
    assert_eq!(database.import(vec![named("White mug")]).await, done(0, 0));
    assert!(database.events().await.is_empty());
    database.import(vec![article("MUG-01", "16.90 EUR"), article("TEE-02", "1 EUR")]).await;
    database.import(vec![article("MUG-01", "16.90 USD")]).await;
    let told: Vec<Value> = database
        .events()
        .await
        .into_iter()
        .map(|event| {
            json!([event["eventType"], event["id"], event["subject"], event["source"], event["data"]])
        })
        .collect();
    let change = |revision: i64, currency: &str| {
        json!([
            "dev.supercargo.price.changed.v1",
            format!("price/MUG-01/{revision}"),
            "MUG-01",
            "/supercargo/catalog",
            {"sku": "MUG-01", "price": {"amount": "16.90", "currency": currency}, "revision": revision}
        ])
    };
    assert_eq!(told, [change(1, "EUR"), change(2, "USD")]);
    database.drop().await;
}

#[tokio::test]
async fn an_import_that_is_refused_changes_nothing() {
    let database = Database::make().await;
    database.import(vec![article("MUG-01", "15.90 EUR")]).await;
    let id = Uuid::new_v4().to_string();
    let refused = async |part: ImportArticles, word: &str| match database.catalog.import(&part).await {
        Err(ImportError::Invalid(reason)) => assert!(reason.contains(word), "{reason}"),
        other => panic!("{word}: {other:?}"),
    };
    let cheap = || article("MUG-01", "1 EUR");
    refused(import(&id, 0, 1, vec![cheap(), article("no such sku", "1 EUR")]), "not a SKU").await;
    refused(import(&id, 0, 1, vec![cheap(), cheap()]), "twice").await;
    refused(import("seven", 0, 1, vec![cheap()]), "UUID").await;
    refused(import(&id, 3, 3, vec![cheap()]), "no part 3 of 3").await;
    assert_eq!(database.count("imports").await, 1);

    database.catalog.import(&import(&id, 0, 2, vec![cheap()])).await.unwrap();
    refused(import(&id, 0, 2, vec![article("MUG-01", "2 EUR")]), "with other articles").await;
    refused(import(&id, 1, 3, vec![article("TEE-02", "2 EUR")]), "has 2 parts, not 3").await;
    refused(import(&id, 1, 2, vec![article("TEE-02", "2 EUR"), cheap()]), "MUG-01 is in two parts").await;

    let quoted = told(database.quote(&[("MUG-01", 1)], None).await);
    assert_eq!(quoted["quoted"]["total"]["amount"], "15.90");
    assert_eq!((database.count("articles").await, database.events().await.len()), (1, 0));
    database.drop().await;
}

#[tokio::test]
async fn one_that_asks_again_while_its_import_takes_effect_is_told_to_come_back() {
    use chassis::questions::Answerer;
    let database = Database::make().await;
    let part = import(&Uuid::new_v4().to_string(), 0, 1, vec![article("MUG-01", "1 EUR")]);
    let mut writer = database.store.begin().await.unwrap();
    sqlx::query("LOCK TABLE articles IN SHARE ROW EXCLUSIVE MODE").execute(&mut *writer).await.unwrap();
    let reply: Reply<ImportAnswer> = database.catalog.answer(part.clone()).await;
    assert!(matches!(reply, Reply::Unavailable(_)), "{reply:?}");
    assert_eq!(told(database.quote(&[("MUG-01", 1)], None).await)["refused"]["reason"], "UnknownArticle");
    writer.commit().await.unwrap();
    assert_eq!(database.catalog.import(&part).await.unwrap(), done(1, 0));
    database.drop().await;
}

#[tokio::test]
async fn questions_over_the_wire_that_make_no_sense_are_invalid() {
    use chassis::questions::Answerer;
    let database = Database::make().await;
    let items = vec![Item { sku: "A".into(), quantity: 1 }, Item { sku: "A".into(), quantity: 1 }];
    let twice = Quote { currency: Currency::EUR, items, coupon: None };
    let reply: Reply<QuoteAnswer> = database.catalog.answer(twice).await;
    assert!(matches!(&reply, Reply::Invalid(reason) if reason.contains("A is there twice")), "{reply:?}");
    let reply: Reply<ImportAnswer> = database.catalog.answer(import("x", 0, 1, vec![])).await;
    assert!(matches!(reply, Reply::Invalid(_)));
    database.store.pool().close().await;
    let question =
        Quote { currency: Currency::EUR, items: vec![Item { sku: "A".into(), quantity: 1 }], coupon: None };
    let reply: Reply<QuoteAnswer> = database.catalog.answer(question).await;
    assert!(matches!(reply, Reply::Unavailable(_)), "a database that is away is no refusal: {reply:?}");
    database.drop().await;
}
