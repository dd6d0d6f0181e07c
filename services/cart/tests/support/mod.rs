//! A database of its own for a test, and what the tests put into it.

use cart::checkout::{Answer, CheckoutRequest, Placed};
use cart::views::Cart;
use cart::{Begun, Carts, Held, MIGRATIONS, PriceChanges};
use chassis::{Handler, Message, Store};
use events::questions::ArticleData;
use events::{Event, EventType, PriceChanged};
use jiff::Timestamp;
use testkit::ScratchDatabase;
use uuid::Uuid;

/// Whose carts the tests are about.
pub const USER: &str = "u-1";
const EMAIL: &str = "shopper@example.com";

/// A database of its own for a test.
pub struct Database {
    scratch: ScratchDatabase,
    pub store: Store,
    pub carts: Carts,
}

impl Database {
    pub async fn make() -> Self {
        let scratch = ScratchDatabase::make().await;
        let store = Store::connect(&scratch.url, "cart", 6, &MIGRATIONS).await.unwrap();
        Self { scratch, carts: Carts::new(store.clone()), store }
    }

    pub async fn drop(self) {
        self.store.pool().close().await;
        self.scratch.drop().await;
    }

    pub async fn put(&self, sku: &str, quantity: u32) -> Held {
        self.carts.put(USER, EMAIL, &article(sku, "10.00 EUR"), quantity, now()).await.unwrap()
    }

    pub async fn read(&self) -> Held {
        self.carts.read(USER, now()).await.unwrap()
    }

    pub async fn shown(&self) -> Cart {
        let held = self.read().await;
        cart::views::cart(&held, cart::validate::warnings(&held.lines))
    }

    pub async fn close(&self, request: &CheckoutRequest, key: Option<&str>) -> Begun {
        self.carts.close(USER, EMAIL, request, key, now()).await.unwrap()
    }

    /// Closes the cart, and answers which.
    pub async fn closed(&self, request: &CheckoutRequest, key: Option<&str>) -> Uuid {
        match self.close(request, key).await {
            Begun::Closed(cart) => cart,
            other @ (Begun::Follows { .. } | Begun::Refused(_)) => panic!("not closed: {other:?}"),
        }
    }

    /// The same from many requests at once.
    pub async fn close_at_once(&self, requests: usize, key: Option<&'static str>) -> Vec<Begun> {
        let tasks: Vec<_> = (0..requests)
            .map(|_| {
                let carts = self.carts.clone();
                tokio::spawn(
                    async move { carts.close(USER, EMAIL, &request("1"), key, now()).await.unwrap() },
                )
            })
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            all.push(task.await.unwrap());
        }
        all
    }

    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(self.store.pool()).await.unwrap()
    }

    /// The event that an article costs another price is handled.
    pub async fn tell_price(&self, sku: &str, price: &str, revision: i64) {
        let change = PriceChanged { sku: sku.into(), price: price.parse().unwrap(), revision };
        let id = format!("price/{sku}/{revision}");
        let event = Event::new(EventType::PriceChanged, "catalog", id, sku, now(), &change).unwrap();
        let message = Message {
            subject: EventType::PriceChanged.subject().into(),
            headers: Some(event.headers()),
            payload: serde_json::to_vec(&event.data).unwrap().into(),
        };
        let mut transaction = self.store.begin().await.unwrap();
        PriceChanges.handle(&message, &mut transaction).await.unwrap();
        transaction.commit().await.unwrap();
    }
}

pub fn now() -> Timestamp {
    chassis::clock::now()
}

pub fn article(sku: &str, price: &str) -> ArticleData {
    ArticleData {
        sku: sku.into(),
        name: format!("Article {sku}"),
        price: price.parse().unwrap(),
        image: None,
        available: Some(100),
        retired: false,
    }
}

/// A request to send it to that house.
pub fn request(house: &str) -> CheckoutRequest {
    serde_json::from_value(serde_json::json!({
        "shippingAddress": {"name": "A. Shopper", "line1": house, "city": "Berlin", "country": "DE"},
        "payment": {"method": "pm_card_visa"},
    }))
    .unwrap()
}

pub fn placed(id: &str) -> Answer {
    Answer::Placed(Placed { id: id.into(), name: format!("web-{id}"), phase: None })
}

pub fn quantities(held: &Held) -> Vec<(&str, u32)> {
    held.lines.iter().map(|line| (line.sku.as_str(), line.quantity)).collect()
}
