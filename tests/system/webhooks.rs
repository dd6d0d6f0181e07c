//! Webhooks: before the API's answer, after it, twice, late, unsigned and unreadable; never more than one effect.

use anyhow::Context as _;
use resources::OrderPhase;
use serde_json::{Value, json};
use testkit::{TestShop, order, unique};

use crate::Tested;
use crate::stages::{Stage, hold_at, intent_of};

/// The provider's event about an intent.
fn stripe_event(event_type: &str, intent: &Value) -> Value {
    json!({
        "id": unique("evt"), "object": "event", "type": event_type, "created": jiff::Timestamp::now().as_second(),
        "data": {"object": intent},
    })
}

async fn read_intent(shop: &TestShop, intent: &str) -> anyhow::Result<Value> {
    let url = format!("{}/v1/payment_intents/{intent}", shop.stack.addresses.stripe);
    let request = shop.stack.http.get(url).bearer_auth(&shop.stack.addresses.stripe_key);
    Ok(request.send().await?.error_for_status()?.json().await?)
}

#[tokio::test]
async fn a_webhook_that_comes_again_and_again_after_the_answer_has_no_more_effect() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&placed).await?;
    let intent = read_intent(&shop, &intent_of(&shop, &placed).await?).await?;
    let event = stripe_event("payment_intent.succeeded", &intent);
    for _ in 0..3 {
        let status = shop.stack.stripe_webhook(&event).await?;
        assert!(status.is_success(), "{status}");
    }
    // The same told under another event id is another webhook and the same fact.
    assert!(
        shop.stack.stripe_webhook(&stripe_event("payment_intent.succeeded", &intent)).await?.is_success()
    );
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_webhook_before_the_answer_carries_the_order_on() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    // The charge is made, its answer never arrives: only webhooks and questions tell.
    let placed = shop.place(order().item(&sku, 1).method("pm_sandbox_timeout")).await?;
    testkit::eventually("the money is taken", || async {
        let intents = shop.stack.intents(&placed.id).await?;
        let intent = intents.first().context("no intent yet")?;
        anyhow::ensure!(intent.status == "succeeded", "it is {}", intent.status);
        let event = stripe_event("payment_intent.succeeded", &read_intent(&shop, &intent.id).await?);
        for _ in 0..2 {
            let status = shop.stack.stripe_webhook(&event).await?;
            anyhow::ensure!(status.is_success(), "{status}");
        }
        Ok(())
    })
    .await?;
    shop.completes(&placed).await?;
    assert_eq!(shop.stack.intents(&placed.id).await?.len(), 1);
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_webhook_that_claims_what_is_not_so_moves_no_money() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::ActionRequired).await?;
    let mut intent = read_intent(&shop, &intent_of(&shop, &placed).await?).await?;
    // An old state of affairs, told late: it was never taken.
    intent["status"] = json!("requires_confirmation");
    shop.stack.stripe_webhook(&stripe_event("payment_intent.processing", &intent)).await?;
    shop.stack.authenticate(intent["id"].as_str().context("an id")?, "complete").await?;
    shop.completes(&placed).await?;
    // And one that is older than what is known.
    intent["status"] = json!("requires_payment_method");
    shop.stack.stripe_webhook(&stripe_event("payment_intent.payment_failed", &intent)).await?;
    shop.settled().await?;
    shop.money_becomes(&placed, 2500, 0).await?;
    shop.close().await
}

#[tokio::test]
async fn webhooks_that_are_not_signed_are_refused() -> Tested {
    let shop = TestShop::open().await?;
    let body = stripe_event("payment_intent.succeeded", &json!({"id": "pi_1"})).to_string();
    let old = jiff::Timestamp::now().as_second() - 3600;
    for (from, headers) in [
        ("stripe", vec![]),
        ("stripe", vec![("Stripe-Signature", "t=1,v1=00".to_owned())]),
        ("stripe", vec![("Stripe-Signature", format!("t={old},v1={}", "0".repeat(64)))]),
        ("stripe", vec![("Stripe-Signature", "nonsense".to_owned())]),
        ("carrier", vec![]),
        (
            "carrier",
            vec![("X-Timestamp", "1".to_owned()), ("X-Hmac-Signature", "hmac-sha256-hex=00".to_owned())],
        ),
        ("carrier", vec![("X-Timestamp", old.to_string()), ("X-Hmac-Signature", "none".to_owned())]),
    ] {
        let status = shop.stack.webhook(from, &headers, body.clone()).await?;
        assert!(matches!(status.as_u16(), 400 | 401 | 403), "{from} with {headers:?} is answered {status}");
    }
    shop.close().await
}

#[tokio::test]
async fn signed_webhooks_that_cannot_be_read_or_are_about_nothing_of_ours_crash_nobody() -> Tested {
    let shop = TestShop::open().await?;
    for event in [
        json!({}),
        json!([]),
        json!("text"),
        json!({"id": 7, "type": "payment_intent.succeeded", "data": {"object": {}}}),
        json!({"id": unique("evt"), "object": "event", "type": "payment_intent.succeeded", "data": {"object": {"id": null}}}),
    ] {
        let status = shop.stack.stripe_webhook(&event).await?;
        assert!(status.as_u16() < 500, "{event} is answered {status}");
        let status = shop.stack.carrier_webhook(&event).await?;
        assert!(status.as_u16() < 500, "{event} is answered {status}");
    }
    let stranger = json!({"id": "pi_stranger", "object": "payment_intent", "amount": 1, "currency": "eur", "status": "succeeded",
        "amount_received": 1, "amount_capturable": 0, "metadata": {}});
    assert!(
        shop.stack.stripe_webhook(&stripe_event("payment_intent.succeeded", &stranger)).await?.is_success()
    );
    assert!(
        shop.stack
            .stripe_webhook(&stripe_event("customer.created", &json!({"id": "cus_1"})))
            .await?
            .is_success()
    );
    let ready = shop.stack.http.get(format!("{}/ready", shop.stack.addresses.shop)).send().await?;
    assert!(ready.status().is_success());
    shop.close().await
}

#[tokio::test]
async fn carrier_webhooks_that_come_twice_have_one_effect() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&placed).await?;
    let parcel = shop.stack.parcels(&placed.id).await?.pop().context("a parcel")?;
    let number = parcel.tracking_code.context("a number")?;
    let url = format!("{}/v2/trackers/{number}", shop.stack.addresses.carrier);
    let request = shop.stack.http.get(url).bearer_auth(&shop.stack.addresses.carrier_key);
    let mut tracker: Value = request.send().await?.error_for_status()?.json().await?;
    let event = |tracker: &Value| {
        json!({"id": unique("evt"), "object": "Event", "description": "tracker.updated", "mode": "test",
            "created_at": jiff::Timestamp::now().to_string(), "result": tracker})
    };
    let delivered = event(&tracker);
    for _ in 0..3 {
        assert!(shop.stack.carrier_webhook(&delivered).await?.is_success());
    }
    // A step that was passed long ago, told late, and one that never came true.
    tracker["status"] = json!("in_transit");
    assert!(shop.stack.carrier_webhook(&event(&tracker)).await?.is_success());
    tracker["status"] = json!("return_to_sender");
    assert!(shop.stack.carrier_webhook(&event(&tracker)).await?.is_success());
    let marker = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&marker).await?;
    shop.reaches(&placed, OrderPhase::Completed).await?;
    shop.settled().await?;
    shop.close().await
}
