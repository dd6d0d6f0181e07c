//! Webhooks as they arrive: before the answer of the API, after it, twice, forged.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as tests do")]

mod world;

use std::sync::Arc;

use chassis::worklist::{Next, Work};
use resources::PaymentDesired::{Cancelled, Captured};
use serde_json::{Value, json};
use world::bank::Bank;
use world::{SECRET, World, command, signature};

fn webhook(id: &str, intent: &str, status: &str) -> String {
    let object = json!({"id": intent, "object": "payment_intent", "status": status, "metadata": {}});
    json!({"id": id, "type": "payment_intent.succeeded", "data": {"object": object}}).to_string()
}

#[tokio::test]
async fn a_webhook_before_the_answer_and_after_it_and_twice_is_one_effect() {
    let world = World::open().await;
    let url = format!("{}/stripe", world.serve().await);
    let client = reqwest::Client::new();
    let send = async |id: &str| {
        let body = webhook(id, "pi_o-1/1", "succeeded");
        let request = client.post(&url).header("stripe-signature", signature(SECRET, &body)).body(body);
        assert_eq!(request.send().await.unwrap().status(), 200);
    };
    let bank = Bank::new(0);
    world.take(&command("o-1", 1, Captured, 1)).await;
    let engine = Arc::new(world.engine(bank.clone()));
    let working = tokio::spawn({
        let engine = engine.clone();
        async move { engine.perform("o-1", 0).await.unwrap() }
    });
    bank.in_confirm.notified().await;
    send("evt_1").await;
    send("evt_1").await;
    bank.go_on.add_permits(1);
    working.await.unwrap();
    send("evt_2").await;
    send("evt_1").await;
    engine.perform("o-1", 0).await.unwrap();
    assert_eq!(world.entries("o-1").await, ["intent_created", "captured"]);
    assert_eq!(world.told().await, ["payment.captured"]);
    assert_eq!(bank.calls().len(), 2, "nothing to ask");
    world.close().await;
}

#[tokio::test]
async fn a_webhook_tells_what_a_crash_has_lost() {
    let world = World::open().await;
    let url = format!("{}/stripe", world.serve().await);
    let bank = Bank::new(0);
    world.take(&command("o-1", 1, Captured, 1)).await;
    let engine = world.engine(bank.clone());
    tokio::select! {
        _ = engine.perform("o-1", 0) => panic!("it is held up"),
        () = bank.in_confirm.notified() => {}
    }
    let body = webhook("evt_1", "pi_o-1/1", "succeeded");
    let request =
        reqwest::Client::new().post(&url).header("stripe-signature", signature(SECRET, &body)).body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert!(world.is_due("o-1").await);
    engine.perform("o-1", 0).await.unwrap();
    assert_eq!(bank.calls().last().unwrap(), "retrieve", "asked, not charged again");
    let event: String = sqlx::query_scalar("SELECT event_id FROM ledger WHERE entry = 'captured'")
        .fetch_one(world.store.pool())
        .await
        .unwrap();
    assert_eq!(event, "evt_1");
    world.close().await;
}

async fn send(url: &str, body: String) {
    let request = reqwest::Client::new().post(url).header("stripe-signature", signature(SECRET, &body));
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
}

fn charged_by_hand(id: &str, order: &str, attempt: &str) -> String {
    let metadata = json!({"order_id": order, "attempt": attempt});
    let object =
        json!({"id": "pi_hand", "object": "payment_intent", "status": "succeeded", "metadata": metadata});
    json!({"id": id, "type": "payment_intent.succeeded", "data": {"object": object}}).to_string()
}

#[tokio::test]
async fn a_charge_that_no_attempt_knows_is_given_back_and_the_orders_own_stays() {
    let world = World::open().await;
    let url = format!("{}/stripe", world.serve().await);
    let bank = Bank::new(1);
    let engine = world.engine(bank.clone());
    world.take(&command("o-1", 1, Captured, 1)).await;
    engine.perform("o-1", 0).await.unwrap();
    bank.charge_by_hand("pi_hand", "31.80 EUR");
    send(&url, charged_by_hand("evt_1", "another shop's", "1")).await;
    send(&url, charged_by_hand("evt_2", "o-1", "1")).await;
    send(&url, charged_by_hand("evt_3", "o-1", "1")).await;
    assert!(world.is_due("o-1").await);
    assert_eq!(engine.perform("o-1", 0).await.unwrap(), Next::Done);
    assert_eq!(bank.calls()[2..], ["retrieve", "refund o-1/1000000/refund"]);
    let shown = world.payment("o-1").await.shown;
    assert_eq!((shown.phase.as_str(), shown.attempt), ("Captured", 1));
    assert_eq!((shown.captured.minor_units(), shown.refunded.minor_units()), (6360, 3180));
    let entries = ["intent_created", "captured", "captured_again", "refunded"];
    assert_eq!(world.entries("o-1").await, entries);
    assert_eq!(world.told().await, ["payment.captured", "payment.captured", "payment.refunded"]);
    let event = world.outbox("event").await.pop().unwrap();
    assert_eq!(
        (&event["data"]["phase"], &event["data"]["reference"]),
        (&json!("Captured"), &json!("pi_hand"))
    );
    let report = world.outbox("status").await.pop().unwrap();
    assert_eq!(report["status"]["refunded"]["amount"], "31.80");
    world.close().await;
}

