//! The service against a provider over HTTP: every method of the sandbox, its faults and its webhooks, held against its
//! books.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of tests fails by panicking, as tests do")]

mod world;

use std::time::Duration;

use chassis::worklist::Work;
use payment::machine::CaptureMode;
use payment::provider::{IntentStatus, NewIntent, Provider, RefundState};
use resources::PaymentDesired::{Authorized, Cancelled, Captured, Refunded};
use serde_json::json;
use testkit::free_address;
use world::town::{Town, one, stripe};

#[tokio::test]
async fn a_card_is_charged_and_given_back() {
    let town = Town::open(true).await;
    town.wish(1, Captured, 1, "pm_card_visa").await;
    let payment = town.until("Captured").await;
    assert_eq!(town.kept().await, (3180, one("succeeded")));
    assert_eq!(town.books().await["intents"][0]["attempt"], "1");
    assert_eq!(payment.shown.reference.as_deref(), town.books().await["intents"][0]["id"].as_str());
    town.wish(2, Refunded, 1, "pm_card_visa").await;
    town.until("Refunded").await;
    assert_eq!(town.kept().await.0, 0);
    assert_eq!(town.world.entries(&town.order).await, ["intent_created", "captured", "refunded"]);
    town.close().await;
}

#[tokio::test]
async fn a_promise_is_captured_later_or_let_go() {
    let town = Town::open(true).await;
    town.wish(1, Authorized, 1, "pm_card_visa").await;
    town.until("Authorized").await;
    assert_eq!(town.kept().await, (0, one("requires_capture")));
    town.wish(2, Captured, 1, "pm_card_visa").await;
    town.until("Captured").await;
    assert_eq!(town.kept().await, (3180, one("succeeded")));
    town.close().await;

    let town = Town::open(true).await;
    town.wish(1, Authorized, 1, "pm_card_visa").await;
    town.until("Authorized").await;
    town.wish(2, Cancelled, 1, "pm_card_visa").await;
    town.until("Voided").await;
    assert_eq!(town.kept().await, (0, one("canceled")));
    town.close().await;
}

#[tokio::test]
async fn a_decline_is_told_with_its_reason_and_the_next_attempt_charges_once() {
    let town = Town::open(true).await;
    town.wish(1, Captured, 1, "pm_card_visa_chargeDeclinedInsufficientFunds").await;
    let payment = town.until("Declined").await;
    assert_eq!(payment.shown.reason.as_deref(), Some("insufficient_funds"));
    assert_eq!(payment.shown.message.as_deref(), Some("Your card has insufficient funds."));
    town.wish(2, Cancelled, 1, "pm_card_visa").await;
    town.until("Voided").await;
    town.wish(3, Captured, 2, "pm_card_nonsense").await;
    assert_eq!(town.until("Declined").await.shown.reason.as_deref(), Some("resource_missing"));
    town.wish(4, Cancelled, 2, "pm_card_visa").await;
    town.until("Voided").await;
    town.wish(5, Captured, 3, "pm_card_visa").await;
    town.until("Captured").await;
    let (net, mut statuses) = town.kept().await;
    statuses.sort();
    assert_eq!((net, statuses), (3180, vec!["canceled".to_owned(), "succeeded".to_owned()]));
    town.close().await;
}

#[tokio::test]
async fn a_lost_answer_is_found_out_to_have_charged() {
    let town = Town::open(false).await;
    town.wish(1, Captured, 1, "pm_sandbox_timeout").await;
    town.until("Captured").await;
    let entries = ["intent_created", "unknown", "captured"];
    assert_eq!(town.world.entries(&town.order).await, entries);
    assert_eq!(town.kept().await, (3180, one("succeeded")));
    town.close().await;
}

#[tokio::test]
async fn a_lost_question_is_cancelled_and_then_called_declined() {
    let town = Town::open(false).await;
    town.wish(1, Captured, 1, "pm_sandbox_timeout_uncharged").await;
    let payment = town.until("Declined").await;
    assert_eq!(payment.shown.reason.as_deref(), Some("not_charged"));
    assert_eq!(town.kept().await, (0, one("canceled")));
    town.close().await;
}

#[tokio::test]
async fn money_that_comes_late_to_a_cancelled_order_is_given_back() {
    let town = Town::open(true).await;
    town.wish(1, Captured, 1, "pm_sandbox_late").await;
    town.until("Unknown").await;
    town.wish(2, Cancelled, 1, "pm_sandbox_late").await;
    town.until("Refunded").await;
    assert_eq!(town.kept().await.0, 0);
    let told = town.world.told().await;
    assert_eq!(told, ["payment.unknown", "payment.captured", "payment.refunded"]);
    town.close().await;
}

#[tokio::test]
async fn an_unavailable_provider_is_waited_for_and_never_called_a_decline() {
    let town = Town::open(true).await;
    town.wish(1, Captured, 1, "pm_sandbox_unavailable").await;
    town.until("Captured").await;
    assert_eq!(town.world.told().await, ["payment.captured"]);
    assert_eq!(town.kept().await, (3180, one("succeeded")));
    town.close().await;
}

