//! Money that goes back over HTTP: late, in vain, by hand, and money that nobody asked for.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as tests do")]

mod world;

use jiff::Timestamp;
use payment::machine::{Part, PartState};
use resources::PaymentDesired::{Cancelled, Captured};
use world::town::Town;

async fn charged(method: &str) -> Town {
    let town = Town::open(true).await;
    town.wish(1, Captured, 1, method).await;
    town.until("Captured").await;
    town
}

#[tokio::test]
async fn a_refund_on_its_way_counts_once_it_has_arrived() {
    let town = charged("pm_card_pendingRefund").await;
    town.wish(2, Cancelled, 1, "pm_card_visa").await;
    let payment = town.until("Refunded").await;
    assert_eq!(payment.refunded().minor_units(), 3180);
    let entries = ["intent_created", "captured", "refund_pending", "refunded"];
    assert_eq!(town.world.entries(&town.order).await, entries);
    town.close().await;
}

#[tokio::test]
async fn a_refund_that_fails_later_is_a_failure_and_is_made_anew_when_asked_for() {
    let town = charged("pm_card_refundFail").await;
    town.wish(2, Cancelled, 1, "pm_card_visa").await;
    town.until("Refunded").await;
    let payment = town.until("Failed").await;
    assert_eq!(payment.shown.reason.as_deref(), Some("refund_refused"));
    assert_eq!((town.kept().await.0, payment.refunded().minor_units()), (3180, 0));
    town.wish(2, Cancelled, 1, "pm_card_visa").await;
    town.until("Refunded").await;
    let entries = ["intent_created", "captured", "refunded", "refund_failed", "refunded"];
    assert_eq!(town.world.entries(&town.order).await, entries);
    town.close().await;
}

/// Asks for a part as the route does.
async fn give(town: &Town, amount: &str, why: &str) -> Part {
    let store = &town.world.store;
    let mut tx = store.begin().await.unwrap();
    let before = payment::store::lock_in_tx(&mut tx, &town.order).await.unwrap().unwrap();
    let mut payment = before.clone();
    let amount = format!("{amount} EUR").parse().unwrap();
    let part = payment.give_back_part(amount, "staff", why, false, Timestamp::now()).unwrap();
    payment::store::save_in_tx(&mut tx, &before, &payment).await.unwrap();
    tx.schedule(&town.order, Timestamp::now()).await.unwrap();
    tx.commit().await.unwrap();
    part
}

#[tokio::test]
async fn parts_go_back_and_what_is_left_goes_back_with_the_order() {
    let town = charged("pm_card_visa").await;
    assert_eq!(give(&town, "5.00", "a scratch").await, Part::Number(1));
    assert_eq!(give(&town, "2.00", "a dent").await, Part::Number(2));
    town.until_refunded(700).await;
    assert_eq!(town.kept().await.0, 2480);
    town.wish(2, Cancelled, 1, "pm_card_visa").await;
    let payment = town.until("Refunded").await;
    assert_eq!((payment.refunded().minor_units(), town.kept().await.0), (3180, 0));
    let amounts: Vec<i64> = town.world.ledger(&town.order).await.iter().map(|row| row.1).collect();
    assert_eq!(amounts, [3180, 3180, 500, 200, 2480]);
    town.close().await;
}

#[tokio::test]
async fn a_part_that_the_bank_sends_back_is_told_by_webhook_and_counts_no_more() {
    let town = charged("pm_card_refundFail").await;
    give(&town, "5.00", "a scratch").await;
    town.until_refunded(500).await;
    let payment = town.until_refunded(0).await;
    assert_eq!(payment.part(1).unwrap().state, PartState::Refused);
    assert_eq!(town.kept().await.0, 3180);
    let entries = ["intent_created", "captured", "refunded", "refund_failed"];
    assert_eq!(town.world.entries(&town.order).await, entries);
    town.close().await;
}

#[tokio::test]
async fn what_a_person_gave_back_at_the_provider_is_given_back() {
    let town = charged("pm_card_visa").await;
    let intent = town.world.payment(&town.order).await.shown.reference.unwrap();
    let refund = town.post("refunds", &[("payment_intent", &intent)]).await;
    town.wish(2, Cancelled, 1, "pm_card_visa").await;
    town.until("Refunded").await;
    let booked = town.world.ledger(&town.order).await.pop().unwrap();
    assert_eq!(booked, ("refunded".to_owned(), 3180, refund["id"].as_str().map(str::to_owned)));
    assert_eq!(town.kept().await.0, 0);
    town.close().await;
}

#[tokio::test]
async fn a_charge_by_hand_goes_back_and_the_paid_order_stays_paid() {
    let town = charged("pm_card_visa").await;
    let form = [
        ("amount", "500"),
        ("currency", "eur"),
        ("payment_method", "pm_card_visa"),
        ("confirm", "true"),
        ("metadata[order_id]", town.order.as_str()),
        ("metadata[attempt]", "1"),
    ];
    town.post("payment_intents", &form).await;
    let payment = town.until_refunded(500).await;
    assert_eq!((payment.shown.phase.as_str(), payment.captured().minor_units()), ("Captured", 3680));
    assert_eq!(town.kept().await.0, 3180);
    town.close().await;
}
