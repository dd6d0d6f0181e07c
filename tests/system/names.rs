//! Names are remembered: what was delivered once is not sold again when its manifest comes back.

use resources::OrderPhase;
use testkit::{TestShop, eventually, order};

use crate::Tested;

#[tokio::test]
async fn the_name_of_a_delivered_order_that_comes_back_after_the_archive_is_not_sold_twice() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let first = shop.place(order().named("web-1").item(&sku, 1).gone_after(0)).await?;
    shop.gone(&first).await?;
    let again = shop.place(order().named("web-1").item(&sku, 1)).await?;
    let rejected = shop.rests(&again, OrderPhase::Rejected, "AlreadyProcessed").await?;
    let message = rejected.status.and_then(|status| status.message).unwrap_or_default();
    assert!(message.contains("supercargo order history"), "{message}");
    assert_ne!(first.id, again.id);
    assert!(shop.stack.intents(&again.id).await?.is_empty());
    shop.stock_becomes(&sku, testkit::Level::of(4, 0)).await?;
    shop.money_becomes(&first, 1250, 0).await?;
    eventually("the history knows both", || async {
        let history = shop.stack.history(&shop.namespace, "web-1").await?;
        anyhow::ensure!(history.order_id.as_ref() == Some(&again.id), "it is of {:?}", history.order_id);
        assert_eq!(history.earlier_order_ids, std::slice::from_ref(&first.id));
        Ok(())
    })
    .await?;
    shop.close().await
}

#[tokio::test]
async fn the_name_of_a_deleted_delivered_order_is_remembered_too() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let first = shop.place(order().named("web-2").item(&sku, 1)).await?;
    shop.completes(&first).await?;
    shop.delete(&first).await?;
    shop.gone(&first).await?;
    let again = shop.place(order().named("web-2").item(&sku, 1)).await?;
    shop.rests(&again, OrderPhase::Rejected, "AlreadyProcessed").await?;
    shop.stock_becomes(&sku, testkit::Level::of(4, 0)).await?;
    shop.close().await
}

#[tokio::test]
async fn an_order_that_ended_without_goods_may_try_again_under_its_name() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 1).await?;
    let failed = shop.place(order().named("web-3").item(&sku, 2).gone_after(0)).await?;
    shop.gone(&failed).await?;
    let cancelled =
        shop.place(order().named("web-3").item(&sku, 1).cancelled("not yet").gone_after(0)).await?;
    shop.gone(&cancelled).await?;
    let sold = shop.place(order().named("web-3").item(&sku, 1)).await?;
    shop.completes(&sold).await?;
    shop.stock_becomes(&sku, testkit::Level::of(0, 0)).await?;
    shop.close().await
}

#[tokio::test]
async fn the_same_name_in_another_namespace_is_another_order() -> Tested {
    let shop = TestShop::open().await?;
    let other = shop.stack.shop().await?;
    let sku = shop.article("12.50", 2).await?;
    let here = shop.place(order().named("web-4").item(&sku, 1)).await?;
    shop.completes(&here).await?;
    let there = other.place(order().named("web-4").item(&sku, 1)).await?;
    other.completes(&there).await?;
    other.close().await?;
    shop.close().await
}

#[tokio::test]
async fn an_order_deleted_and_applied_again_at_once_is_carried_out_as_the_new_one() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let first = shop.place(order().named("web-5").item(&sku, 1).without_method()).await?;
    shop.rests(&first, OrderPhase::AwaitingPayment, "MethodMissing").await?;
    shop.delete(&first).await?;
    shop.gone(&first).await?;
    // Its children may still be on their way out.
    let second = shop.place(order().named("web-5").item(&sku, 2)).await?;
    shop.completes(&second).await?;
    shop.stock_becomes(&sku, testkit::Level::of(3, 0)).await?;
    shop.close().await
}
