//! Rows of the state machine that come about only when the world moves at the wrong moment: the moment is made here.

use std::time::Duration;

use anyhow::Context as _;
use chassis::questions::ask_subject;
use events::{Command, CommandTarget};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use resources::{
    Order, OrderPhase, PaymentPhase, ReservationPhase, ShipmentPhase, StockReservation, StockReservationSpec,
    StockReservationStatus,
};
use serde_json::{Value, json};
use testkit::{Level, Placed, TestShop, eventually, order, policy};

use crate::Tested;
use crate::stages::{
    ASKS_BACK, Stage, event_is_told, hold_at, intent_of, label_of, paid_and_suspended, payment_is,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// The phases that an order has passed, and why each.
fn passed(order: &Order) -> Vec<(OrderPhase, Option<&str>)> {
    let history = order.status.as_ref().map(|status| status.history.as_slice()).unwrap_or_default();
    history.iter().map(|entry| (entry.phase, entry.reason.as_deref())).collect()
}

#[tokio::test]
async fn a_label_whose_parcel_is_picked_up_before_it_is_void_ships_the_order_and_keeps_the_money() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    // Nobody tells the shop that the parcel leaves: for it there is still time to void the label.
    let faults = shop.stack.faults().await;
    faults.of_carrier(json!({"webhooks": "off"})).await?;
    let placed = shop.place(order().item(&sku, 2)).await?;
    let label = label_of(&shop, &placed).await?;
    assert_eq!(label.status.and_then(|status| status.phase), Some(ShipmentPhase::Booked));
    eventually("the carrier has the parcel", || async {
        let parcels = shop.stack.parcels(&placed.id).await?;
        anyhow::ensure!(parcels.iter().any(|parcel| parcel.status != "pre_transit"), "{parcels:?}");
        Ok(())
    })
    .await?;
    shop.reaches(&placed, OrderPhase::Paid).await?;
    shop.cancel(&placed).await?;
    event_is_told(&shop, &placed, "CancelRefused").await?;
    faults.end().await?;
    let completed = shop.completes(&placed).await?;
    assert_eq!(
        passed(&completed),
        [
            (OrderPhase::Placed, None),
            (OrderPhase::Reserved, None),
            (OrderPhase::Paid, None),
            (OrderPhase::Compensating, Some("CancelRequested")),
            (OrderPhase::Shipped, Some("CancelRefused")),
            (OrderPhase::Completed, None),
        ]
    );
    shop.settled().await?;
    shop.money_becomes(&placed, 2500, 0).await?;
    assert_eq!(shop.stack.parcels(&placed.id).await?.len(), 1);
    shop.stock_becomes(&sku, Level::of(3, 0)).await?;
    shop.close().await
}

#[tokio::test]
async fn money_that_is_refused_after_the_label_voids_it_and_another_method_books_the_goods_again() -> Tested {
    let shop = TestShop::open_with(policy().with("capture", "OnDispatch")).await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = paid_and_suspended(&shop, &sku, ASKS_BACK).await?;
    payment_is(&shop, &placed, PaymentPhase::Authorized).await?;
    let intent = intent_of(&shop, &placed).await?;
    // The promise ends, and nobody tells the shop: it finds out when it asks for the money.
    let faults = shop.stack.faults().await;
    faults.of_stripe(json!({"webhooks": "off"})).await?;
    faults.of_carrier(json!({"webhooks": "off"})).await?;
    shop.stack.stripe_post(&format!("/v1/payment_intents/{intent}/cancel"), &[]).await?;
    book_ahead_what_is_never_picked_up(&shop, &placed).await?;
    shop.change(&placed, json!({"spec": {"suspend": false}})).await?;
    let declined = shop.rests(&placed, OrderPhase::AwaitingPayment, "PaymentDeclined").await?;
    assert_eq!(
        passed(&declined).split_off(2),
        [
            (OrderPhase::AwaitingPayment, Some("ActionRequired")),
            (OrderPhase::Paid, None),
            (OrderPhase::AwaitingPayment, Some("PaymentDeclined")),
        ]
    );
    let void: resources::Shipment = shop.child(&placed, "is there", |_: &resources::Shipment| true).await?;
    assert_eq!(void.status.and_then(|status| status.phase), Some(ShipmentPhase::Cancelled));
    faults.end().await?;
    shop.change(&placed, json!({"spec": {"payment": {"method": "pm_card_visa"}}})).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    shop.money_becomes(&placed, 2500, 0).await?;
    let told = shop.history_of(&placed).await?;
    let told: Vec<_> =
        testkit::names(&told).into_iter().filter(|name| name.starts_with("shipment.")).collect();
    assert_eq!(told.iter().filter(|name| **name == "shipment.booked").count(), 2, "{told:?}");
    let parcels = shop.stack.parcels(&placed.id).await?;
    let parcels: Vec<_> = parcels.iter().map(|one| (one.reference.as_str(), one.status.as_str())).collect();
    let second = format!("{}/2", placed.id);
    assert_eq!(parcels, [(placed.id.as_str(), "cancelled"), (second.as_str(), "delivered")]);
    shop.close().await
}

