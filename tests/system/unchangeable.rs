//! What may change on an order, and when: refused by the API server with a sentence that says what to do instead.

use kube::api::{Patch, PatchParams};
use resources::{Order, OrderPhase, Payment, StockReservation};
use serde_json::{Value, json};
use testkit::{Placed, TestShop, order};

use crate::Tested;
use crate::stages::{Stage, hold_at};

/// The change must be refused with all these words.
async fn refused(shop: &TestShop, placed: &Placed, patch: Value, words: &[&str]) -> anyhow::Result<()> {
    let result =
        shop.api::<Order>().patch(&placed.name, &PatchParams::default(), &Patch::Merge(&patch)).await;
    match result {
        Err(kube::Error::Api(status)) if status.code == 422 => {
            let missing: Vec<_> = words.iter().filter(|word| !status.message.contains(**word)).collect();
            anyhow::ensure!(missing.is_empty(), "{patch} is refused without {missing:?}: {}", status.message);
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(_) => anyhow::bail!("{patch} is let in"),
    }
}

fn items() -> Value {
    json!({"spec": {"items": [{"sku": "OTHER", "quantity": 1}]}})
}

fn address() -> Value {
    json!({"spec": {"shippingAddress": {"city": "Hamburg"}}})
}

fn customer() -> Value {
    json!({"spec": {"customer": {"email": "other@example.com"}}})
}

fn payment() -> Value {
    json!({"spec": {"payment": {"method": "pm_card_amex"}}})
}

#[tokio::test]
async fn while_it_awaits_payment_an_order_keeps_its_items_and_customer_but_not_its_payment() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::Declined).await?;
    refused(&shop, &placed, items(), &["spec.items", "cancel this order", "place another"]).await?;
    refused(&shop, &placed, customer(), &["spec.customer", "cancel this order"]).await?;
    refused(&shop, &placed, json!({"spec": {"coupon": "NEW"}}), &["spec.coupon"]).await?;
    shop.change(&placed, address()).await?;
    shop.change(&placed, payment()).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn while_its_payment_is_under_way_an_order_keeps_it() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::Reserved).await?;
    refused(&shop, &placed, payment(), &["spec.payment", "AwaitingPayment"]).await?;
    refused(&shop, &placed, json!({"spec": {"payment": {"retry": 1}}}), &["spec.payment.retry"]).await?;
    shop.change(&placed, address()).await?;
    shop.rests(&placed, OrderPhase::AwaitingPayment, "PaymentDeclined").await?;
    shop.change(&placed, payment()).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_paid_and_a_completed_order_keep_everything() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::Paid).await?;
    for phase in [OrderPhase::Paid, OrderPhase::Completed] {
        shop.reaches(&placed, phase).await?;
        refused(&shop, &placed, items(), &["spec.items"]).await?;
        refused(&shop, &placed, customer(), &["spec.customer"]).await?;
        refused(&shop, &placed, address(), &["spec.shippingAddress", "once the order is paid"]).await?;
        refused(&shop, &placed, json!({"spec": {"shippingService": "express"}}), &["spec.shippingService"])
            .await?;
        refused(&shop, &placed, payment(), &["spec.payment"]).await?;
        shop.change(&placed, json!({"spec": {"suspend": false}})).await?;
    }
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_cancel_stays_once_it_is_set() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::Declined).await?;
    shop.cancel(&placed).await?;
    refused(&shop, &placed, json!({"spec": {"cancel": null}}), &["spec.cancel", "place a new order"]).await?;
    shop.reaches(&placed, OrderPhase::Cancelled).await?;
    refused(&shop, &placed, json!({"spec": {"cancel": null}}), &["spec.cancel"]).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn an_older_status_never_replaces_a_newer_one() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&placed).await?;
    let older = json!({"status": {"sequence": 1}});
    let parameters = PatchParams::default();
    let order = shop.api::<Order>().patch_status(&placed.name, &parameters, &Patch::Merge(&older)).await;
    let message = order.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains("status.sequence cannot fall"), "{message}");
    let older = json!({"status": {"revision": 0}});
    let payment = shop.api::<Payment>().patch_status(&placed.name, &parameters, &Patch::Merge(&older)).await;
    let message = payment.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains("status.revision cannot fall"), "{message}");
    let backwards = json!({"spec": {"desired": "Held"}});
    let api = shop.api::<StockReservation>();
    api.patch(&placed.name, &parameters, &Patch::Merge(json!({"spec": {"desired": "Committed"}}))).await?;
    let message = api
        .patch(&placed.name, &parameters, &Patch::Merge(&backwards))
        .await
        .err()
        .map(|error| error.to_string());
    assert!(message.unwrap_or_default().contains("never back"));
    shop.close().await
}