#[tokio::test]
async fn the_customer_confirms_at_the_bank_and_the_webhook_tells() {
    let town = Town::open(true).await;
    town.wish(1, Captured, 1, "pm_card_authenticationRequired").await;
    let payment = town.until("ActionRequired").await;
    town.press(&payment.shown.action_url.unwrap(), "complete").await;
    town.until("Captured").await;
    assert_eq!(town.kept().await, (3180, one("succeeded")));
    town.close().await;

    let town = Town::open(true).await;
    town.wish(1, Captured, 1, "pm_card_authenticationRequired").await;
    let payment = town.until("ActionRequired").await;
    town.press(&payment.shown.action_url.unwrap(), "fail").await;
    let reason = town.until("Declined").await.shown.reason;
    assert_eq!(reason.as_deref(), Some("payment_intent_authentication_failure"));
    town.wish(2, Cancelled, 1, "pm_card_visa").await;
    town.until("Voided").await;
    assert_eq!(town.kept().await, (0, one("canceled")));
    town.close().await;
}

#[tokio::test]
async fn a_refused_refund_is_a_failure_that_a_person_sees() {
    let town = Town::open(true).await;
    town.wish(1, Captured, 1, "pm_sandbox_refund_fails").await;
    town.until("Captured").await;
    town.wish(2, Cancelled, 1, "pm_card_visa").await;
    let payment = town.until("Failed").await;
    assert_eq!(payment.shown.reason.as_deref(), Some("refund_refused"));
    town.wish(2, Cancelled, 1, "pm_card_visa").await;
    town.until("Failed").await;
    assert_eq!(town.kept().await, (3180, one("succeeded")));
    town.close().await;
}

#[tokio::test]
async fn answers_lost_after_the_deed_charge_and_refund_once() {
    for status in [500, 503] {
        let town = Town::open(false).await;
        let lose =
            |next: u8, path: &str| json!({"next": next, "status": status, "after": true, "match": path});
        town.faults(lose(1, "POST /v1/payment_intents")).await;
        town.wish(1, Captured, 1, "pm_card_visa").await;
        town.engine.perform(&town.order, 0).await.unwrap();
        assert_eq!(town.kept().await, (0, one("requires_confirmation")), "made, and not known to be");
        town.faults(lose(1, "/confirm")).await;
        town.until("Captured").await;
        assert_eq!(town.kept().await, (3180, one("succeeded")));
        town.faults(lose(2, "/v1/refunds")).await;
        town.wish(2, Cancelled, 1, "pm_card_visa").await;
        town.until("Refunded").await;
        assert_eq!(town.kept().await, (0, one("succeeded")));
        let entries = ["intent_created", "captured", "refunded"];
        assert_eq!(town.world.entries(&town.order).await, entries);
        town.close().await;
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_waited_for() {
    let town = Town::open(false).await;
    town.faults(json!({"down": true})).await;
    town.wish(1, Captured, 1, "pm_card_visa").await;
    let due = tokio::time::timeout(Duration::from_secs(20), town.until("Captured"));
    let back = async {
        while town.world.payment(&town.order).await.attempts[0].failures < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        town.faults(json!({"down": false})).await;
    };
    let (payment, ()) = tokio::join!(due, back);
    payment.unwrap();
    assert_eq!(town.kept().await, (3180, one("succeeded")));
    town.close().await;
}

#[tokio::test]
async fn the_adapter_tells_what_is_and_not_what_was() {
    let town = Town::open(false).await;
    let new = NewIntent {
        key: format!("{}/1", town.order),
        order_id: town.order.clone(),
        attempt: 1,
        order: "default/web-1001".into(),
        amount: "31.80 EUR".parse().unwrap(),
        method: "pm_card_visa".into(),
        capture: CaptureMode::Manual,
    };
    assert_eq!(town.provider.find(&town.order, 1).await.unwrap(), []);
    let intent = town.provider.create(&new).await.unwrap();
    assert_eq!(intent.status, IntentStatus::RequiresConfirmation);
    assert_eq!(
        town.provider.confirm(&intent.id, "confirm").await.unwrap().status,
        IntentStatus::RequiresCapture
    );
    assert_eq!(town.provider.capture(&intent.id, "capture").await.unwrap().received, 3180);
    let replayed = town.provider.create(&new).await.unwrap();
    assert_eq!((replayed.id.as_str(), replayed.status), (intent.id.as_str(), IntentStatus::Succeeded));
    let replayed = town.provider.confirm(&intent.id, "confirm").await.unwrap();
    assert_eq!(replayed.status, IntentStatus::Succeeded);
    assert_eq!(town.provider.find(&town.order, 1).await.unwrap(), [replayed]);
    assert_eq!(town.provider.find(&town.order, 2).await.unwrap(), []);
    let refund = town.provider.refund(&intent.id, "refund").await.unwrap();
    assert_eq!(town.provider.refund(&intent.id, "refund").await.unwrap(), refund);
    assert_eq!(town.provider.refund(&intent.id, "other").await.unwrap(), refund, "the one that did it");
    assert_eq!((refund.amount, &refund.state), (3180, &RefundState::Succeeded));
    let other = NewIntent { amount: "1.00 EUR".parse().unwrap(), ..new.clone() };
    assert_eq!(town.provider.create(&other).await.unwrap_err().category(), "key_taken");
    let wrong_key = stripe(&town.address, "sk_other").create(&new).await.unwrap_err();
    assert_eq!(wrong_key.category(), "unavailable", "our fault, and not the customer's: {wrong_key}");
    assert_eq!(town.provider.retrieve("pi_none").await.unwrap_err().category(), "unavailable");
    let nobody = stripe(&free_address().to_string(), "sk_test").confirm(&intent.id, "key").await.unwrap_err();
    assert_eq!(nobody.category(), "unavailable");
    town.close().await;
}
