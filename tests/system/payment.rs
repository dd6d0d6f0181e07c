//! The customer's side of paying: declined, asked back, another method, once more, too late.

use anyhow::Context as _;
use resources::{OrderPhase, Payment, PaymentPhase};
use serde_json::json;
use testkit::{Level, TestShop, names, order, policy};

use crate::Tested;
use crate::stages::{ASKS_BACK, DECLINES, Stage, hold_at, intent_of, payment_is};

#[tokio::test]
async fn a_declined_order_is_paid_by_another_method() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::Declined).await?;
    let payment: Payment = shop.child(&placed, "says why", |one: &Payment| why(one).is_some()).await?;
    assert_eq!(why(&payment), Some("insufficient_funds"));
    shop.change(&placed, json!({"spec": {"payment": {"method": "pm_card_visa"}}})).await?;
    shop.completes(&placed).await?;
    let intents = shop.stack.intents(&placed.id).await?;
    let attempts: Vec<_> = intents
        .iter()
        .map(|intent| (intent.metadata.get("attempt").map(String::as_str), intent.status.as_str()))
        .collect();
    assert_eq!(attempts, [(Some("1"), "canceled"), (Some("2"), "succeeded")]);
    shop.settled().await?;
    shop.close().await
}

fn why(payment: &Payment) -> Option<&str> {
    payment.status.as_ref().and_then(|status| status.reason.as_deref())
}

#[tokio::test]
async fn the_same_method_is_tried_again_when_the_customer_wishes_so() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::Declined).await?;
    for retry in 1..=2 {
        shop.change(&placed, json!({"spec": {"payment": {"retry": retry}}})).await?;
        let attempt = i64::from(retry) + 1;
        let tried = |order: &resources::Order| {
            order.status.as_ref().is_some_and(|status| {
                let declined =
                    status.history.iter().filter(|entry| entry.phase == OrderPhase::AwaitingPayment).count();
                i64::try_from(declined) == Ok(attempt) && status.phase == Some(OrderPhase::AwaitingPayment)
            })
        };
        shop.wait(&placed, "was declined once more", tried).await?;
    }
    shop.change(&placed, json!({"spec": {"payment": {"method": "pm_card_mastercard", "retry": 0}}})).await?;
    shop.completes(&placed).await?;
    assert_eq!(shop.stack.intents(&placed.id).await?.len(), 4);
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn an_order_without_a_method_waits_for_one() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 1).without_method()).await?;
    shop.rests(&placed, OrderPhase::AwaitingPayment, "MethodMissing").await?;
    assert!(shop.stack.intents(&placed.id).await?.is_empty());
    shop.stock_becomes(&sku, Level::of(5, 1)).await?;
    shop.change(&placed, json!({"spec": {"payment": {"method": "pm_card_visa"}}})).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_method_that_the_provider_does_not_know_is_declined() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 1).method("pm_nonsense")).await?;
    shop.rests(&placed, OrderPhase::AwaitingPayment, "PaymentDeclined").await?;
    shop.change(&placed, json!({"spec": {"payment": {"method": "pm_card_visa"}}})).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_customer_whose_bank_asks_back_confirms_and_the_order_goes_on() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::ActionRequired).await?;
    let payment: Payment =
        shop.child(&placed, "says where to confirm", |one: &Payment| url(one).is_some()).await?;
    let link = url(&payment).context("a link")?.to_owned();
    let mails = testkit::eventually("the customer is told where to confirm", || async {
        let mails = shop.stack.mails(&placed.id).await?;
        anyhow::ensure!(mails.iter().any(|mail| mail.subject.contains("Payment needed")), "{mails:?}");
        Ok(mails)
    })
    .await?;
    let told = mails.iter().filter_map(|mail| mail.text.as_deref()).any(|text| text.contains(&link));
    assert!(told, "{link} is not in {mails:?}");
    shop.stack.authenticate(&intent_of(&shop, &placed).await?, "complete").await?;
    shop.completes(&placed).await?;
    assert_eq!(shop.stack.intents(&placed.id).await?.len(), 1);
    shop.settled().await?;
    shop.close().await
}

fn url(payment: &Payment) -> Option<&str> {
    payment.status.as_ref().and_then(|status| status.action_url.as_deref())
}

#[tokio::test]
async fn a_customer_who_fails_to_confirm_may_pay_by_another_method() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::ActionRequired).await?;
    shop.stack.authenticate(&intent_of(&shop, &placed).await?, "fail").await?;
    shop.rests(&placed, OrderPhase::AwaitingPayment, "PaymentDeclined").await?;
    shop.change(&placed, json!({"spec": {"payment": {"method": "pm_card_visa"}}})).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_customer_who_is_asked_back_may_choose_another_method_and_pays_once() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::ActionRequired).await?;
    let first = intent_of(&shop, &placed).await?;
    shop.change(&placed, json!({"spec": {"payment": {"method": "pm_card_visa"}}})).await?;
    shop.completes(&placed).await?;
    // Confirming the first one now is refused by the provider: it is void for certain.
    assert!(shop.stack.authenticate(&first, "complete").await.is_err());
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn an_order_that_is_not_paid_in_time_fails_and_its_goods_are_free() -> Tested {
    let shop = TestShop::open_with(policy().with("paymentTimeout", "2s")).await?;
    let sku = shop.article("12.50", 9).await?;
    let declined = shop.place(order().item(&sku, 2).method(DECLINES)).await?;
    let missing = shop.place(order().item(&sku, 2).without_method()).await?;
    let asked = shop.place(order().item(&sku, 2).method(ASKS_BACK)).await?;
    for placed in [&declined, &missing, &asked] {
        shop.rests(placed, OrderPhase::Failed, "PaymentTimeout").await?;
    }
    shop.settled().await?;
    let history = shop.history_of(&asked).await?;
    assert!(names(&history).contains(&"order.compensating"), "{:?}", names(&history));
    let intent = shop.stack.intents(&asked.id).await?.pop().context("an intent")?;
    assert_eq!(intent.status, "canceled", "what the customer was asked for can be confirmed no more");
    shop.close().await
}

#[tokio::test]
async fn capturing_on_dispatch_the_money_is_promised_first_and_taken_with_the_label() -> Tested {
    let shop = TestShop::open_with(policy().with("capture", "OnDispatch")).await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 2)).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    let history = shop.history_of(&placed).await?;
    let told = names(&history);
    let place = |event: &str| {
        told.iter().position(|one| *one == event).with_context(|| format!("{event} in {told:?}"))
    };
    assert!(place("payment.authorized")? < place("shipment.booked")?, "{told:?}");
    assert!(place("shipment.booked")? < place("payment.captured")?, "{told:?}");
    assert!(place("payment.captured")? < place("order.shipped")?, "{told:?}");
    shop.close().await
}

#[tokio::test]
async fn a_promise_that_lapses_before_the_label_brings_the_order_back_to_the_customer() -> Tested {
    let shop = TestShop::open_with(policy().with("capture", "OnDispatch")).await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::Paid).await?;
    let intent = intent_of(&shop, &placed).await?;
    shop.stack.stripe_post(&format!("/v1/payment_intents/{intent}/cancel"), &[]).await?;
    payment_is(&shop, &placed, PaymentPhase::Declined).await?;
    shop.change(&placed, json!({"spec": {"suspend": false}})).await?;
    shop.rests(&placed, OrderPhase::AwaitingPayment, "PaymentDeclined").await?;
    shop.change(&placed, json!({"spec": {"payment": {"method": "pm_card_visa"}}})).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    shop.close().await
}
