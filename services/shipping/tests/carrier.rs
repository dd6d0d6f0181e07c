//! Shipping and the carrier's stand-in over HTTP, with signed webhooks on the way back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::Store;
use chassis::worklist::Work;
use events::Command;
use resources::{ShipmentDesired, ShipmentPhase, ShipmentSpec};
use serde_json::{Value, json};
use shipping::carrier::Carrier;
use shipping::easypost::EasyPost;
use shipping::engine::Engine;
use shipping::parcel::Policy;
use support::database::{count, events, phase, reports, store};
use support::{command, handle};
use testkit::free_address;
use tokio_util::sync::CancellationToken;

const SECRET: &str = "carrier_test";

/// The stand-in, shipping beside it, and a worker that does what is due.
struct World {
    store: Store,
    carrier: EasyPost,
    client: reqwest::Client,
    base: String,
    hooks: String,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < Duration::from_secs(90), "not {what} within 90 s");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl World {
    async fn open(delivery: &str, poll: Duration) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (store, stop, folder) = (store().await, CancellationToken::new(), tempfile::tempdir().unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hooks = format!("http://{}/api/v1/webhooks", listener.local_addr().unwrap());
        let router = shipping::routes::router(store.clone(), SECRET.to_owned());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let settings = sandbox::Settings {
            stripe_addr: free_address().to_string(),
            carrier_addr: free_address().to_string(),
            smtp_addr: free_address().to_string(),
            mailbox_addr: free_address().to_string(),
            data: folder.path().to_owned(),
            delivery: delivery.to_owned(),
            webhook_url: Some(hooks.clone()),
            stripe_key: "sk_test".into(),
            stripe_webhook_secret: "whsec_test".into(),
            carrier_key: "ez_test".into(),
            carrier_webhook_secret: SECRET.into(),
        };
        let base = format!("http://{}", settings.carrier_addr);
        tokio::spawn(sandbox::run(settings, stop.clone()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let health = format!("{base}/health");
        until("healthy", async || {
            client.get(&health).send().await.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        let carrier =
            EasyPost::new(base.parse().unwrap(), "ez_test".to_owned(), Duration::from_millis(500)).unwrap();
        let policy = Policy { poll, settle: Duration::from_millis(1500) };
        let engine = Engine::new(store.clone(), Arc::new(carrier.clone()), policy);
        tokio::spawn(work_what_is_due(store.clone(), engine, stop.clone()));
        Self { store, carrier, client, base, hooks, stop, _folder: folder }
    }

    async fn faults(&self, faults: Value) {
        let answer = self.client.post(format!("{}/faults", self.base)).json(&faults).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    async fn books(&self) -> Value {
        self.client.get(format!("{}/books", self.base)).send().await.unwrap().json().await.unwrap()
    }

    async fn comes_to(&self, order_id: &str, wanted: &str) {
        until(wanted, async || phase(&self.store, order_id).await.as_deref() == Some(wanted)).await;
    }
}

/// The worklist of the chassis needs a whole platform; this one takes what is due, in turn.
async fn work_what_is_due(store: Store, engine: Engine, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let due: Vec<String> = sqlx::query_scalar("SELECT key FROM worklist WHERE due_at <= now()")
            .fetch_all(store.pool())
            .await
            .unwrap_or_default();
        for key in due {
            let version: i64 = sqlx::query_scalar("SELECT version FROM worklist WHERE key = $1")
                .bind(&key)
                .fetch_one(store.pool())
                .await
                .unwrap();
            let settle = match engine.perform(&key, 0).await {
                Ok(chassis::worklist::Next::Done) => "DELETE FROM worklist WHERE key = $1 AND version = $2",
                Ok(chassis::worklist::Next::At(_)) => {
                    "UPDATE worklist SET due_at = now() + interval '100 milliseconds' WHERE key = $1 AND version = $2"
                }
                Err(_) => "UPDATE worklist SET attempts = attempts + 1 WHERE key = $1 AND version = $2",
            };
            sqlx::query(settle).bind(&key).bind(version).execute(store.pool()).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn order() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn to(order_id: &str, line1: &str) -> Command<ShipmentSpec> {
    let mut command = command(order_id, 1, ShipmentDesired::Delivered, 1);
    command.spec.shipping_address.line1 = line1.to_owned();
    command
}

fn undo(order_id: &str) -> Command<ShipmentSpec> {
    command(order_id, 1, ShipmentDesired::Cancelled, 2)
}

const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn webhooks_alone_bring_a_parcel_to_its_end() {
    let world = World::open("400ms", NEVER).await;
    let order = order();
    handle(&world.store, &to(&order, "1 High Street")).await;
    world.comes_to(&order, "Delivered").await;
    assert_eq!(events(&world.store, &order).await, ["booked", "dispatched", "delivered"]);
    let status = reports(&world.store).await.pop().unwrap();
    assert!(status.tracking_number.is_some_and(|number| number.starts_with("SC")));
    assert!(status.tracking_url.is_some_and(|url| url.starts_with(&world.base)));
    assert!(status.estimated_delivery.is_some() && status.reference.is_some());
    until("quiet", async || world.books().await["webhooksPending"] == 0).await;
}

#[tokio::test]
async fn polling_alone_brings_a_parcel_to_its_end() {
    let world = World::open("400ms", Duration::from_millis(100)).await;
    world.faults(json!({"webhooks": "off"})).await;
    let order = order();
    handle(&world.store, &to(&order, "1 High Street")).await;
    world.comes_to(&order, "Delivered").await;
    assert_eq!(events(&world.store, &order).await, ["booked", "dispatched", "delivered"]);
}

#[tokio::test]
async fn every_end_has_its_way_and_each_step_is_told_once_though_webhooks_come_twice() {
    let world = World::open("400ms", NEVER).await;
    world.faults(json!({"webhooks": "duplicate"})).await;
    for (line1, end, told) in [
        ("LOST Lane 1", "Lost", vec!["booked", "dispatched", "exception", "lost"]),
        ("RETURN Road 1", "Returned", vec!["booked", "dispatched", "returned"]),
        (
            "EXCEPTION Street 1",
            "Delivered",
            vec!["booked", "dispatched", "exception", "out_for_delivery", "delivered"],
        ),
        ("UNDELIVERABLE 1", "Rejected", vec!["rejected"]),
    ] {
        let order = order();
        handle(&world.store, &to(&order, line1)).await;
        world.comes_to(&order, end).await;
        until("quiet", async || world.books().await["webhooksPending"] == 0).await;
        assert_eq!(events(&world.store, &order).await, told, "{line1}");
    }
}

#[tokio::test]
async fn a_parcel_that_needs_no_time_is_done_with_its_booking() {
    let world = World::open("0s", NEVER).await;
    let (delivered, lost) = (order(), order());
    handle(&world.store, &to(&delivered, "1 High Street")).await;
    handle(&world.store, &to(&lost, "LOST Lane 1")).await;
    world.comes_to(&delivered, "Delivered").await;
    world.comes_to(&lost, "Lost").await;
    assert_eq!(events(&world.store, &lost).await, ["booked", "dispatched", "exception", "lost"]);
    let status = reports(&world.store).await.pop().unwrap();
    assert_eq!((status.phase, status.revision), (Some(ShipmentPhase::Lost), 4));
    assert_eq!(status.reason.as_deref(), Some("Lost"));
}

#[tokio::test]
async fn a_label_is_void_at_the_carrier_when_it_is_cancelled_and_too_late_is_refused() {
    let world = World::open("1h", NEVER).await;
    let first = order();
    handle(&world.store, &to(&first, "1 High Street")).await;
    world.comes_to(&first, "Booked").await;
    handle(&world.store, &undo(&first)).await;
    world.comes_to(&first, "Cancelled").await;
    assert_eq!(world.books().await["byStatus"], json!({"cancelled": 1}));
    drop(world);

    let world = World::open("200ms", NEVER).await;
    world.faults(json!({"webhooks": "off"})).await;
    let second = order();
    handle(&world.store, &to(&second, "1 High Street")).await;
    world.comes_to(&second, "Booked").await;
    until("picked up", async || world.books().await["byStatus"]["pre_transit"].is_null()).await;
    handle(&world.store, &undo(&second)).await;
    until("refused", async || reports(&world.store).await.last().is_some_and(|status| status.cancel_refused))
        .await;
    let status = reports(&world.store).await.pop().unwrap();
    assert!(status.phase.is_some_and(ShipmentPhase::has_left));
    assert_eq!(status.observed_generation, Some(2));
}

#[tokio::test]
async fn a_lost_answer_is_repeated_with_the_same_key_and_books_once() {
    let world = World::open("1h", NEVER).await;
    for faults in [
        json!({"next": 2, "after": true, "status": 503, "match": "POST /v2/shipments"}),
        json!({"next": 2, "after": false, "status": 500, "match": "POST /v2/shipments"}),
    ] {
        world.faults(faults).await;
        let order = order();
        handle(&world.store, &to(&order, "1 High Street")).await;
        world.comes_to(&order, "Booked").await;
    }
    world.faults(json!({"next": 0, "timeoutRate": 1.0, "after": true})).await;
    let order = order();
    handle(&world.store, &to(&order, "1 High Street")).await;
    until("at the carrier", async || world.books().await["shipments"] == 3).await;
    world.faults(json!({"timeoutRate": 0.0, "after": false})).await;
    world.comes_to(&order, "Booked").await;
    let books = world.books().await;
    assert_eq!((&books["shipments"], &books["referencesShippedTwice"]), (&json!(3), &json!([])));
}

#[tokio::test]
async fn webhooks_that_come_before_the_answer_to_the_booking_count_once_it_is_there() {
    let world = World::open("100ms", Duration::from_secs(2)).await;
    let lost =
        json!({"timeoutRate": 1.0, "after": true, "match": "POST /v2/shipments", "webhooks": "duplicate"});
    world.faults(lost).await;
    let order = order();
    handle(&world.store, &to(&order, "1 High Street")).await;
    let hooks = "SELECT count(*) FROM inbox WHERE consumer = 'carrier-webhook'";
    until("told", async || count(&world.store, hooks).await == 2).await;
    assert_eq!(phase(&world.store, &order).await, None);
    world.faults(json!({"timeoutRate": 0.0, "after": false})).await;
    world.comes_to(&order, "Delivered").await;
    assert_eq!(events(&world.store, &order).await, ["booked", "dispatched", "delivered"]);
    assert_eq!(world.books().await["shipments"], 1);
}

#[tokio::test]
async fn a_booking_whose_answer_was_lost_is_found_and_void_when_it_is_cancelled() {
    let world = World::open("1h", NEVER).await;
    world.faults(json!({"timeoutRate": 1.0, "after": true, "match": "POST /v2/shipments"})).await;
    let order = order();
    handle(&world.store, &to(&order, "1 High Street")).await;
    until("at the carrier", async || world.books().await["shipments"] == 1).await;
    handle(&world.store, &undo(&order)).await;
    world.faults(json!({"timeoutRate": 0.0, "after": false})).await;
    world.comes_to(&order, "Cancelled").await;
    assert_eq!(world.books().await["byStatus"], json!({"cancelled": 1}));
}

#[tokio::test]
async fn a_booking_that_never_reached_the_carrier_is_cancelled_once_that_is_certain() {
    let world = World::open("1h", NEVER).await;
    world.faults(json!({"timeoutRate": 1.0, "match": "POST /v2/shipments"})).await;
    let order = order();
    handle(&world.store, &to(&order, "1 High Street")).await;
    until("asked", async || count(&world.store, "SELECT count(*) FROM bookings WHERE asked").await == 1)
        .await;
    handle(&world.store, &undo(&order)).await;
    world.comes_to(&order, "Cancelled").await;
    assert_eq!(world.books().await["shipments"], 0);
    assert_eq!(events(&world.store, &order).await, ["cancelled"]);
}

#[tokio::test]
async fn an_order_that_is_cancelled_and_shipped_again_has_two_labels_one_of_them_void() {
    let world = World::open("1h", NEVER).await;
    let order = order();
    handle(&world.store, &to(&order, "1 High Street")).await;
    world.comes_to(&order, "Booked").await;
    handle(&world.store, &undo(&order)).await;
    world.comes_to(&order, "Cancelled").await;
    handle(&world.store, &command(&order, 2, ShipmentDesired::Delivered, 3)).await;
    world.comes_to(&order, "Booked").await;
    assert_eq!(world.books().await["byStatus"], json!({"cancelled": 1, "pre_transit": 1}));
    let found = world.carrier.find(&format!("{order}/2")).await.unwrap().unwrap();
    assert_eq!(reports(&world.store).await.pop().unwrap().reference, Some(found.shipment_id));
}

#[tokio::test]
async fn a_webhook_with_a_wrong_signature_or_body_is_refused_with_a_problem() {
    let world = World::open("1h", NEVER).await;
    let post = async |timestamp: &str, signature: &str, body: &str| {
        let request = world.client.post(format!("{}/carrier", world.hooks)).body(body.to_owned());
        let request = request.header("X-Timestamp", timestamp).header("X-Hmac-Signature", signature);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap().to_owned())
    };
    let problem = "application/problem+json".to_owned();
    let now = jiff::Timestamp::now().as_second().to_string();
    assert_eq!(post(&now, "hmac-sha256-hex=00", "{}").await, (401, problem.clone()));
    assert_eq!(post(&now, &sign(&now, "{}"), "{}").await, (400, problem.clone()));
    assert_eq!(post("1000", &sign("1000", "{}"), "{}").await, (401, problem));
}

#[tokio::test]
async fn a_webhook_about_another_shop_s_parcel_is_taken_and_changes_nothing() {
    let world = World::open("1h", NEVER).await;
    let now = jiff::Timestamp::now().as_second().to_string();
    let result = json!({"tracking_code": "SC-OTHER", "status": "delivered", "reference": "other/1"});
    let body = json!({"id": "evt_1", "description": "tracker.updated", "result": result}).to_string();
    let request = world.client.post(format!("{}/carrier", world.hooks)).header("X-Timestamp", &now);
    let answer = request.header("X-Hmac-Signature", sign(&now, &body)).body(body).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(count(&world.store, "SELECT count(*) FROM worklist").await, 0);
}

fn sign(timestamp: &str, body: &str) -> String {
    use hmac::Mac;
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{timestamp}.{body}").as_bytes());
    format!("hmac-sha256-hex={}", hex::encode(mac.finalize().into_bytes()))
}
