//! The provider's bad days: answers that never arrive, outages, money that moves late.

use anyhow::Context as _;
use resources::{OrderPhase, PaymentPhase};
use serde_json::json;
use testkit::{Faults, Level, Placed, TestShop, names, order};

use crate::Tested;
use crate::stages::{ASKS_BACK, paid_and_suspended, payment_is};

#[tokio::test]
async fn a_charge_whose_answer_never_arrives_is_found_out_and_made_once() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 1).method("pm_sandbox_timeout")).await?;
    // Long enough for whoever looks, although the provider knows it at once.
    shop.rests(&placed, OrderPhase::Reserved, "PaymentUnknown").await?;
    shop.completes(&placed).await?;
    assert_eq!(shop.stack.intents(&placed.id).await?.len(), 1);
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_charge_that_was_never_made_and_never_answered_is_declined_and_paid_otherwise() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 1).method("pm_sandbox_timeout_uncharged")).await?;
    shop.rests(&placed, OrderPhase::AwaitingPayment, "PaymentDeclined").await?;
    shop.money_becomes(&placed, 0, 0).await?;
    shop.change(&placed, json!({"spec": {"payment": {"method": "pm_card_visa"}}})).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn while_it_is_unknown_whether_money_was_taken_the_order_waits_and_says_so() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let (placed, faults) = unknown(&shop, &sku).await?;
    let waiting = shop.rests(&placed, OrderPhase::Reserved, "PaymentUnknown").await?;
    let status = waiting.status.context("a status")?;
    let paid = resources::find_condition(&status.conditions, "Paid").context("the condition Paid")?;
    assert_eq!(paid.status, "Unknown");
    faults.end().await?;
    shop.completes(&placed).await?;
    assert_eq!(shop.stack.intents(&placed.id).await?.len(), 1, "it is never charged blindly again");
    shop.settled().await?;
    assert!(names(&shop.history_of(&placed).await?).contains(&"payment.unknown"));
    shop.close().await
}

#[tokio::test]
async fn a_provider_that_is_away_is_asked_until_it_is_back() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 1).method("pm_sandbox_unavailable")).await?;
    shop.reaches(&placed, OrderPhase::Reserved).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn an_order_cancelled_while_its_charge_is_unknown_gives_back_what_arrives_late() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let (placed, faults) = unknown(&shop, &sku).await?;
    shop.rests(&placed, OrderPhase::Reserved, "PaymentUnknown").await?;
    shop.cancel(&placed).await?;
    // Nothing is released while it is not certain that no money is kept.
    shop.reaches(&placed, OrderPhase::Compensating).await?;
    shop.stock_becomes(&sku, Level::of(5, 1)).await?;
    faults.end().await?;
    shop.reaches(&placed, OrderPhase::Cancelled).await?;
    shop.settled().await?;
    shop.money_becomes(&placed, 1250, 1250).await?;
    shop.close().await
}

/// An order whose charge was made, whose answer never arrives, and of which the provider cannot be asked meanwhile.
async fn unknown<'a>(shop: &'a TestShop, sku: &str) -> anyhow::Result<(Placed, Faults<'a>)> {
    let faults = shop.stack.faults().await;
    let placed = shop.place(order().item(sku, 1).method("pm_sandbox_timeout")).await?;
    let intent = testkit::eventually("there is an intent", || async {
        let intents = shop.stack.intents(&placed.id).await?;
        intents.into_iter().next().context("there is none")
    })
    .await?;
    let asked = format!("GET /v1/payment_intents/{}", intent.id);
    faults.of_stripe(json!({"rate": 1.0, "status": 503, "match": asked})).await?;
    Ok((placed, faults))
}

