//! Orders are deleted, and whole namespaces with them, at every stage: nothing of money or goods is left behind.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams};
use resources::OrderPhase;
use testkit::{Placed, TestShop, names, order};

use crate::Tested;
use crate::stages::{Stage, hold_at, label_of};

/// Deletes an order at the stage: it goes, and nothing is kept.
async fn deleted_at(shop: &TestShop, stage: Stage) -> anyhow::Result<Placed> {
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(shop, &sku, stage).await?;
    shop.delete(&placed).await?;
    shop.gone(&placed).await?;
    shop.settled().await?;
    let history = shop.history_of(&placed).await?;
    let told = names(&history);
    anyhow::ensure!(
        told.contains(&"order.cancelled") && told.contains(&"order.archived"),
        "told is {told:?}"
    );
    Ok(placed)
}

#[tokio::test]
async fn a_placed_order_is_deleted() -> Tested {
    let shop = TestShop::open().await?;
    deleted_at(&shop, Stage::Placed).await?;
    shop.close().await
}

#[tokio::test]
async fn a_reserved_order_is_deleted_once_it_is_certain_that_nothing_was_charged() -> Tested {
    let shop = TestShop::open().await?;
    deleted_at(&shop, Stage::Reserved).await?;
    shop.close().await
}

#[tokio::test]
async fn an_order_that_awaits_its_payment_is_deleted() -> Tested {
    let shop = TestShop::open().await?;
    deleted_at(&shop, Stage::Declined).await?;
    deleted_at(&shop, Stage::ActionRequired).await?;
    shop.close().await
}

#[tokio::test]
async fn a_paid_order_is_deleted_and_refunded() -> Tested {
    let shop = TestShop::open().await?;
    let placed = deleted_at(&shop, Stage::Paid).await?;
    shop.money_becomes(&placed, 2500, 2500).await?;
    shop.close().await
}

#[tokio::test]
async fn a_parcel_under_way_is_delivered_and_paid_although_its_order_was_deleted() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 20).await?;
    for _ in 0..2 {
        let placed = shop.place(order().item(&sku, 2)).await?;
        label_of(&shop, &placed).await?;
        shop.delete(&placed).await?;
        shop.gone(&placed).await?;
    }
    // Cancelled where the label could still be voided, completed where it could not; never between.
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_shipped_order_that_is_deleted_goes_when_it_is_delivered() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 2).to_street("EXCEPTION Alley")).await?;
    shop.wait(&placed, "is shipped", |order| {
        let phase = order.status.as_ref().and_then(|status| status.phase);
        matches!(phase, Some(OrderPhase::Shipped | OrderPhase::Completed))
    })
    .await?;
    shop.delete(&placed).await?;
    shop.gone(&placed).await?;
    shop.settled().await?;
    shop.money_becomes(&placed, 2500, 0).await?;
    shop.close().await
}

#[tokio::test]
async fn an_order_deleted_right_after_it_was_placed_leaves_nothing_behind() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 50).await?;
    let mut placed = Vec::new();
    for _ in 0..8 {
        let one = shop.place(order().item(&sku, 1)).await?;
        shop.delete(&one).await?;
        placed.push(one);
    }
    for one in &placed {
        shop.gone(one).await?;
    }
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_namespace_that_goes_with_orders_in_it_leaves_no_money_and_no_stock_behind() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 50).await?;
    let mut orders = Vec::new();
    for stage in [Stage::Placed, Stage::Declined, Stage::ActionRequired, Stage::Paid] {
        orders.push(hold_at(&shop, &sku, stage).await?);
    }
    let delivered = shop.place(order().item(&sku, 2)).await?;
    shop.completes(&delivered).await?;
    // One is under way as the namespace goes.
    orders.push(shop.place(order().item(&sku, 2)).await?);
    let namespaces: Api<Namespace> = Api::all(shop.stack.kubernetes.clone());
    namespaces.delete(&shop.namespace, &DeleteParams::background()).await?;
    // The namespace itself goes some time after the last of them: Kubernetes looks again less and less often.
    for placed in orders.iter().chain([&delivered]) {
        shop.gone(placed).await?;
    }
    shop.settled().await?;
    shop.money_becomes(&delivered, 2500, 0).await?;
    shop.close().await
}

#[tokio::test]
async fn an_order_deleted_while_it_is_stuck_stays_until_the_money_is_back() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop
        .place(order().item(&sku, 1).method("pm_sandbox_refund_fails").to_street("UNDELIVERABLE"))
        .await?;
    shop.rests(&placed, OrderPhase::Stuck, "RefundFailed").await?;
    shop.delete(&placed).await?;
    // It is deleted and still there, for a person to see.
    let seen =
        shop.wait(&placed, "is being deleted", |order| order.metadata.deletion_timestamp.is_some()).await?;
    assert_eq!(seen.status.and_then(|status| status.phase), Some(OrderPhase::Stuck));
    shop.let_go(&placed).await?;
    shop.close().await
}
