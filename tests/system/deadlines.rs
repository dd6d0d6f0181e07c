//! A phase that takes too long: the order says what it waits for, or needs a person; it goes on once it is answered.

use anyhow::Context as _;
use futures::future::try_join;
use resources::{Order, OrderPhase};
use serde_json::json;
use testkit::{Placed, Policy, TestShop, names, order, policy};

use crate::Tested;
use crate::stages::{Stage, event_is_told, hold_at, inventory, label_of};

/// The provider is away for ten seconds, for this order alone.
const AWAY: &str = "pm_sandbox_unavailable";

/// A phase may take a second; then the order waits on, or is stuck.
fn within_a_second(phase: &str, on_deadline: &str) -> Policy {
    policy().with("deadlines", json!({phase: "1s"})).with("onDeadline", on_deadline)
}

fn message(order: &Order) -> anyhow::Result<&str> {
    order.status.as_ref().and_then(|status| status.message.as_deref()).context("a message")
}

/// How often the order was stuck.
async fn times_stuck(shop: &TestShop, placed: &Placed) -> anyhow::Result<usize> {
    let history = shop.history_of(placed).await?;
    Ok(names(&history).iter().filter(|name| **name == "order.stuck").count())
}

#[tokio::test]
async fn an_order_that_waits_too_long_for_its_payment_says_so_and_goes_on_when_it_is_answered() -> Tested {
    let shop = TestShop::open_with(within_a_second("reserved", "Wait")).await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 1).method(AWAY)).await?;
    let waiting = shop.rests(&placed, OrderPhase::Reserved, "PaymentOverdue").await?;
    assert!(message(&waiting)?.contains("Payment has not answered in time"), "{:?}", waiting.status);
    let completed = shop.completes(&placed).await?;
    assert_eq!(completed.status.and_then(|status| status.reason), None);
    shop.settled().await?;
    assert_eq!(times_stuck(&shop, &placed).await?, 0);
    shop.close().await
}

#[tokio::test]
async fn an_order_that_needs_a_person_as_its_payment_takes_too_long_goes_on_when_it_is_answered() -> Tested {
    let shop = TestShop::open_with(within_a_second("reserved", "Stuck")).await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 1).method(AWAY)).await?;
    let stuck = shop.rests(&placed, OrderPhase::Stuck, "PaymentOverdue").await?;
    assert!(message(&stuck)?.contains("Payment has not answered in time"), "{:?}", stuck.status);
    event_is_told(&shop, &placed, "PaymentOverdue").await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    assert_eq!(times_stuck(&shop, &placed).await?, 1);
    assert_eq!(shop.stack.intents(&placed.id).await?.len(), 1);
    shop.close().await
}

