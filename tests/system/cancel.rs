//! An order is cancelled at every stage: everything is undone, or it is said why not.

use resources::{OrderPhase, PaymentPhase};
use serde_json::json;
use testkit::{Placed, Program, TestShop, names, order, policy};

use crate::Tested;
use crate::stages::{ASKS_BACK, Stage, event_is_told, hold_at, label_of, paid_and_suspended, payment_is};

/// Cancels an order at the stage; it must end `Cancelled`, with nothing kept.
async fn cancelled_at(shop: &TestShop, stage: Stage) -> anyhow::Result<Placed> {
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(shop, &sku, stage).await?;
    shop.cancel(&placed).await?;
    shop.rests(&placed, OrderPhase::Cancelled, "CancelRequested").await?;
    shop.settled().await?;
    Ok(placed)
}

#[tokio::test]
async fn a_placed_order_is_cancelled() -> Tested {
    let shop = TestShop::open().await?;
    let placed = cancelled_at(&shop, Stage::Placed).await?;
    assert!(shop.stack.intents(&placed.id).await?.is_empty());
    shop.close().await
}

#[tokio::test]
async fn a_reserved_order_is_cancelled_once_it_is_certain_that_nothing_was_charged() -> Tested {
    let shop = TestShop::open().await?;
    let placed = cancelled_at(&shop, Stage::Reserved).await?;
    shop.money_becomes(&placed, 0, 0).await?;
    shop.close().await
}

#[tokio::test]
async fn an_order_that_awaits_its_payment_is_cancelled() -> Tested {
    let shop = TestShop::open().await?;
    cancelled_at(&shop, Stage::Declined).await?;
    let asked = cancelled_at(&shop, Stage::ActionRequired).await?;
    let intents = shop.stack.intents(&asked.id).await?;
    assert_eq!(intents.iter().map(|intent| intent.status.as_str()).collect::<Vec<_>>(), ["canceled"]);
    shop.close().await
}

#[tokio::test]
async fn a_paid_order_is_cancelled_and_refunded() -> Tested {
    let shop = TestShop::open().await?;
    let placed = cancelled_at(&shop, Stage::Paid).await?;
    shop.money_becomes(&placed, 2500, 2500).await?;
    let mails = shop.stack.mails(&placed.id).await?;
    let told = mails
        .iter()
        .filter(|mail| mail.subject.contains("is cancelled"))
        .filter_map(|mail| mail.text.as_deref());
    assert!(told.clone().any(|text| text.contains("25.00 EUR")), "{:?}", told.collect::<Vec<_>>());
    shop.close().await
}

#[tokio::test]
async fn a_promised_payment_is_voided_when_the_order_is_cancelled() -> Tested {
    let shop = TestShop::open_with(policy().with("capture", "OnDispatch")).await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = paid_and_suspended(&shop, &sku, ASKS_BACK).await?;
    shop.cancel(&placed).await?;
    shop.reaches(&placed, OrderPhase::Cancelled).await?;
    payment_is(&shop, &placed, PaymentPhase::Voided).await?;
    shop.money_becomes(&placed, 0, 0).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_cancel_that_races_the_carrier_ends_one_way_or_the_other_and_never_between() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 20).await?;
    for _ in 0..3 {
        let placed = shop.place(order().item(&sku, 2)).await?;
        label_of(&shop, &placed).await?;
        shop.cancel(&placed).await?;
        let ended = |order: &resources::Order| {
            let phase = order.status.as_ref().and_then(|status| status.phase);
            matches!(phase, Some(OrderPhase::Cancelled | OrderPhase::Completed))
        };
        shop.wait(&placed, "is cancelled or completed", ended).await?;
    }
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_shipped_order_cannot_be_cancelled_and_an_event_says_why() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 2)).await?;
    shop.wait(&placed, "is shipped", |order| {
        let phase = order.status.as_ref().and_then(|status| status.phase);
        matches!(phase, Some(OrderPhase::Shipped | OrderPhase::Completed))
    })
    .await?;
    shop.cancel(&placed).await?;
    shop.completes(&placed).await?;
    event_is_told(&shop, &placed, "CancelRefused").await?;
    shop.settled().await?;
    shop.money_becomes(&placed, 2500, 0).await?;
    shop.close().await
}

#[tokio::test]
async fn a_completed_order_stays_completed_when_it_is_cancelled() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 2)).await?;
    shop.completes(&placed).await?;
    shop.cancel(&placed).await?;
    event_is_told(&shop, &placed, "CancelRefused").await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_cancel_right_after_the_order_leaves_nothing_behind() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 50).await?;
    let mut placed = Vec::new();
    for _ in 0..8 {
        let one = shop.place(order().item(&sku, 1)).await?;
        shop.cancel(&one).await?;
        placed.push(one);
    }
    for one in &placed {
        shop.wait(one, "has ended", |order| {
            let phase = order.status.as_ref().and_then(|status| status.phase);
            matches!(phase, Some(OrderPhase::Cancelled | OrderPhase::Completed))
        })
        .await?;
    }
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn kubectl_tells_why_an_order_was_cancelled() -> Tested {
    let shop = TestShop::open().await?;
    let placed = cancelled_at(&shop, Stage::Declined).await?;
    let described = Program::kubectl(&shop.namespace, &["describe", "order", &placed.name]).answer().await?;
    assert!(described.contains("Cancelled: customer request."), "{described}");
    let wide = Program::kubectl(&shop.namespace, &["get", "ord", "-o", "wide"]).answer().await?;
    assert!(wide.contains("CancelRequested") && wide.contains("Voided"), "{wide}");
    assert!(names(&shop.history_of(&placed).await?).contains(&"order.compensating"));
    shop.close().await
}

#[tokio::test]
async fn a_suspended_order_can_be_cancelled_and_is_undone_all_the_same() -> Tested {
    let shop = TestShop::open_with(policy().with("paused", true)).await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 2)).await?;
    shop.rests(&placed, OrderPhase::Placed, "Suspended").await?;
    shop.change(&placed, json!({"spec": {"cancel": {"reason": "closed today"}}})).await?;
    shop.reaches(&placed, OrderPhase::Cancelled).await?;
    shop.settled().await?;
    shop.close().await
}
