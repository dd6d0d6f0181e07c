//! Orders that are refused before anything is done: nothing is held, nothing is charged, nobody is bothered.

use accounts::client;
use anyhow::Context as _;
use money::{Currency, Money};
use resources::{Order, OrderPhase};
use testkit::{Level, OrderBuilder, TestShop, names, order, policy, unique};

use crate::Tested;

/// Places the order, which must be rejected for `reason` with a message that contains `word`, leaving no trace.
pub(crate) async fn rejected(
    shop: &TestShop,
    order: OrderBuilder,
    reason: &str,
    word: &str,
) -> anyhow::Result<Order> {
    let placed = shop.place(order).await?;
    let rejected = shop.rests(&placed, OrderPhase::Rejected, reason).await?;
    let status = rejected.status.clone().context("a status")?;
    let message = status.message.clone().unwrap_or_default();
    anyhow::ensure!(message.contains(word), "{reason} is told as {message:?}, without {word:?}");
    anyhow::ensure!(status.sequence == 1, "a rejection is one transition, not {}", status.sequence);
    shop.settled().await?;
    anyhow::ensure!(shop.stack.intents(&placed.id).await?.is_empty(), "the provider was asked");
    anyhow::ensure!(names(&shop.history_of(&placed).await?) == ["order.rejected"]);
    Ok(rejected)
}

#[tokio::test]
async fn an_unknown_article_rejects_the_order() -> Tested {
    let shop = TestShop::open().await?;
    let known = shop.article("1.00", 5).await?;
    let unknown = unique("NOSUCH").to_uppercase();
    let placed = order().item(&known, 1).item(&unknown, 1);
    let order = rejected(&shop, placed, "UnknownArticle", &unknown).await?;
    let accepted =
        order.status.and_then(|status| resources::find_condition(&status.conditions, "Accepted").cloned());
    assert_eq!(accepted.map(|accepted| accepted.status).as_deref(), Some("False"));
    shop.stock_becomes(&known, Level::of(5, 0)).await?;
    shop.close().await
}

#[tokio::test]
async fn an_unknown_customer_rejects_the_order() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("1.00", 5).await?;
    let nobody = unique("c");
    rejected(&shop, order().item(&sku, 1).customer(&nobody, "nobody@example.com"), "CustomerUnknown", "")
        .await?;
    shop.close().await
}

#[tokio::test]
async fn a_known_customer_may_order_and_a_disabled_one_may_not() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("1.00", 5).await?;
    let id = unique("c");
    let email = format!("{id}@example.com");
    client::add(&shop.stack.nats, &email, Some(&id), Some("A. Shopper")).await?;
    let first = shop.place(order().item(&sku, 1).customer(&id, &email)).await?;
    shop.completes(&first).await?;
    client::disable(&shop.stack.nats, &id).await?;
    rejected(&shop, order().item(&sku, 1).customer(&id, &email), "CustomerDisabled", "").await?;
    client::enable(&shop.stack.nats, &id).await?;
    let again = shop.place(order().item(&sku, 1).customer(&id, &email)).await?;
    shop.completes(&again).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn an_unknown_coupon_rejects_the_order() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("1.00", 5).await?;
    rejected(&shop, order().item(&sku, 1).coupon("NOSUCHCOUPON"), "CouponUnknown", "NOSUCHCOUPON").await?;
    shop.close().await
}

#[tokio::test]
async fn a_price_that_changed_since_the_shopper_looked_rejects_the_order() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("10.00", 5).await?;
    let seen = Money::parse("10.00", Currency::EUR)?;
    let bought = shop.place(order().item(&sku, 1).expecting(seen)).await?;
    shop.completes(&bought).await?;
    shop.stack.price(&sku, "11.00").await?;
    rejected(&shop, order().item(&sku, 1).expecting(seen), "PriceChanged", "11.00 EUR").await?;
    shop.close().await
}

#[tokio::test]
async fn another_currency_than_the_shops_rejects_the_order() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("10.00", 5).await?;
    let dollars = Money::parse("10.00", "USD".parse()?)?;
    rejected(&shop, order().item(&sku, 1).expecting(dollars), "CurrencyMismatch", "USD").await?;
    shop.set_policy(policy().with("currency", "USD")).await?;
    testkit::eventually("the policy is read live", || async {
        rejected(&shop, order().item(&sku, 1), "CurrencyMismatch", "").await.map(|_| ())
    })
    .await?;
    shop.close().await
}

#[tokio::test]
async fn an_order_cancelled_before_it_was_quoted_is_cancelled_and_nothing_else_happens() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("10.00", 5).await?;
    let placed = shop.place(order().item(&sku, 1).cancelled("changed my mind")).await?;
    shop.reaches(&placed, OrderPhase::Cancelled).await?;
    assert!(shop.stack.intents(&placed.id).await?.is_empty());
    shop.settled().await?;
    shop.close().await
}