#[tokio::test]
async fn an_order_cancelled_while_the_bank_is_still_at_it_keeps_no_money() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 2).method("pm_sandbox_late")).await?;
    shop.reaches(&placed, OrderPhase::Reserved).await?;
    shop.cancel(&placed).await?;
    shop.reaches(&placed, OrderPhase::Cancelled).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn money_that_arrives_after_the_end_goes_back_at_once_and_is_in_the_history() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    // The provider refused to make the intent: of the order it knows nothing.
    let placed = shop.place(order().item(&sku, 2).method("pm_nonsense")).await?;
    shop.rests(&placed, OrderPhase::AwaitingPayment, "PaymentDeclined").await?;
    shop.cancel(&placed).await?;
    shop.reaches(&placed, OrderPhase::Cancelled).await?;
    // Another charge of the same order, as of a request that was on its way all the time.
    let name = format!("{}/{}", shop.namespace, placed.name);
    shop.stack
        .stripe_post(
            "/v1/payment_intents",
            &[
                ("amount", "2500"),
                ("currency", "eur"),
                ("payment_method", "pm_card_visa"),
                ("confirm", "true"),
                ("metadata[order]", &name),
                ("metadata[order_id]", &placed.id),
                ("metadata[attempt]", "1"),
            ],
        )
        .await?;
    shop.money_becomes(&placed, 2500, 2500).await?;
    shop.settled().await?;
    testkit::eventually("the history tells the refund", || async {
        let history = shop.history_of(&placed).await?;
        anyhow::ensure!(names(&history).contains(&"payment.refunded"), "it tells {:?}", names(&history));
        Ok(())
    })
    .await?;
    shop.reaches(&placed, OrderPhase::Cancelled).await?;
    shop.close().await
}

#[tokio::test]
async fn a_second_charge_of_a_paid_order_goes_back_and_the_first_one_stays() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&placed).await?;
    shop.stack
        .stripe_post(
            "/v1/payment_intents",
            &[
                ("amount", "1250"),
                ("currency", "eur"),
                ("payment_method", "pm_card_visa"),
                ("confirm", "true"),
                ("metadata[order_id]", &placed.id),
                ("metadata[attempt]", "1"),
            ],
        )
        .await?;
    shop.money_becomes(&placed, 2500, 1250).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_refund_that_the_provider_refuses_for_good_leaves_the_order_stuck_and_its_goods_free() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop
        .place(order().item(&sku, 2).method("pm_sandbox_refund_fails").to_street("UNDELIVERABLE"))
        .await?;
    shop.rests(&placed, OrderPhase::Stuck, "RefundFailed").await?;
    payment_is(&shop, &placed, PaymentPhase::Failed).await?;
    shop.stock_becomes(&sku, Level::of(5, 0)).await?;
    shop.money_becomes(&placed, 2500, 0).await?;
    let history = shop.history_of(&placed).await?;
    assert!(names(&history).contains(&"order.stuck"), "{:?}", names(&history));
    crate::stages::event_is_told(&shop, &placed, "RefundFailed").await?;
    shop.let_go(&placed).await?;
    shop.close().await
}

#[tokio::test]
async fn a_provider_that_loses_requests_and_answers_takes_and_gives_back_to_the_cent() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 20).await?;
    let undone = paid_and_suspended(&shop, &sku, ASKS_BACK).await?;
    let faults = shop.stack.faults().await;
    faults.of_stripe(json!({"next": 2, "status": 503, "match": "POST /v1/refunds"})).await?;
    shop.cancel(&undone).await?;
    shop.reaches(&undone, OrderPhase::Cancelled).await?;
    // Executed, and the answer lost: repeating it must not charge again.
    faults
        .of_stripe(json!({"next": 4, "status": 500, "after": true, "match": "POST /v1/payment_intents"}))
        .await?;
    let bought = futures::future::try_join_all((0..3).map(|_| shop.place(order().item(&sku, 1)))).await?;
    futures::future::try_join_all(bought.iter().map(|one| shop.completes(one))).await?;
    faults.end().await?;
    shop.settled().await?;
    shop.close().await
}