#[tokio::test]
async fn an_order_whose_parcel_is_not_collected_in_time_says_so_or_is_stuck_and_ships_once_it_is() -> Tested {
    let patient = TestShop::open_with(within_a_second("paid", "Wait")).await?;
    let strict = TestShop::open_with(within_a_second("paid", "Stuck")).await?;
    let sku = patient.article("12.50", 5).await?;
    let other = strict.article("12.50", 5).await?;
    // What the carrier does is told later: for the shop the parcels are not collected.
    let faults = patient.stack.faults().await;
    faults.of_carrier(json!({"webhooks": "off"})).await?;
    let waiting = patient.place(order().item(&sku, 1)).await?;
    let stuck = strict.place(order().item(&other, 1)).await?;
    label_of(&patient, &waiting).await?;
    label_of(&strict, &stuck).await?;
    let told = patient.rests(&waiting, OrderPhase::Paid, "DispatchOverdue").await?;
    assert!(message(&told)?.contains("The carrier has not collected the goods"), "{:?}", told.status);
    strict.rests(&stuck, OrderPhase::Stuck, "DispatchOverdue").await?;
    faults.end().await?;
    for (shop, placed, times) in [(patient, waiting, 0), (strict, stuck, 1)] {
        shop.completes(&placed).await?;
        shop.settled().await?;
        assert_eq!(times_stuck(&shop, &placed).await?, times);
        shop.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_order_whose_undoing_takes_too_long_says_so_or_is_stuck_and_is_undone_in_the_end() -> Tested {
    let (patient, strict) =
        (undone_late("Wait", OrderPhase::Compensating), undone_late("Stuck", OrderPhase::Stuck));
    try_join(patient, strict).await?;
    Ok(())
}

/// Cancels an order while its charge is unanswered: until that is over, it is not certain that nothing is taken.
async fn undone_late(on_deadline: &str, rests: OrderPhase) -> Tested {
    let shop = TestShop::open_with(within_a_second("compensating", on_deadline)).await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::Reserved).await?;
    shop.cancel(&placed).await?;
    let late = shop.rests(&placed, rests, "UndoOverdue").await?;
    assert!(message(&late)?.contains("Undoing takes longer"), "{:?}", late.status);
    shop.rests(&placed, OrderPhase::Cancelled, "CancelRequested").await?;
    shop.settled().await?;
    assert_eq!(times_stuck(&shop, &placed).await?, usize::from(rests == OrderPhase::Stuck));
    shop.close().await
}

#[tokio::test]
async fn an_order_whose_goods_are_not_answered_for_in_time_says_so_or_is_stuck_and_goes_on_when_they_are()
-> Tested {
    for (on_deadline, rests) in [("Wait", OrderPhase::Placed), ("Stuck", OrderPhase::Stuck)] {
        let shop = TestShop::open_with(within_a_second("placed", on_deadline)).await?;
        let sku = shop.article("12.50", 5).await?;
        // Somebody else works on this article, and does not come to an end.
        let mut database = inventory(&shop).await?;
        let mut locked = sqlx::Connection::begin(&mut database).await?;
        sqlx::query("SELECT FROM stock WHERE sku = $1 FOR UPDATE").bind(&sku).execute(&mut *locked).await?;
        let placed = shop.place(order().item(&sku, 1)).await?;
        let late = shop.rests(&placed, rests, "StockOverdue").await?;
        assert!(message(&late)?.contains("Inventory has not answered in time"), "{:?}", late.status);
        event_is_told(&shop, &placed, "StockOverdue").await?;
        locked.rollback().await?;
        shop.completes(&placed).await?;
        shop.settled().await?;
        assert_eq!(times_stuck(&shop, &placed).await?, usize::from(rests == OrderPhase::Stuck));
        shop.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_order_that_is_not_delivered_in_time_says_so_or_is_stuck_and_completes_once_it_is() -> Tested {
    for (on_deadline, times) in [("Wait", 0), ("Stuck", 1)] {
        let at_once = policy().with("deadlines", json!({"shipped": "1ms"})).with("onDeadline", on_deadline);
        let shop = TestShop::open_with(at_once).await?;
        let sku = shop.article("12.50", 5).await?;
        let placed = shop.place(order().item(&sku, 1)).await?;
        shop.completes(&placed).await?;
        event_is_told(&shop, &placed, "DeliveryOverdue").await?;
        shop.settled().await?;
        assert_eq!(times_stuck(&shop, &placed).await?, times);
        shop.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_order_without_a_label_in_time_says_so_apart_from_one_that_is_not_collected() -> Tested {
    let shop = TestShop::open_with(within_a_second("booking", "Wait")).await?;
    let sku = shop.article("12.50", 5).await?;
    let faults = shop.stack.faults().await;
    faults.of_carrier(json!({"rate": 1.0, "status": 503, "match": "POST /v2/shipments"})).await?;
    let placed = shop.place(order().item(&sku, 1)).await?;
    let late = shop.rests(&placed, OrderPhase::Paid, "BookingOverdue").await?;
    assert!(message(&late)?.contains("The carrier has not given a label"), "{:?}", late.status);
    event_is_told(&shop, &placed, "BookingOverdue").await?;
    faults.end().await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    shop.close().await
}
