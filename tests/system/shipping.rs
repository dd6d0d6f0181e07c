//! Where parcels go: every end a carrier can bring, and what follows for money and goods.

use anyhow::Context as _;
use resources::{OrderPhase, Shipment};
use serde_json::json;
use testkit::{Level, TestShop, names, order};

use crate::Tested;
use crate::stages::{Stage, hold_at};

#[tokio::test]
async fn an_address_that_the_carrier_refuses_fails_the_order_and_the_money_goes_back() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 2).to_street("UNDELIVERABLE 1")).await?;
    let failed = shop.rests(&placed, OrderPhase::Failed, "ShippingFailed").await?;
    let message = failed.status.and_then(|status| status.message).context("a message")?;
    assert!(message.contains("25.00 EUR went back"), "{message}");
    shop.settled().await?;
    shop.money_becomes(&placed, 2500, 2500).await?;
    shop.stock_becomes(&sku, Level::of(5, 0)).await?;
    let mails = shop.stack.mails(&placed.id).await?;
    let failed =
        mails.iter().find(|mail| mail.subject.contains("has failed")).context("a mail of the failure")?;
    assert!(failed.text.as_deref().is_some_and(|text| text.contains("25.00 EUR")), "{failed:?}");
    shop.close().await
}

#[tokio::test]
async fn a_lost_parcel_is_refunded_and_its_goods_stay_gone() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 2).to_street("LOST Lane 3")).await?;
    shop.rests(&placed, OrderPhase::Failed, "ShippingFailed").await?;
    shop.settled().await?;
    shop.money_becomes(&placed, 2500, 2500).await?;
    shop.stock_becomes(&sku, Level::of(3, 0)).await?;
    assert!(names(&shop.history_of(&placed).await?).contains(&"shipment.lost"));
    shop.close().await
}

#[tokio::test]
async fn a_parcel_that_comes_back_is_refunded_and_its_goods_are_put_back() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 2).to_street("RETURN Road 4")).await?;
    shop.rests(&placed, OrderPhase::Failed, "ShippingFailed").await?;
    shop.settled().await?;
    shop.money_becomes(&placed, 2500, 2500).await?;
    shop.stock_becomes(&sku, Level::of(5, 0)).await?;
    shop.close().await
}

#[tokio::test]
async fn a_problem_on_the_way_is_told_and_the_parcel_arrives_after_all() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 2).to_street("EXCEPTION Alley 5")).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    let history = shop.history_of(&placed).await?;
    assert!(names(&history).contains(&"shipment.exception"), "{:?}", names(&history));
    let mails = shop.stack.mails(&placed.id).await?;
    assert_eq!(mails.iter().filter(|mail| mail.subject.contains("problem")).count(), 1, "{mails:?}");
    shop.close().await
}

#[tokio::test]
async fn address_and_service_may_change_until_the_order_is_paid_and_the_parcel_goes_there() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = hold_at(&shop, &sku, Stage::Declined).await?;
    shop.change(
        &placed,
        json!({"spec": {"shippingAddress": {"line1": "9 Low Street", "city": "Hamburg"}, "shippingService": "express"}}),
    )
    .await?;
    shop.change(&placed, json!({"spec": {"payment": {"method": "pm_card_visa"}}})).await?;
    shop.completes(&placed).await?;
    let shipment: Shipment = shop.child(&placed, "is there", |_: &Shipment| true).await?;
    assert_eq!(shipment.spec.shipping_address.city, "Hamburg");
    assert_eq!(shop.stack.parcels(&placed.id).await?[0].service, "express");
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_shipped_order_tells_its_tracking_number_and_when_to_expect_it() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&placed).await?;
    let shipment: Shipment = shop
        .child(&placed, "has a tracking number", |one: &Shipment| {
            one.status.as_ref().is_some_and(|status| status.tracking_number.is_some())
        })
        .await?;
    let status = shipment.status.context("a status")?;
    let url = status.tracking_url.context("a tracking URL")?;
    let number = status.tracking_number.context("a number")?;
    assert!(url.contains(&number), "{url}");
    assert!(status.estimated_delivery.is_some(), "the delivery is estimated");
    let page = shop.stack.http.get(&url).send().await?;
    assert!(page.status().is_success(), "{url} is no page: {}", page.status());
    shop.close().await
}

#[tokio::test]
async fn a_carrier_that_is_away_is_asked_until_it_is_back_and_sends_one_parcel() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let faults = shop.stack.faults().await;
    faults.of_carrier(json!({"next": 3, "status": 503, "match": "POST /v2/shipments"})).await?;
    let first = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&first).await?;
    // Booked, and the answer lost: booking it again must not send two parcels.
    faults
        .of_carrier(json!({"next": 1, "status": 500, "after": true, "match": "POST /v2/shipments"}))
        .await?;
    let second = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&second).await?;
    faults.end().await?;
    assert_eq!(shop.stack.parcels(&second.id).await?.len(), 1);
    shop.settled().await?;
    shop.close().await
}
