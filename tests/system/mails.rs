//! What customers are told: once, also when the mail server has a bad day, and never what others wrote as markup.

use anyhow::Context as _;
use resources::{Address, OrderPhase};
use serde_json::json;
use testkit::{TestShop, order};

use crate::Tested;
use crate::stages::{Stage, hold_at};

#[tokio::test]
async fn mails_that_the_server_refuses_at_first_come_once_all_the_same() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let faults = shop.stack.faults().await;
    faults.of_mail(json!({"next": 3})).await?;
    let placed = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&placed).await?;
    faults.end().await?;
    shop.settled().await?;
    let mails = shop.stack.mails(&placed.id).await?;
    let mut ids: Vec<_> = mails.iter().filter_map(|mail| mail.message_id.clone()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 4, "each mail has a message id of its own: {ids:?}");
    shop.close().await
}

#[tokio::test]
async fn what_a_customer_wrote_is_no_markup_in_a_mail() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let usual = order().build().spec.shipping_address;
    let address = Address { name: "<b>Eve</b> & \"Co\"".into(), ..usual };
    let placed = shop.place(order().item(&sku, 1).to(address)).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    let mail = shop.stack.mails(&placed.id).await?.into_iter().next().context("a mail")?;
    let html = mail.html.context("HTML")?;
    assert!(html.contains("Eve") && !html.contains("<b>Eve"), "{html}");
    assert!(mail.text.context("text")?.contains("<b>Eve</b>"));
    shop.close().await
}

#[tokio::test]
async fn the_mail_of_a_missing_payment_says_until_when_the_goods_are_held() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::Declined).await?;
    let text = testkit::eventually("the customer is told", || async {
        let mails = shop.stack.mails(&placed.id).await?;
        let mail =
            mails.into_iter().find(|mail| mail.subject.contains("Payment needed")).context("no mail")?;
        mail.text.context("no text")
    })
    .await?;
    assert!(text.contains("UTC"), "{text}");
    shop.cancel(&placed).await?;
    shop.reaches(&placed, OrderPhase::Cancelled).await?;
    shop.settled().await?;
    shop.close().await
}
