//! Webhooks as they arrive: before the answer of the API, after it, twice, forged.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as tests do")]

mod world;

use std::sync::Arc;

use chassis::worklist::Work;
use resources::PaymentDesired::Captured;
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