/// Books the first label of an order under the key that the shop will use, and voids it: the shop is answered what was
/// answered here, a label, and the carrier never comes for the parcel. Otherwise it would within half a second, and
/// a busy machine may need longer than that.
async fn book_ahead_what_is_never_picked_up(shop: &TestShop, placed: &Placed) -> anyhow::Result<()> {
    let order: Order = shop.api().get(&placed.name).await?;
    let to = order.spec.shipping_address;
    let body = json!({
        "reference": placed.id, "service": order.spec.shipping_service.as_str(), "buy": true,
        "to_address": {
            "name": to.name, "street1": to.line1, "street2": to.line2, "city": to.city, "state": to.region,
            "zip": to.postal_code, "country": to.country, "phone": to.phone,
        },
        "items": order.spec.items, "parcel": {"weight": 10},
    });
    let addresses = &shop.stack.addresses;
    let ask = |path: &str| {
        shop.stack.http.post(format!("{}{path}", addresses.carrier)).bearer_auth(&addresses.carrier_key)
    };
    let booking = ask("/v2/shipments").header("Idempotency-Key", &placed.id).json(&body);
    let booked: Value = booking.send().await?.error_for_status()?.json().await?;
    let label = booked.get("id").and_then(Value::as_str).context("a label")?;
    let voided = ask(&format!("/v2/shipments/{label}/refund")).send().await?.error_for_status();
    voided.context("the parcel was picked up before the test could void its label")?;
    Ok(())
}

/// Has the hold of an order that waits for its customer run out, as by a clock that is ahead, and sells its goods to
/// another order. While the operator is alive it ends the wait itself when the hold runs out.
async fn sell_what_it_waits_with(shop: &TestShop, placed: &Placed, sku: &str) -> anyhow::Result<()> {
    let held: StockReservation = shop.child(placed, "is there", |_: &StockReservation| true).await?;
    let past = Timestamp::now().checked_sub(Duration::from_secs(1))?;
    let command = Command {
        order_id: placed.id.clone(),
        namespace: shop.namespace.clone(),
        name: placed.name.clone(),
        uid: None,
        generation: 0,
        sent_at: Timestamp::now(),
        spec: StockReservationSpec { expires_at: Some(Time(past)), ..held.spec },
    };
    let _: StockReservationStatus =
        ask_subject(&shop.stack.nats, StockReservationSpec::APPLY, &command, PATIENCE).await?;
    let expired = |one: &StockReservation| {
        one.status.as_ref().and_then(|status| status.phase) == Some(ReservationPhase::Expired)
    };
    shop.child(placed, "is expired", expired).await?;
    let other = shop.place(order().item(sku, 2)).await?;
    shop.completes(&other).await?;
    Ok(())
}

#[tokio::test]
async fn an_order_whose_goods_were_sold_while_the_customer_confirmed_gives_the_money_back() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 2).await?;
    let placed = hold_at(&shop, &sku, Stage::ActionRequired).await?;
    sell_what_it_waits_with(&shop, &placed, &sku).await?;
    shop.stack.authenticate(&intent_of(&shop, &placed).await?, "complete").await?;
    let failed = shop.rests(&placed, OrderPhase::Failed, "OutOfStock").await?;
    assert_eq!(
        passed(&failed).split_off(2),
        [
            (OrderPhase::AwaitingPayment, Some("ActionRequired")),
            (OrderPhase::Compensating, Some("OutOfStock")),
            (OrderPhase::Failed, Some("OutOfStock")),
        ]
    );
    shop.settled().await?;
    shop.money_becomes(&placed, 2500, 2500).await?;
    shop.close().await
}

#[tokio::test]
async fn an_order_whose_goods_were_sold_before_the_customer_chose_another_method_charges_nothing() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 2).await?;
    let placed = hold_at(&shop, &sku, Stage::Declined).await?;
    sell_what_it_waits_with(&shop, &placed, &sku).await?;
    shop.change(&placed, json!({"spec": {"payment": {"method": "pm_card_visa"}}})).await?;
    shop.rests(&placed, OrderPhase::Failed, "OutOfStock").await?;
    shop.settled().await?;
    shop.money_becomes(&placed, 0, 0).await?;
    assert_eq!(shop.stack.intents(&placed.id).await?.len(), 1);
    shop.close().await
}

