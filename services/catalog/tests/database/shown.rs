//! What everybody sees.

use chassis::questions::Answerer;
use events::questions::{ReadArticles, ReadArticlesAnswer, Reply};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::world::{Database, article};

fn product(sku: &str, name: &str, categories: &[&str]) -> Value {
    json!({"sku": sku, "name": name, "price": {"amount": "15.90", "currency": "EUR"}, "categories": categories})
}

fn skus(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["sku"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn articles_are_listed_in_pages_whole_and_without_the_retired() {
    let database = Database::make().await;
    let mut imported = article("MUG-01", "15.90 EUR");
    imported.description = Some("white".into());
    imported.image = Some("mug.png".into());
    database.import(vec![imported, article("CAP-07", "9 EUR"), article("TEE-02", "20 EUR")]).await;
    let page = database.json("/products?limit=2").await;
    assert_eq!(
        page["items"][1],
        json!({
            "sku": "MUG-01", "name": "Mug", "description": "white", "price": {"amount": "15.90", "currency": "EUR"},
            "categories": [], "images": ["mug.png"], "available": null, "retired": false
        })
    );
    assert_eq!(skus(&page), ["CAP-07", "MUG-01"]);
    let next = format!("/products?limit=2&cursor={}", page["next"].as_str().unwrap());
    let page = database.json(&next).await;
    assert_eq!((skus(&page), &page["next"]), (vec!["TEE-02"], &Value::Null));
    database.products.retire("MUG-01", &Default::default()).await.unwrap();
    assert_eq!(skus(&database.json("/products").await), ["CAP-07", "TEE-02"]);
    assert_eq!(database.json("/products/MUG-01").await["retired"], true);
    for nothing in ["/products/NOPE", "/products/no%20sku", "/products/MUG-01%00"] {
        assert_eq!(database.get(nothing, &[]).await.0, 404, "{nothing}");
    }
    for fault in ["limit=0", "limit=101", "limit=x", "cursor=x", "query=a&query=b"] {
        assert_eq!(database.get(&format!("/products?{fault}"), &[]).await.0, 400, "{fault}");
    }
    database.drop().await;
}

#[tokio::test]
async fn a_category_lists_its_articles_while_they_are_in_it_and_sold() {
    let database = Database::make().await;
    for number in 1..=5 {
        let categories: &[&str] = if number % 2 == 1 { &["Mugs & Cups", "All"] } else { &["All"] };
        database.create(product(&format!("MUG-{number}"), "Mug", categories)).await;
    }
    let path = "/products?category=Mugs%20%26%20Cups&limit=2";
    let page = database.json(path).await;
    assert_eq!(skus(&page), ["MUG-1", "MUG-3"]);
    let rest = database.json(&format!("{path}&cursor={}", page["next"].as_str().unwrap())).await;
    assert_eq!((skus(&rest), &rest["next"]), (vec!["MUG-5"], &Value::Null));
    database.products.retire("MUG-1", &Default::default()).await.unwrap();
    let mut content = product("MUG-3", "Mug", &["All"]);
    content.as_object_mut().unwrap().remove("sku");
    let content = serde_json::from_value(content).unwrap();
    let now = jiff::Timestamp::now();
    database.products.replace("MUG-3", content, &Default::default(), now).await.unwrap();
    assert_eq!(skus(&database.json(path).await), ["MUG-5"]);
    assert_eq!(skus(&database.json("/products?category=All").await), ["MUG-2", "MUG-3", "MUG-4", "MUG-5"]);
    assert_eq!(skus(&database.json("/products?category=mugs").await), Vec::<&str>::new());
    // What is imported again is sold again, where it was.
    database.import(vec![article("MUG-1", "15.90 EUR")]).await;
    assert_eq!(skus(&database.json(path).await), ["MUG-1", "MUG-5"]);
    database.drop().await;
}

#[tokio::test]
async fn words_are_found_in_sku_name_and_description_whatever_stands_between_them() {
    let database = Database::make().await;
    let mut mug = product("MUG-01", "Enamel mug", &["Kitchen"]);
    mug["description"] = "Weiß, 0.3l; dishwasher-proof (mostly).".into();
    database.create(mug).await;
    database.create(product("MUG-02-XL", "Mug \"O'Neill\"", &[])).await;
    database.create(product("TEE-02", "Shirt", &["Kitchen"])).await;
    for (query, found) in [
        ("mug", vec!["MUG-01", "MUG-02-XL"]),
        ("MUG-01", vec!["MUG-01"]),
        ("mug-0", vec!["MUG-01", "MUG-02-XL"]),
        ("02", vec!["MUG-02-XL", "TEE-02"]),
        ("dish", vec!["MUG-01"]),
        ("proof enam", vec!["MUG-01"]),
        ("enam proof", vec![]),
        ("WEISS", vec![]),
        ("weiß", vec!["MUG-01"]),
        ("o'neill", vec!["MUG-02-XL"]),
        ("mug shirt", vec![]),
        ("!!!", vec![]),
    ] {
        let query = form_urlencoded(query);
        assert_eq!(skus(&database.json(&format!("/products?query={query}")).await), found, "{query}");
    }
    assert_eq!(skus(&database.json("/products?query=").await).len(), 3);
    assert_eq!(skus(&database.json("/products?query=0&category=Kitchen").await), ["MUG-01", "TEE-02"]);
    assert_eq!(skus(&database.json("/products?query=mug&category=Kitchen").await), ["MUG-01"]);
    database.products.retire("MUG-01", &Default::default()).await.unwrap();
    assert_eq!(skus(&database.json("/products?query=mug").await), ["MUG-02-XL"]);
    database.drop().await;
}

fn form_urlencoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_is_a_query_that_the_database_refuses() {
    let database = Database::make().await;
    database.create(product("MUG-01", "Enamel mug", &[])).await;
    let texts = prop_oneof![
        "[a-z'\\\\&|!():*<> \"-]{1,30}",
        "\\PC{1,30}",
        Just("a".repeat(200)),
        Just("\u{1f600} 'mug':* <-> — ﷺ".to_owned()),
    ];
    let handle = tokio::runtime::Handle::current();
    let mut runner = TestRunner::new(ProptestConfig { cases: 200, ..ProptestConfig::default() });
    tokio::task::block_in_place(|| {
        runner
            .run(&texts, |text| {
                let path = format!("/products?query={}", form_urlencoded(&text));
                let (status, _, body) = handle.block_on(database.get(&path, &[]));
                prop_assert_eq!(status.as_u16(), 200, "{:?}: {}", text, String::from_utf8_lossy(&body));
                Ok(())
            })
            .unwrap();
    });
    database.drop().await;
}

#[tokio::test]
async fn who_has_a_page_or_an_article_is_told_so_until_it_changes() {
    let database = Database::make().await;
    database.create(product("MUG-01", "Mug", &[])).await;
    for path in ["/products", "/products/MUG-01"] {
        let (status, headers, _) = database.get(path, &[]).await;
        let tag = headers["etag"].to_str().unwrap().to_owned();
        assert_eq!((status.as_u16(), headers["content-type"].to_str().unwrap()), (200, "application/json"));
        assert_eq!(tag.starts_with("W/"), path == "/products");
        let (status, headers, body) = database.get(path, &[("if-none-match", &tag)]).await;
        assert_eq!((status.as_u16(), headers["etag"].to_str().unwrap(), body.len()), (304, tag.as_str(), 0));
        assert!(headers.contains_key("cache-control"));
        let new = format!("Mug after {path}");
        let content =
            serde_json::from_value(json!({"name": new, "price": {"amount": "1", "currency": "EUR"}}));
        let now = jiff::Timestamp::now();
        database.products.replace("MUG-01", content.unwrap(), &Default::default(), now).await.unwrap();
        let (status, _, body) = database.get(path, &[("if-none-match", &tag)]).await;
        assert_eq!(status, 200);
        assert!(String::from_utf8(body).unwrap().contains(&new));
    }
    database.drop().await;
}

#[tokio::test]
async fn articles_are_told_to_who_asks_in_the_order_of_the_sku() {
    let database = Database::make().await;
    let mut mug = article("MUG-01", "15.90 EUR");
    mug.image = Some("mug.png".into());
    database.import(vec![mug, article("CAP-07", "9 USD")]).await;
    database.products.retire("CAP-07", &Default::default()).await.unwrap();
    let ask = async |skus: Vec<String>| -> Reply<ReadArticlesAnswer> {
        database.catalog.answer(ReadArticles { skus }).await
    };
    let Reply::Answer(answer) = ask(["MUG-01", "NOPE", "CAP-07"].map(str::to_owned).to_vec()).await else {
        panic!("no answer")
    };
    assert_eq!(
        serde_json::to_value(answer).unwrap()["articles"],
        json!([
            {"sku": "CAP-07", "name": "Mug", "price": {"amount": "9.00", "currency": "USD"}, "retired": true},
            {"sku": "MUG-01", "name": "Mug", "price": {"amount": "15.90", "currency": "EUR"}, "image": "mug.png",
             "retired": false},
        ])
    );
    assert!(matches!(ask(vec!["A".into(); 201]).await, Reply::Invalid(_)));
    assert!(matches!(ask(vec!["A".into(); 200]).await, Reply::Answer(_)));
    database.drop().await;
}
