//! Goods: held all or none, sold once, free again in time.

use anyhow::Context as _;
use futures::future::try_join_all;
use resources::{OrderPhase, ReservationPhase, StockReservation};
use testkit::{Level, TestShop, order, policy};

use crate::Tested;
use crate::stages::{DECLINES, Stage, hold_at};

#[tokio::test]
async fn an_order_of_more_than_there_is_fails_and_nothing_is_charged() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("5.00", 3).await?;
    let placed = shop.place(order().item(&sku, 4)).await?;
    let failed = shop.rests(&placed, OrderPhase::Failed, "OutOfStock").await?;
    let message = failed.status.and_then(|status| status.message).context("a message")?;
    assert!(message.contains("Nothing was charged"), "{message}");
    let reservation: StockReservation = shop
        .child(&placed, "is Insufficient", |one: &StockReservation| is(one, ReservationPhase::Insufficient))
        .await?;
    let short = reservation.status.context("a status")?.shortages;
    assert_eq!((short[0].sku.as_str(), short[0].requested, short[0].available), (sku.as_str(), 4, 3));
    assert!(shop.stack.intents(&placed.id).await?.is_empty());
    shop.settled().await?;
    shop.close().await
}

fn is(reservation: &StockReservation, phase: ReservationPhase) -> bool {
    reservation.status.as_ref().and_then(|status| status.phase) == Some(phase)
}

#[tokio::test]
async fn when_one_line_is_short_no_line_is_held() -> Tested {
    let shop = TestShop::open().await?;
    let plenty = shop.article("5.00", 100).await?;
    let scarce = shop.article("5.00", 1).await?;
    let placed = shop.place(order().item(&plenty, 10).item(&scarce, 2)).await?;
    shop.rests(&placed, OrderPhase::Failed, "OutOfStock").await?;
    shop.stock_becomes(&plenty, Level::of(100, 0)).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn of_twenty_orders_that_race_for_the_last_three_pieces_exactly_three_are_sold() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("7.00", 3).await?;
    let placed = try_join_all((0..20).map(|_| shop.place(order().item(&sku, 1)))).await?;
    let ended = try_join_all(placed.iter().map(|one| {
        shop.wait(one, "has ended", |order| {
            let phase = order.status.as_ref().and_then(|status| status.phase);
            matches!(phase, Some(OrderPhase::Completed | OrderPhase::Failed))
        })
    }))
    .await?;
    let phases: Vec<_> = ended.iter().filter_map(|order| order.status.as_ref()?.phase).collect();
    assert_eq!(phases.iter().filter(|phase| **phase == OrderPhase::Completed).count(), 3, "{phases:?}");
    let out_of_stock = ended.iter().filter(|order| {
        order.status.as_ref().and_then(|status| status.reason.as_deref()) == Some("OutOfStock")
    });
    assert_eq!(out_of_stock.count(), 17);
    shop.stock_becomes(&sku, Level::of(0, 0)).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn orders_of_the_same_articles_in_any_sequence_never_block_each_other() -> Tested {
    let shop = TestShop::open().await?;
    let first = shop.article("1.00", 10).await?;
    let second = shop.article("1.00", 10).await?;
    let placed = try_join_all((0..10).map(|number| {
        let (one, other) = if number % 2 == 0 { (&first, &second) } else { (&second, &first) };
        shop.place(order().item(one, 1).item(other, 1))
    }))
    .await?;
    try_join_all(placed.iter().map(|one| shop.completes(one))).await?;
    shop.stock_becomes(&first, Level::of(0, 0)).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn goods_are_held_for_the_customer_until_their_time_is_over_then_free_for_others() -> Tested {
    let shop = TestShop::open_with(policy().with("paymentTimeout", "15s")).await?;
    let sku = shop.article("5.00", 2).await?;
    let waiting = hold_at(&shop, &sku, Stage::Declined).await?;
    let held: StockReservation =
        shop.child(&waiting, "expires", |one: &StockReservation| one.spec.expires_at.is_some()).await?;
    assert!(held.spec.expires_at.is_some());
    shop.stock_becomes(&sku, Level::of(2, 2)).await?;
    let late = shop.place(order().item(&sku, 1)).await?;
    shop.rests(&late, OrderPhase::Failed, "OutOfStock").await?;
    shop.rests(&waiting, OrderPhase::Failed, "PaymentTimeout").await?;
    let next = shop.place(order().item(&sku, 2)).await?;
    shop.completes(&next).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_stocktake_cannot_go_below_what_orders_hold() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("5.00", 5).await?;
    let waiting = hold_at(&shop, &sku, Stage::Declined).await?;
    let refused = shop.stack.count(&sku, 1).await.err().context("a refusal")?;
    let refused = format!("{refused:#}");
    assert!(refused.contains(&format!("the stock of {sku} cannot become 1")), "{refused}");
    shop.stock_becomes(&sku, Level::of(5, 2)).await?;
    shop.cancel(&waiting).await?;
    shop.reaches(&waiting, OrderPhase::Cancelled).await?;
    shop.settled().await?;
    shop.stack.count(&sku, 1).await?;
    shop.stock_becomes(&sku, Level::of(1, 0)).await?;
    shop.close().await
}

#[tokio::test]
async fn new_stock_is_sold_at_once() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("5.00", 0).await?;
    let early = shop.place(order().item(&sku, 1)).await?;
    shop.rests(&early, OrderPhase::Failed, "OutOfStock").await?;
    shop.stack.count(&sku, 1).await?;
    let next = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&next).await?;
    shop.stock_becomes(&sku, Level::of(0, 0)).await?;
    shop.close().await
}

#[tokio::test]
async fn a_declined_payment_keeps_the_goods_for_the_customer_only() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("5.00", 4).await?;
    let placed = shop.place(order().item(&sku, 3).method(DECLINES)).await?;
    shop.rests(&placed, OrderPhase::AwaitingPayment, "PaymentDeclined").await?;
    shop.stock_becomes(&sku, Level::of(4, 3)).await?;
    let other = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&other).await?;
    shop.stock_becomes(&sku, Level::of(3, 3)).await?;
    shop.delete(&placed).await?;
    shop.gone(&placed).await?;
    shop.settled().await?;
    shop.close().await
}
