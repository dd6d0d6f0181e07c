//! A database of its own for a test, and the catalog on it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use catalog::{Catalog, Images, MIGRATIONS, NewProduct, Products};
use chassis::Store;
use events::questions::{Article, ImportAnswer, ImportArticles, Quote, QuoteAnswer};
use http_body_util::BodyExt;
use money::Currency;
use resources::Item;
use rest::IdempotencyKey;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use testkit::ScratchDatabase;
use tokio::sync::Mutex;
use tower::ServiceExt;
use uuid::Uuid;

/// Roles belong to the whole server: one test at a time makes the service's.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A database of its own for a test.
pub struct Database {
    scratch: ScratchDatabase,
    pub store: Store,
    pub catalog: Catalog,
    pub products: Arc<Products>,
    pub images: Arc<Images>,
    /// What is served to everybody.
    router: Router,
}

impl Database {
    pub async fn make() -> Self {
        Self::make_with(4).await
    }

    /// One that is reached by that many connections at most.
    pub async fn make_with(connections: u32) -> Self {
        let scratch = ScratchDatabase::make().await;
        let alone = ONE_AT_A_TIME.lock().await;
        let store = Store::connect(&scratch.url, "catalog", connections, &MIGRATIONS).await.unwrap();
        drop(alone);
        let products = Arc::new(Products::new(store.clone()));
        let images = Arc::new(Images::new(store.clone(), &catalog::Settings::default()));
        let catalog = Catalog::new(store.clone()).shown_by(products.clone());
        let router = catalog::shown(products.clone(), images.clone());
        Self { scratch, store, catalog, products, images, router }
    }

    pub async fn drop(self) {
        self.store.pool().close().await;
        self.scratch.drop().await;
    }

    pub async fn events(&self) -> Vec<Value> {
        sqlx::query_scalar("SELECT body FROM outbox ORDER BY id").fetch_all(self.store.pool()).await.unwrap()
    }

    pub async fn count(&self, table: &'static str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(self.store.pool())
            .await
            .unwrap()
    }

    pub async fn import(&self, articles: Vec<Article>) -> ImportAnswer {
        self.catalog.import(&import(&Uuid::new_v4().to_string(), 0, 1, articles)).await.unwrap()
    }

    /// Status, headers and body of `GET /api/v1{path}`.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
        let mut request = Request::get(format!("/api/v1{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
    }

    /// The JSON that is at `path`.
    pub async fn json(&self, path: &str) -> Value {
        let (status, _, body) = self.get(path, &[]).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// Makes an article.
    pub async fn create(&self, product: Value) {
        let new: NewProduct = serde_json::from_value(product).unwrap();
        let stored = self.products.create(new, "u-1", &IdempotencyKey(None)).await.unwrap();
        assert_eq!(stored.status, 201);
    }

    pub async fn quote(&self, items: &[(&str, u32)], coupon: Option<&str>) -> QuoteAnswer {
        let items =
            items.iter().map(|(sku, quantity)| Item { sku: (*sku).into(), quantity: *quantity }).collect();
        let request = Quote { currency: Currency::EUR, items, coupon: coupon.map(str::to_owned) };
        self.catalog.quote(&request).await.unwrap()
    }
}

pub fn article(sku: &str, price: &str) -> Article {
    Article {
        sku: sku.into(),
        name: "Mug".into(),
        price: price.parse().unwrap(),
        description: None,
        image: None,
    }
}

pub fn import(import_id: &str, part: u32, parts: u32, articles: Vec<Article>) -> ImportArticles {
    ImportArticles { import_id: import_id.to_owned(), part, parts, articles }
}