#[tokio::test]
async fn a_charge_after_the_end_is_given_back_whatever_attempt_it_names() {
    for attempt in ["1", "7", "none"] {
        let world = World::open().await;
        let url = format!("{}/stripe", world.serve().await);
        let bank = Bank::new(0);
        let mut end = command("o-1", 1, Cancelled, 100_000);
        end.spec.method = None;
        world.take(&end).await;
        bank.charge_by_hand("pi_hand", "5.00 USD");
        send(&url, charged_by_hand("evt_1", "o-1", attempt)).await;
        world.engine(bank.clone()).perform("o-1", 0).await.unwrap();
        assert_eq!(world.entries("o-1").await, ["captured_again", "refunded"]);
        assert_eq!(world.told().await, ["payment.voided", "payment.captured", "payment.refunded"]);
        assert_eq!(world.payment("o-1").await.shown.phase.as_str(), "Refunded");
        world.close().await;
    }
}

#[tokio::test]
async fn a_refund_that_fails_after_it_arrived_is_told_by_its_webhook_and_made_anew() {
    let world = World::open().await;
    let url = format!("{}/stripe", world.serve().await);
    let bank = Bank::new(1);
    let engine = world.engine(bank.clone());
    world.take(&command("o-1", 1, Captured, 1)).await;
    engine.perform("o-1", 0).await.unwrap();
    world.take(&command("o-1", 2, Cancelled, 1)).await;
    engine.perform("o-1", 0).await.unwrap();
    let payment = world.payment("o-1").await;
    let refund = payment.attempts[0].refund.clone().unwrap();
    for (id, kind) in
        [("evt_1", "refund.failed"), ("evt_2", "refund.updated"), ("evt_3", "charge.refund.updated")]
    {
        let object =
            json!({"id": refund, "object": "refund", "status": "failed", "payment_intent": "pi_o-1/1"});
        send(&url, json!({"id": id, "type": kind, "data": {"object": object}}).to_string()).await;
        engine.perform("o-1", 0).await.unwrap();
    }
    assert_eq!(bank.calls()[3..], ["retrieve_refund"], "one failure, told three times");
    assert_eq!(world.payment("o-1").await.shown.phase.as_str(), "Failed");
    assert_eq!(world.entries("o-1").await[2..], ["refunded", "refund_failed"]);
    assert_eq!(payment::audit::audit(world.store.pool()).await.unwrap(), []);
    world.take(&command("o-1", 2, Cancelled, 1)).await;
    assert_eq!(world.reported().await.last().unwrap(), "Failed");
    world.close().await;
}

#[tokio::test]
async fn a_webhook_that_is_not_to_be_believed_or_read_is_refused_with_a_problem() {
    let world = World::open().await;
    let url = format!("{}/stripe", world.serve().await);
    let client = reqwest::Client::new();
    let body = webhook("evt_1", "pi_1", "succeeded");
    let good = signature(SECRET, &body);
    let cases = [
        (None, body.clone(), 400),
        (Some(signature("whsec_other", &body)), body.clone(), 400),
        (Some(good.clone()), body.replace("evt_1", "evt_2"), 400),
        (Some(signature(SECRET, "{}")), "{}".to_owned(), 400),
        (Some(signature(SECRET, "no json")), "no json".to_owned(), 400),
        (Some(good.clone()), "x".repeat(1024 * 1024 + 1), 413),
    ];
    for (header, body, expected) in cases {
        let mut request = client.post(&url).body(body);
        if let Some(header) = header {
            request = request.header("stripe-signature", header);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), expected);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(problem["status"], expected);
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    }
    for body in [
        body,
        json!({"id": "evt_9", "type": "customer.created", "data": {"object": {"id": "cus_1"}}}).to_string(),
    ] {
        let answer = client
            .post(&url)
            .header("stripe-signature", signature(SECRET, &body))
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "another system's is taken and left alone");
    }
    world.close().await;
}
