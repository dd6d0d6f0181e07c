//! Suspended orders and paused shops: nothing new is asked for, answers count, timers stand still.

use std::time::Duration;

use anyhow::Context as _;
use resources::{OrderPhase, StockReservation};
use serde_json::json;
use testkit::{Level, TestShop, order, policy};

use crate::Tested;
use crate::stages::{Stage, hold_at};

#[tokio::test]
async fn a_suspended_order_is_quoted_and_placed_and_asks_for_nothing_until_it_is_resumed() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::Placed).await?;
    let held = shop.rests(&placed, OrderPhase::Placed, "Suspended").await?;
    assert_eq!(
        held.status.and_then(|status| status.total).map(|total| total.to_string()).as_deref(),
        Some("25.00 EUR")
    );
    shop.stock_becomes(&sku, Level::of(5, 0)).await?;
    assert!(shop.api::<StockReservation>().get_opt(&placed.name).await?.is_none());
    shop.change(&placed, json!({"spec": {"suspend": false}})).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn items_may_change_while_the_order_is_placed_and_suspended_and_are_quoted_anew() -> Tested {
    let shop = TestShop::open().await?;
    let mug = shop.article("12.50", 5).await?;
    let tea = shop.article("3.00", 5).await?;
    let placed = hold_at(&shop, &mug, Stage::Placed).await?;
    let items = json!([{"sku": mug, "quantity": 1}, {"sku": tea, "quantity": 4}]);
    shop.change(&placed, json!({"spec": {"items": items}})).await?;
    let total = |order: &resources::Order| {
        order.status.as_ref().and_then(|status| status.total).map(|one| one.minor_units())
    };
    shop.wait(&placed, "is quoted anew", |order| total(order) == Some(2450)).await?;
    shop.change(&placed, json!({"spec": {"suspend": false}})).await?;
    shop.completes(&placed).await?;
    shop.stock_becomes(&mug, Level::of(4, 0)).await?;
    shop.stock_becomes(&tea, Level::of(1, 0)).await?;
    shop.money_becomes(&placed, 2450, 0).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn items_that_cannot_be_quoted_anew_reject_the_order() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::Placed).await?;
    shop.change(&placed, json!({"spec": {"items": [{"sku": "NO-SUCH-ARTICLE", "quantity": 1}]}})).await?;
    shop.rests(&placed, OrderPhase::Rejected, "UnknownArticle").await?;
    shop.stock_becomes(&sku, Level::of(5, 0)).await?;
    shop.close().await
}

#[tokio::test]
async fn the_time_to_pay_stands_still_while_the_order_is_suspended() -> Tested {
    let shop = TestShop::open_with(policy().with("paymentTimeout", "3s")).await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::Declined).await?;
    shop.change(&placed, json!({"spec": {"suspend": true}})).await?;
    let firm: StockReservation = shop
        .child(&placed, "does not expire", |one: &StockReservation| one.spec.expires_at.is_none())
        .await?;
    assert!(firm.spec.expires_at.is_none());
    let moves = shop.wait(&placed, "moves", |order| {
        order.status.as_ref().and_then(|status| status.phase) != Some(OrderPhase::AwaitingPayment)
    });
    assert!(tokio::time::timeout(Duration::from_secs(5), moves).await.is_err(), "it does not time out");
    shop.stock_becomes(&sku, Level::of(5, 2)).await?;
    shop.change(&placed, json!({"spec": {"suspend": false}})).await?;
    shop.rests(&placed, OrderPhase::Failed, "PaymentTimeout").await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn answers_count_while_the_order_is_suspended() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::Paid).await?;
    assert!(shop.stack.parcels(&placed.id).await?.is_empty(), "no label is asked for");
    shop.change(&placed, json!({"spec": {"suspend": false}})).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_paused_shop_takes_orders_and_carries_them_out_when_it_opens() -> Tested {
    let shop = TestShop::open_with(policy().with("paused", true)).await?;
    let sku = shop.article("12.50", 5).await?;
    let first = shop.place(order().item(&sku, 1)).await?;
    let second = shop.place(order().item(&sku, 1)).await?;
    for placed in [&first, &second] {
        shop.rests(placed, OrderPhase::Placed, "Suspended").await?;
    }
    shop.stock_becomes(&sku, Level::of(5, 0)).await?;
    shop.set_policy(policy().with("paused", false)).await?;
    for placed in [&first, &second] {
        shop.completes(placed).await?;
    }
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn the_policy_is_read_live_also_by_orders_that_wait() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::Declined).await?;
    shop.set_policy(policy().with("paymentTimeout", "1s")).await?;
    let failed = shop.rests(&placed, OrderPhase::Failed, "PaymentTimeout").await?;
    assert!(failed.status.context("a status")?.completion_time.is_some());
    shop.settled().await?;
    shop.close().await
}
