//! The payment API over HTTP.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as tests do")]

mod world;

use std::time::Duration;

use serde_json::{Value, json};
use world::{World, hmac_hex, until};

fn order<'a>(method: &'a str, id: &'a str) -> [(&'a str, &'a str); 4] {
    [("amount", "3180"), ("currency", "eur"), ("payment_method", method), ("metadata[order_id]", id)]
}

async fn created(world: &World, method: &str, id: &str) -> String {
    let (status, _, intent) = world.stripe_post("payment_intents", &order(method, id), None).await;
    assert_eq!(status, 200, "{intent}");
    assert_eq!(intent["status"], "requires_confirmation");
    intent["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_intent_is_created_confirmed_and_refunded_and_the_books_say_so_after_a_restart() {
    let mut world = World::open("5s").await;
    let id = created(&world, "pm_card_visa", "o-1").await;
    let (status, _, intent) =
        world.stripe_post(&format!("payment_intents/{id}/confirm"), &[], Some("c-1")).await;
    assert_eq!(
        (status.as_u16(), &intent["status"], &intent["amount_received"]),
        (200, &json!("succeeded"), &json!(3180))
    );
    let part = [("payment_intent", id.as_str()), ("amount", "180")];
    let (status, _, refund) = world.stripe_post("refunds", &part, None).await;
    assert_eq!(
        (status.as_u16(), &refund["amount"], &refund["status"]),
        (200, &json!(180), &json!("succeeded"))
    );
    until("told", async || world.arrived().len() == 3).await;
    let books = world.get(&world.settings.stripe_addr, "/books").await;
    assert_eq!(
        books["currencies"]["eur"],
        json!({"captured": 3180, "refunded": 180, "net": 3000, "authorized": 0})
    );
    world.restart().await;
    assert_eq!(world.get(&world.settings.stripe_addr, "/books").await, books);
    let found = world.stripe_get("payment_intents/search?query=metadata%5B'order_id'%5D:'o-1'").await;
    assert_eq!(found["data"][0]["id"], *id);
    let (_, headers, replayed) =
        world.stripe_post(&format!("payment_intents/{id}/confirm"), &[], Some("c-1")).await;
    assert_eq!(headers["idempotent-replayed"], "true");
    assert_eq!(replayed, intent);
    let events = world.stripe_get("events").await;
    assert_eq!(events["data"].as_array().unwrap().len(), 3);
    let rows = world.get(&world.settings.stripe_addr, "/books/orders?order=o-1").await;
    assert_eq!(rows[0]["net"], 3000);
}

#[tokio::test]
async fn a_refund_goes_on_by_itself_and_tells_also_after_a_restart() {
    let mut world = World::open("5s").await;
    let mut refunds = Vec::new();
    for (method, order) in [("pm_card_refundFail", "o-1"), ("pm_card_pendingRefund", "o-2")] {
        let id = created(&world, method, order).await;
        world.stripe_post(&format!("payment_intents/{id}/confirm"), &[], None).await;
        let (_, _, refund) = world.stripe_post("refunds", &[("payment_intent", &id)], None).await;
        refunds.push((refund["id"].as_str().unwrap().to_owned(), refund["status"].clone()));
    }
    assert_eq!((&refunds[0].1, &refunds[1].1), (&json!("succeeded"), &json!("pending")));
    world.restart().await;
    until("told", async || {
        let types = world.event_types();
        let count = |wanted: &str| types.iter().filter(|kind| *kind == wanted).count();
        (count("refund.updated"), count("refund.failed")) == (2, 1)
    })
    .await;
    assert_eq!(world.stripe_get(&format!("refunds/{}", refunds[0].0)).await["status"], "failed");
    assert_eq!(world.stripe_get(&format!("refunds/{}", refunds[1].0)).await["status"], "succeeded");
    let books = world.get(&world.settings.stripe_addr, "/books/orders").await;
    assert_eq!((&books[0]["net"], &books[1]["net"]), (&json!(3180), &json!(0)));
}

#[tokio::test]
async fn webhooks_are_signed_and_come_until_they_are_taken() {
    let world = World::open("5s").await;
    world.inbox.lock().unwrap().refusals = 1;
    let id = created(&world, "pm_card_visa", "o-1").await;
    world.stripe_post(&format!("payment_intents/{id}/confirm"), &[], None).await;
    until("told", async || !world.arrived().is_empty()).await;
    let event = world.arrived().remove(0);
    assert_eq!(event.path, "/hooks/stripe");
    assert_eq!(event.json()["data"]["object"]["id"], *id);
    let header = event.headers["stripe-signature"].to_str().unwrap();
    let (at, signature) = header.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    assert_eq!(signature, hmac_hex("whsec_test", &format!("{at}.{}", event.body)));
}

#[tokio::test]
async fn pending_webhooks_survive_a_restart() {
    let mut world = World::open("5s").await;
    world.faults(&world.settings.stripe_addr, json!({"webhooks": "off"})).await;
    let id = created(&world, "pm_card_visa", "o-1").await;
    world.stripe_post(&format!("payment_intents/{id}/confirm"), &[], None).await;
    assert_eq!(world.get(&world.settings.stripe_addr, "/books").await["webhooksPending"], 1);
    world.restart().await;
    until("told", async || world.event_types() == ["payment_intent.succeeded"]).await;
}

#[tokio::test]
async fn keys_replay_declines_and_refuse_other_parameters() {
    let world = World::open("5s").await;
    let mut form = order("pm_card_visa_chargeDeclinedInsufficientFunds", "o-1").to_vec();
    form.push(("confirm", "true"));
    let (first, _, error) = world.stripe_post("payment_intents", &form, Some("k")).await;
    assert_eq!(first, 402);
    assert_eq!(error["error"]["decline_code"], "insufficient_funds");
    assert_eq!(error["error"]["payment_intent"]["status"], "requires_payment_method");
    let (second, headers, again) = world.stripe_post("payment_intents", &form, Some("k")).await;
    assert_eq!((second.as_u16(), again), (402, error));
    assert_eq!(headers["idempotent-replayed"], "true");
    let (status, _, other) =
        world.stripe_post("payment_intents", &order("pm_card_visa", "o-1"), Some("k")).await;
    assert_eq!((status.as_u16(), &other["error"]["type"]), (400, &json!("idempotency_error")));
    // What was never executed leaves its key free.
    let (status, _, _) = world.stripe_post("payment_intents", &[("amount", "1")], Some("free")).await;
    assert_eq!(status, 400);
    let (status, _, _) =
        world.stripe_post("payment_intents", &order("pm_card_visa", "o-2"), Some("free")).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_lost_answer_was_charged_once_and_can_be_asked_for() {
    let world = World::open("5s").await;
    let confirm = async |id: &str| {
        let url = format!("http://{}/v1/payment_intents/{id}/confirm", world.settings.stripe_addr);
        let request =
            world.client.post(url).bearer_auth("sk_test").header("Idempotency-Key", format!("c-{id}"));
        request.timeout(Duration::from_millis(300)).send().await
    };
    let charged = created(&world, "pm_sandbox_timeout", "o-1").await;
    assert!(confirm(&charged).await.unwrap_err().is_timeout());
    assert_eq!(world.stripe_get(&format!("payment_intents/{charged}")).await["status"], "succeeded");
    assert_eq!(confirm(&charged).await.unwrap().headers()["idempotent-replayed"], "true");
    let uncharged = created(&world, "pm_sandbox_timeout_uncharged", "o-2").await;
    assert!(confirm(&uncharged).await.unwrap_err().is_timeout());
    assert_eq!(
        world.stripe_get(&format!("payment_intents/{uncharged}")).await["status"],
        "requires_confirmation"
    );
    let late = created(&world, "pm_sandbox_late", "o-3").await;
    assert!(confirm(&late).await.unwrap_err().is_timeout());
    assert_eq!(world.stripe_get(&format!("payment_intents/{late}")).await["status"], "processing");
    let path = format!("payment_intents/{late}");
    until("settled", async || world.stripe_get(&path).await["status"] == "succeeded").await;
}

#[tokio::test]
async fn a_connection_is_closed_without_a_byte_when_the_server_is_down() {
    let world = World::open("5s").await;
    world.faults(&world.settings.stripe_addr, json!({"down": true})).await;
    let url = format!("http://{}/v1/payment_intents", world.settings.stripe_addr);
    assert!(world.client.get(&url).bearer_auth("sk_test").send().await.is_err());
    let cleared = world.client.delete(format!("http://{}/faults", world.settings.stripe_addr)).send().await;
    assert_eq!(cleared.unwrap().status(), 200);
    assert_eq!(world.client.get(&url).send().await.unwrap().status(), 401);
    assert_eq!(world.stripe_get("payment_intents").await["data"], json!([]));
}

#[tokio::test]
async fn an_injected_fault_after_the_execution_leaves_the_money_taken() {
    let world = World::open("5s").await;
    let id = created(&world, "pm_card_visa", "o-1").await;
    let fault = json!({"next": 1, "status": 500, "after": true, "match": "/confirm"});
    world.faults(&world.settings.stripe_addr, fault).await;
    let (status, _, _) = world.stripe_post(&format!("payment_intents/{id}/confirm"), &[], Some("c")).await;
    assert_eq!(status, 500);
    let (status, _, intent) =
        world.stripe_post(&format!("payment_intents/{id}/confirm"), &[], Some("c")).await;
    assert_eq!((status.as_u16(), &intent["status"]), (200, &json!("succeeded")));
}

#[tokio::test]
async fn authentication_is_a_page_with_two_ends() {
    let world = World::open("5s").await;
    let id = created(&world, "pm_card_authenticationRequired", "o-1").await;
    let (_, _, intent) = world.stripe_post(&format!("payment_intents/{id}/confirm"), &[], None).await;
    assert_eq!(intent["status"], "requires_action");
    let url = intent["next_action"]["redirect_to_url"]["url"].as_str().unwrap().to_owned();
    let page = world.client.get(&url).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Complete authentication"), "{page}");
    let done: Value =
        world.client.post(format!("{url}/complete")).send().await.unwrap().json().await.unwrap();
    assert_eq!(done["status"], "succeeded");
    assert_eq!(world.client.post(format!("{url}/fail")).send().await.unwrap().status(), 400);
    until("told", async || world.arrived().len() == 2).await;
}

#[tokio::test]
async fn the_same_key_at_the_same_time_charges_once() {
    let world = World::open("5s").await;
    let mut form = order("pm_card_visa", "o-1").to_vec();
    form.push(("confirm", "true"));
    let tries = (0..8).map(|_| world.stripe_post("payment_intents", &form, Some("k")));
    for (status, _, body) in futures::future::join_all(tries).await {
        assert!([200, 409].contains(&status.as_u16()), "{status} {body}");
    }
    assert_eq!(world.stripe_get("payment_intents").await["data"].as_array().unwrap().len(), 1);
}
