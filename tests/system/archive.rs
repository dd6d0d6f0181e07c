//! What is finished is kept for ever, and its resource goes.

use events::questions::HistoryEvent;
use resources::{Order, OrderPhase, Payment, Shipment, StockReservation};
use testkit::{Placed, Program, TestShop, names, order, policy};

use crate::Tested;
use crate::stages::DECLINES;

/// Waits until the order's children are gone as well.
async fn children_are_gone(shop: &TestShop, placed: &Placed) -> anyhow::Result<()> {
    let name = placed.name.as_str();
    testkit::eventually("the children are gone", || async {
        anyhow::ensure!(
            shop.api::<StockReservation>().get_opt(name).await?.is_none(),
            "the reservation is there"
        );
        anyhow::ensure!(shop.api::<Payment>().get_opt(name).await?.is_none(), "the payment is there");
        anyhow::ensure!(shop.api::<Shipment>().get_opt(name).await?.is_none(), "the shipment is there");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_finished_order_goes_with_its_children_after_its_time_and_its_history_stays() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    for seconds in [0, 1] {
        let placed = shop.place(order().item(&sku, 1).gone_after(seconds)).await?;
        shop.gone(&placed).await?;
        children_are_gone(&shop, &placed).await?;
        let told = testkit::eventually("the history tells the archiving", || async {
            let history = shop.history_of(&placed).await?;
            anyhow::ensure!(
                names(&history).last() == Some(&"order.archived"),
                "it tells {:?}",
                names(&history)
            );
            anyhow::ensure!(history.archived_at.is_some(), "it does not tell when");
            Ok(history)
        })
        .await?;
        assert_eq!(told.order_id, Some(placed.id.clone()));
        let table =
            Program::supercargo(&["order", "history", &placed.name, "-n", &shop.namespace]).answer().await?;
        assert!(table.contains("order.completed") && table.contains("order.archived"), "{table}");
        let json =
            Program::supercargo(&["order", "history", &placed.name, "-n", &shop.namespace, "-o", "json"])
                .answer()
                .await?;
        let events: Vec<HistoryEvent> = serde_json::from_str(&json)?;
        assert_eq!(events, told.events);
    }
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn the_shop_says_how_long_finished_orders_stay_and_the_order_may_say_otherwise() -> Tested {
    let shop = TestShop::open_with(policy().with("ttlAfterFinished", "1s")).await?;
    let sku = shop.article("12.50", 5).await?;
    let stays = shop.place(order().item(&sku, 1).gone_after(3600)).await?;
    let goes = shop.place(order().item(&sku, 1)).await?;
    shop.gone(&goes).await?;
    shop.completes(&stays).await?;
    assert!(shop.api::<Order>().get_opt(&stays.name).await?.is_some());
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn orders_that_ended_without_goods_are_archived_as_well() -> Tested {
    let shop =
        TestShop::open_with(policy().with("paymentTimeout", "1s").with("ttlAfterFinished", "0s")).await?;
    let sku = shop.article("12.50", 5).await?;
    let rejected = shop.place(order().item("NO-SUCH-ARTICLE", 1)).await?;
    let short = shop.place(order().item(&sku, 6)).await?;
    let unpaid = shop.place(order().item(&sku, 1).method(DECLINES)).await?;
    let undelivered = shop.place(order().item(&sku, 1).to_street("UNDELIVERABLE")).await?;
    let cancelled = shop.place(order().item(&sku, 1).cancelled("no")).await?;
    for placed in [&rejected, &short, &unpaid, &undelivered, &cancelled] {
        shop.gone(placed).await?;
    }
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn an_order_with_undecided_money_stays() -> Tested {
    let shop = TestShop::open_with(policy().with("ttlAfterFinished", "0s")).await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop
        .place(order().item(&sku, 1).method("pm_sandbox_refund_fails").to_street("UNDELIVERABLE"))
        .await?;
    shop.rests(&placed, OrderPhase::Stuck, "RefundFailed").await?;
    assert!(shop.api::<Order>().get_opt(&placed.name).await?.is_some());
    shop.let_go(&placed).await?;
    shop.close().await
}

#[tokio::test]
async fn the_history_of_an_unknown_order_says_what_to_do() -> Tested {
    let shop = TestShop::open().await?;
    let ended = Program::supercargo(&["order", "history", "nosuch", "-n", &shop.namespace]).run().await?;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(
        ended.stderr.contains("no order named nosuch") && ended.stderr.contains("-n NAMESPACE"),
        "{ended:?}"
    );
    shop.close().await
}
