//! Events as others read them: CloudEvents in binary mode, each with an id of its own, in the streams of the catalogue.

use std::collections::BTreeSet;

use anyhow::Context as _;
use events::{Event, EventType, OrderTransition, PriceChanged, StockLevel};
use testkit::{TestShop, order};

use crate::Tested;

#[tokio::test]
async fn every_transition_of_an_order_is_a_cloud_event_with_an_id_of_its_own() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    let placed = shop.place(order().item(&sku, 2)).await?;
    shop.completes(&placed).await?;
    let found = shop.stack.events_about("supercargo.event.order.>", &placed.id, 5).await?;
    let mut types = Vec::new();
    for (number, (headers, data)) in (1..).zip(&found) {
        let header = |name: &str| headers.get(name).map(|value| value.as_str()).unwrap_or_default();
        assert_eq!(header("ce-specversion"), "1.0");
        assert_eq!(header("ce-source"), "/supercargo/operator");
        assert_eq!(header("ce-id"), format!("{}/{number}", placed.id));
        assert_eq!(header("Nats-Msg-Id"), header("ce-id"));
        assert!(header("traceparent").starts_with("00-"), "{headers:?}");
        let event = Event::read(Some(headers), data.to_string().as_bytes())?;
        let transition: OrderTransition = event.data()?;
        assert_eq!((transition.sequence, transition.name.as_str()), (number, placed.name.as_str()));
        types.push(event.event_type);
    }
    assert_eq!(
        types,
        [
            EventType::OrderPlaced,
            EventType::OrderReserved,
            EventType::OrderPaid,
            EventType::OrderShipped,
            EventType::OrderCompleted
        ]
    );
    let all = shop.stack.events_about("supercargo.event.>", &placed.id, 11).await?;
    let ids: BTreeSet<_> =
        all.iter().filter_map(|(headers, _)| Some(headers.get("ce-id")?.as_str().to_owned())).collect();
    assert_eq!(ids.len(), 11, "{ids:?}");
    shop.close().await
}

#[tokio::test]
async fn levels_and_prices_that_change_are_told_with_their_article() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 5).await?;
    shop.stack.price(&sku, "13.00").await?;
    let placed = shop.place(order().item(&sku, 2)).await?;
    shop.completes(&placed).await?;
    let levels = shop.stack.events_about(EventType::StockLevelChanged.subject(), &sku, 3).await?;
    let levels: Vec<StockLevel> =
        levels.into_iter().map(|(_, data)| serde_json::from_value(data)).collect::<Result<_, _>>()?;
    let told: Vec<_> = levels.iter().map(|level| (level.on_hand, level.reserved, level.available)).collect();
    assert_eq!(told, [(5, 0, 5), (5, 2, 3), (3, 0, 3)]);
    let prices = shop.stack.events_about(EventType::PriceChanged.subject(), &sku, 1).await?;
    let last: PriceChanged = serde_json::from_value(prices.last().context("a price")?.1.clone())?;
    assert_eq!((last.sku, last.price.currency()), (sku, money::Currency::EUR));
    shop.close().await
}