#[tokio::test]
async fn an_order_whose_goods_were_sold_while_it_was_suspended_fails_when_it_is_resumed() -> Tested {
    let shop = TestShop::open_with(policy().with("paymentTimeout", "30s")).await?;
    let sku = shop.article("12.50", 2).await?;
    let placed = hold_at(&shop, &sku, Stage::Declined).await?;
    shop.change(&placed, json!({"spec": {"suspend": true}})).await?;
    // The hold of a suspended order does not run out.
    let endless = |one: &StockReservation| {
        let answered =
            one.status.as_ref().and_then(|status| status.observed_generation) == one.metadata.generation;
        one.spec.expires_at.is_none() && answered && one.metadata.generation > Some(1)
    };
    shop.child(&placed, "expires no more", endless).await?;
    sell_what_it_waits_with(&shop, &placed, &sku).await?;
    shop.change(&placed, json!({"spec": {"suspend": false}})).await?;
    shop.rests(&placed, OrderPhase::Failed, "OutOfStock").await?;
    shop.settled().await?;
    shop.money_becomes(&placed, 0, 0).await?;
    shop.close().await
}

#[tokio::test]
async fn a_refund_that_is_refused_and_made_by_hand_frees_the_order_that_was_stuck() -> Tested {
    let retry = json!({"initial": "1s", "maximum": "2s"});
    let shop = TestShop::open_with(policy().with("retry", retry)).await?;
    let sku = shop.article("12.50", 5).await?;
    let (asked, intent) = stuck_unrefunded(&shop, &sku, 8).await?;
    payment_is(&shop, &asked, PaymentPhase::Failed).await?;
    shop.stock_becomes(&sku, Level::of(5, 0)).await?;
    shop.money_becomes(&asked, 2500, 0).await?;
    // A person gives the money back; the shop asks again from time to time, and learns of it.
    shop.stack.stripe_post("/v1/refunds", &[("payment_intent", &intent)]).await?;
    let cancelled = shop.rests(&asked, OrderPhase::Cancelled, "CancelRequested").await?;
    assert_eq!(
        passed(&cancelled).split_off(4),
        [
            (OrderPhase::Compensating, Some("CancelRequested")),
            (OrderPhase::Stuck, Some("RefundFailed")),
            (OrderPhase::Cancelled, Some("CancelRequested")),
        ]
    );
    let message = cancelled.status.and_then(|status| status.message).context("a message")?;
    assert!(message.contains("25.00 EUR went back"), "{message}");
    payment_is(&shop, &asked, PaymentPhase::Refunded).await?;
    shop.settled().await?;
    shop.money_becomes(&asked, 2500, 2500).await?;
    shop.close().await
}

/// An order that was paid and cancelled, and whose refund the provider refuses so often; with its intent.
pub async fn stuck_unrefunded(shop: &TestShop, sku: &str, times: u32) -> anyhow::Result<(Placed, String)> {
    let placed = hold_at(shop, sku, Stage::ActionRequired).await?;
    let intent = intent_of(shop, &placed).await?;
    refuse_refunds(shop, &placed, &intent, times).await?;
    shop.change(&placed, json!({"spec": {"suspend": true}})).await?;
    shop.stack.authenticate(&intent, "complete").await?;
    shop.reaches(&placed, OrderPhase::Paid).await?;
    shop.cancel(&placed).await?;
    shop.rests(&placed, OrderPhase::Stuck, "RefundFailed").await?;
    Ok((placed, intent))
}

/// Has the provider refuse the shop's next refunds of an intent, and those alone: it answers the same to the same key,
/// and before the money was taken it refuses. A method whose refunds it refuses cannot be refunded by hand either.
async fn refuse_refunds(shop: &TestShop, placed: &Placed, intent: &str, times: u32) -> anyhow::Result<()> {
    let addresses = &shop.stack.addresses;
    for refusals in 0..times {
        let key = match refusals {
            0 => format!("{}/1/refund", placed.id),
            more => format!("{}/1/refund/{more}", placed.id),
        };
        // Again, when another test has the provider disturbed.
        eventually("a refund of what was not taken is refused", || async {
            let request = shop.stack.http.post(format!("{}/v1/refunds", addresses.stripe));
            let request = request.bearer_auth(&addresses.stripe_key).header("Idempotency-Key", &key);
            let status = request.form(&[("payment_intent", intent)]).send().await?.status();
            anyhow::ensure!(status == 400, "it is answered {status}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
