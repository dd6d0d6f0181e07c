//! An order that is applied is carried to its end, and everything behind it is right.

use anyhow::Context as _;
use kube::api::{Api, ListParams, Patch, PatchParams};
use resources::{
    Order, OrderPhase, Payment, PaymentPhase, ReservationPhase, Shipment, ShipmentPhase, StockReservation,
};
use serde_json::json;
use testkit::{Level, Program, TestShop, names, order, policy};

use crate::Tested;

fn manifest(sku: &str) -> String {
    format!(
        "apiVersion: supercargo.dev/v1alpha1
kind: Order
metadata: {{name: web-1001}}
spec:
  customer: {{email: web-1001@example.com}}
  items: [{{sku: {sku}, quantity: 2}}]
  shippingAddress: {{name: A. Shopper, line1: 1 High Street, city: Berlin, postalCode: \"10115\", country: DE}}
  payment: {{method: pm_card_visa}}
  expectedTotal: {{amount: \"31.80\", currency: EUR}}
"
    )
}

#[tokio::test]
async fn an_order_applied_with_kubectl_is_delivered_and_everything_behind_it_is_right() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("15.90", 10).await?;
    let applied = Program::kubectl(&shop.namespace, &["apply", "-f", "-"]).run_with(&manifest(&sku)).await?;
    assert_eq!(applied.stdout, "order.supercargo.dev/web-1001 created\n", "{}", applied.stderr);
    let placed = shop.remember(&shop.api::<Order>().get("web-1001").await?)?;

    let kubectl = |arguments: &[&str]| Program::kubectl(&shop.namespace, arguments);
    kubectl(&["wait", "order/web-1001", "--for=condition=Finished", "--timeout=60s"]).answer().await?;
    kubectl(&["wait", "order/web-1001", "--for=jsonpath={.status.phase}=Completed", "--timeout=60s"])
        .answer()
        .await?;

    // The status.
    let completed = shop.completes(&placed).await?;
    let status = completed.status.clone().context("a status")?;
    assert_eq!(status.total.map(|total| total.to_string()).as_deref(), Some("31.80 EUR"));
    assert_eq!(status.sequence, 5);
    let phases: Vec<OrderPhase> = status.history.iter().map(|entry| entry.phase).collect();
    assert_eq!(
        phases,
        [
            OrderPhase::Placed,
            OrderPhase::Reserved,
            OrderPhase::Paid,
            OrderPhase::Shipped,
            OrderPhase::Completed
        ]
    );
    for (condition, expected) in [
        ("Accepted", "True"),
        ("StockReserved", "True"),
        ("Paid", "True"),
        ("Shipped", "True"),
        ("Finished", "True"),
    ] {
        let found = resources::find_condition(&status.conditions, condition).context("the condition")?;
        assert_eq!(found.status, expected, "{condition}: {found:?}");
    }
    assert!(status.start_time.is_some() && status.completion_time.is_some());

    // The provider's books.
    let intents = shop.stack.intents(&placed.id).await?;
    assert_eq!(intents.len(), 1);
    assert_eq!((intents[0].amount_received, intents[0].currency.as_str()), (3180, "eur"));
    let metadata = |key: &str| intents[0].metadata.get(key).cloned();
    assert_eq!(metadata("order"), Some(format!("{}/web-1001", shop.namespace)));
    assert_eq!(metadata("order_id"), Some(placed.id.clone()));
    assert_eq!(metadata("attempt").as_deref(), Some("1"));
    shop.money_becomes(&placed, 3180, 0).await?;

    // The carrier's.
    let parcels = shop.stack.parcels(&placed.id).await?;
    assert_eq!(parcels.len(), 1);
    assert_eq!((parcels[0].status.as_str(), parcels[0].service.as_str()), ("delivered", "standard"));
    assert_eq!(parcels[0].items, [json!({"sku": sku, "quantity": 2})]);
    let tracking = parcels[0].tracking_code.clone().context("a tracking number")?;
    assert_eq!(status.tracking.as_deref(), Some(tracking.as_str()));

    // The ledger, the history and the mails.
    shop.settled().await?;
    shop.stock_becomes(&sku, Level::of(8, 0)).await?;
    let mails = shop.stack.mails(&placed.id).await?;
    assert_eq!(mails.len(), 4, "{mails:?}");
    let shipped =
        mails.iter().find(|mail| mail.subject.contains("shipped")).context("a mail of the parcel")?;
    assert!(shipped.text.as_deref().is_some_and(|text| text.contains(&tracking)), "{shipped:?}");
    assert!(shipped.html.as_deref().is_some_and(|html| html.contains(&tracking)), "{shipped:?}");

    // What people see.
    let wide = kubectl(&["get", "orders", "-o", "wide"]).answer().await?;
    let lines: Vec<Vec<&str>> = wide.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines[0],
        ["NAME", "PHASE", "TOTAL", "CUSTOMER", "REASON", "PAYMENT", "TRACKING", "AGE"],
        "{wide}"
    );
    assert_eq!(lines[1][..4], ["web-1001", "Completed", "31.80", "web-1001@example.com"], "{wide}");
    assert!(wide.contains("Captured") && wide.contains(&tracking), "{wide}");
    let short = kubectl(&["get", "ord,stk,pay,shp"]).answer().await?;
    for word in ["Completed", "Committed", "Captured", "Delivered"] {
        assert!(short.contains(word), "{short}");
    }
    let selected = kubectl(&["get", "orders", "--field-selector", "status.phase=Completed", "-o", "name"])
        .answer()
        .await?;
    assert_eq!(selected, "order.supercargo.dev/web-1001\n");
    shop.close().await
}

#[tokio::test]
async fn the_history_tells_every_event_of_a_delivered_order_once() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("5.00", 3).await?;
    let placed = shop.place(order().item(&sku, 1).express()).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    let history = shop.history_of(&placed).await?;
    let mut told = names(&history);
    told.sort_unstable();
    for event in [
        "order.placed",
        "stock.reserved",
        "order.reserved",
        "payment.captured",
        "order.paid",
        "shipment.booked",
        "shipment.dispatched",
        "order.shipped",
        "stock.committed",
        "shipment.delivered",
        "order.completed",
    ] {
        assert_eq!(told.iter().filter(|one| **one == event).count(), 1, "{event} in {told:?}");
    }
    let table =
        Program::supercargo(&["order", "history", &placed.name, "-n", &shop.namespace]).answer().await?;
    assert!(table.contains("order.completed") && table.contains("payment.captured"), "{table}");
    assert_eq!(shop.stack.parcels(&placed.id).await?[0].service, "express");
    shop.close().await
}

#[tokio::test]
async fn the_children_carry_the_orders_name_owner_and_label_and_go_with_it() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("5.00", 3).await?;
    let placed = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&placed).await?;
    let selected = ListParams::default().labels(&format!("supercargo.dev/order={}", placed.name));
    let reservations = shop.api::<StockReservation>().list(&selected).await?.items;
    let payments = shop.api::<Payment>().list(&selected).await?.items;
    let shipments = shop.api::<Shipment>().list(&selected).await?.items;
    let phase = reservations[0].status.as_ref().and_then(|status| status.phase);
    assert_eq!((reservations.len(), phase), (1, Some(ReservationPhase::Committed)));
    let phase = payments[0].status.as_ref().and_then(|status| status.phase);
    assert_eq!((payments.len(), phase), (1, Some(PaymentPhase::Captured)));
    let phase = shipments[0].status.as_ref().and_then(|status| status.phase);
    assert_eq!((shipments.len(), phase), (1, Some(ShipmentPhase::Delivered)));
    for metadata in [&reservations[0].metadata, &payments[0].metadata, &shipments[0].metadata] {
        assert_eq!(metadata.name.as_deref(), Some(placed.name.as_str()));
        let owners = metadata.owner_references.clone().unwrap_or_default();
        assert_eq!(owners.iter().map(|owner| owner.uid.as_str()).collect::<Vec<_>>(), [placed.id.as_str()]);
    }
    shop.delete(&placed).await?;
    shop.gone(&placed).await?;
    let name = placed.name.as_str();
    testkit::eventually("the children go with the order", || async {
        let left = (
            shop.api::<StockReservation>().get_opt(name).await?.is_some(),
            shop.api::<Payment>().get_opt(name).await?.is_some(),
            shop.api::<Shipment>().get_opt(name).await?.is_some(),
        );
        anyhow::ensure!(left == (false, false, false), "left are reservation, payment, shipment: {left:?}");
        Ok(())
    })
    .await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn many_lines_are_sold_and_paid_to_the_cent() -> Tested {
    let shop = TestShop::open().await?;
    let mut builder = order();
    let mut cents = 0;
    for (price, quantity) in [("0.01", 3_u32), ("19.99", 7), ("100.10", 1), ("0.00", 2)] {
        let sku = shop.article(price, 50).await?;
        builder = builder.item(&sku, quantity);
        let price = money::Money::parse(price, money::Currency::EUR)?;
        cents += price.minor_units() * i64::from(quantity);
    }
    let placed = shop.place(builder).await?;
    let completed = shop.completes(&placed).await?;
    let total = completed.status.and_then(|status| status.total).context("a total")?;
    assert_eq!(total.minor_units(), cents);
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn an_order_that_costs_nothing_is_delivered_too() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("0.00", 1).await?;
    let placed = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_shop_in_yen_sells_in_yen() -> Tested {
    let shop = TestShop::open_with(policy().with("currency", "JPY")).await?;
    let sku = shop.article("12.50", 1).await?;
    let placed = shop.place(order().item(&sku, 1)).await?;
    // The article is priced in euros: the shop cannot sell it.
    shop.rests(&placed, OrderPhase::Rejected, "CurrencyMismatch").await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn with_complete_on_dispatch_the_order_is_completed_when_the_carrier_has_it() -> Tested {
    let shop = TestShop::open_with(policy().with("completeOn", "Dispatch")).await?;
    let sku = shop.article("5.00", 3).await?;
    // A parcel that is lost later is no matter of the order any more.
    for street in ["1 High Street", "LOST Road"] {
        let placed = shop.place(order().item(&sku, 1).to_street(street)).await?;
        let completed = shop.completes(&placed).await?;
        assert_eq!(completed.status.context("a status")?.history.len(), 5);
        shop.money_becomes(&placed, 500, 0).await?;
    }
    shop.close().await
}

#[tokio::test]
async fn a_status_that_is_only_read_by_people_takes_few_writes() -> Tested {
    let shop = TestShop::open_with(policy().with("statusDelay", "10s")).await?;
    let sku = shop.article("5.00", 3).await?;
    let placed = shop.place(order().item(&sku, 1)).await?;
    let completed = shop.completes(&placed).await?;
    // Phases that were overtaken are not written, but none is lost.
    assert_eq!(completed.status.context("a status")?.history.len(), 5);
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn kubectl_applies_edits_labels_and_explains_an_order() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("15.90", 10).await?;
    let kubectl = |arguments: &[&str]| Program::kubectl(&shop.namespace, arguments);
    let yaml = manifest(&sku);
    let server_side = kubectl(&["apply", "--server-side", "-f", "-"]).run_with(&yaml).await?;
    assert_eq!(server_side.code, Some(0), "{}", server_side.stderr);
    let placed = shop.remember(&shop.api::<Order>().get("web-1001").await?)?;
    shop.completes(&placed).await?;
    let again = kubectl(&["apply", "--server-side", "-f", "-"]).run_with(&yaml).await?;
    assert_eq!(again.code, Some(0), "applying the same again changes nothing: {}", again.stderr);
    kubectl(&["label", "order", "web-1001", "channel=web"]).answer().await?;
    kubectl(&[
        "patch",
        "order",
        "web-1001",
        "--type=merge",
        "-p",
        r#"{"spec":{"ttlSecondsAfterFinished":7200}}"#,
    ])
    .answer()
    .await?;
    let explained = kubectl(&["explain", "order.spec.items"]).answer().await?;
    assert!(explained.contains("What is ordered"), "{explained}");
    let all = kubectl(&["get", "supercargo", "-o", "name"]).answer().await?;
    for kind in ["order", "payment", "shipment", "stockreservation"] {
        assert!(all.contains(&format!("{kind}.supercargo.dev/web-1001")), "{all}");
    }
    let api: Api<Order> = shop.api();
    let apply = json!({"apiVersion": "supercargo.dev/v1alpha1", "kind": "Order", "metadata": {"name": "web-1001"},
        "spec": {"suspend": true}});
    api.patch("web-1001", &PatchParams::apply("another"), &Patch::Apply(&apply)).await?;
    shop.settled().await?;
    kubectl(&["delete", "order", "web-1001", "--timeout=60s"]).answer().await?;
    shop.close().await
}
