//! At-least-once delivery, effectively once in every ledger: repeated, late, forged and unreadable messages.

use anyhow::Context as _;
use async_nats::HeaderMap;
use events::{Command, EventType, OrderTransition};
use jiff::Timestamp;
use kube::ResourceExt;
use resources::{
    Line, OrderPhase, OrderReference, Payment, PaymentDesired, ReservationDesired, Shipment,
    StockReservation, StockReservationSpec,
};
use serde_json::json;
use testkit::{Level, Placed, TestShop, eventually, names, order, raw_event, transition_event};

use crate::Tested;
use crate::stages::{DECLINES, Stage, hold_at};

/// The command that the operator sends for a child.
fn command<C: kube::Resource, S: Clone>(placed: &Placed, child: &C, spec: &S) -> Command<S> {
    Command {
        order_id: placed.id.clone(),
        namespace: child.meta().namespace.clone().unwrap_or_default(),
        name: placed.name.clone(),
        uid: child.meta().uid.clone(),
        generation: child.meta().generation.unwrap_or_default(),
        sent_at: Timestamp::now(),
        spec: spec.clone(),
    }
}

#[tokio::test]
async fn the_same_command_delivered_five_times_has_one_effect() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 10).await?;
    let placed = shop.place(order().item(&sku, 2)).await?;
    let reservation: StockReservation = shop.child(&placed, "is there", |_: &StockReservation| true).await?;
    for _ in 0..5 {
        shop.stack.command(&command(&placed, &reservation, &reservation.spec)).await?;
    }
    let payment: Payment = shop.child(&placed, "is there", |_: &Payment| true).await?;
    for _ in 0..5 {
        shop.stack.command(&command(&placed, &payment, &payment.spec)).await?;
    }
    let shipment: Shipment = shop.child(&placed, "is there", |_: &Shipment| true).await?;
    for _ in 0..5 {
        shop.stack.command(&command(&placed, &shipment, &shipment.spec)).await?;
    }
    shop.completes(&placed).await?;
    assert_eq!(shop.stack.intents(&placed.id).await?.len(), 1);
    assert_eq!(shop.stack.parcels(&placed.id).await?.len(), 1);
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn an_older_command_after_a_newer_one_changes_nothing() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 10).await?;
    let placed = hold_at(&shop, &sku, Stage::ActionRequired).await?;
    let reservation: StockReservation = shop.child(&placed, "is there", |_: &StockReservation| true).await?;
    let payment: Payment = shop.child(&placed, "is there", |_: &Payment| true).await?;
    shop.cancel(&placed).await?;
    shop.reaches(&placed, OrderPhase::Cancelled).await?;
    let mut charge = payment.spec.clone();
    charge.method = Some("pm_card_visa".into());
    charge.desired = PaymentDesired::Captured;
    shop.stack.command(&command(&placed, &payment, &charge)).await?;
    shop.stack.command(&command(&placed, &reservation, &reservation.spec)).await?;
    // A later attempt that claims to be new is no way around the end either, once the order has ended.
    let marker = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&marker).await?;
    shop.settled().await?;
    assert_eq!(shop.stack.intents(&placed.id).await?.len(), 1);
    shop.close().await
}

fn phantom(
    sku: &str,
    desired: ReservationDesired,
    generation: i64,
) -> anyhow::Result<Command<StockReservationSpec>> {
    let one = money::Money::parse("1.00", money::Currency::EUR)?;
    let line = Line { sku: sku.to_owned(), quantity: 1, unit_price: one, total: one };
    let id = format!("phantom-{sku}");
    Ok(Command {
        order_id: id.clone(),
        namespace: "nowhere".into(),
        name: "phantom".into(),
        uid: Some(format!("uid-{sku}")),
        generation,
        sent_at: Timestamp::now(),
        spec: StockReservationSpec {
            order_ref: OrderReference { name: "phantom".into(), id },
            lines: vec![line],
            total: one,
            desired,
            expires_at: None,
        },
    })
}

#[tokio::test]
async fn a_release_that_overtakes_its_hold_wins() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("1.00", 5).await?;
    let ask = |desired, generation| {
        let shop = &shop;
        let sku = &sku;
        async move {
            let command = phantom(sku, desired, generation)?;
            let subject = "inventory.apply";
            let patience = std::time::Duration::from_secs(10);
            let status: resources::StockReservationStatus =
                chassis::questions::ask_subject(&shop.stack.nats, subject, &command, patience).await?;
            anyhow::Ok(status)
        }
    };
    ask(ReservationDesired::Released, 2).await?;
    let late = ask(ReservationDesired::Held, 1).await?;
    assert_eq!(late.phase, Some(resources::ReservationPhase::Released));
    shop.stock_becomes(&sku, Level::of(5, 0)).await?;
    shop.close().await
}

#[tokio::test]
async fn events_told_twice_have_one_effect() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 10).await?;
    let placed = shop.place(order().item(&sku, 2)).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    let history = shop.history_of(&placed).await?;
    for told in history.events.iter().rev().filter(|event| event.event.starts_with("order.")) {
        let data: OrderTransition = serde_json::from_value(told.data.clone())?;
        let event_type = EventType::ALL.iter().find(|one| one.name() == told.event).context("a type")?;
        let event = transition_event(*event_type, &data)?;
        assert_eq!(event.attributes.id, told.id, "the same transition told twice has the same id");
        for _ in 0..2 {
            shop.stack.publish_again(&event).await?;
        }
    }
    // An order after them went through the same consumers: the repeated ones have been handled.
    let marker = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&marker).await?;
    shop.settled().await?;
    assert_eq!(names(&shop.history_of(&placed).await?), names(&history));
    shop.close().await
}

#[tokio::test]
async fn events_that_arrive_out_of_order_are_told_in_order() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 10).await?;
    // The transitions of an order that was never there, last first.
    let id = uuid::Uuid::new_v4().to_string();
    let one = money::Money::parse("1.00", money::Currency::EUR)?;
    let transition = |sequence, phase| OrderTransition {
        order_id: id.clone(),
        namespace: shop.namespace.clone(),
        name: "told".into(),
        sequence,
        phase,
        reason: None,
        message: None,
        at: Timestamp::now(),
        customer: events::Contact { id: None, email: "told@example.com".into(), name: "A. Shopper".into() },
        total: Some(one),
        lines: vec![Line { sku: sku.clone(), quantity: 1, unit_price: one, total: one }],
        payment: None,
        tracking_number: None,
        tracking_url: None,
        estimated_delivery: None,
    };
    for (event_type, sequence, phase) in [
        (EventType::OrderPaid, 3, OrderPhase::Paid),
        (EventType::OrderReserved, 2, OrderPhase::Reserved),
        (EventType::OrderPlaced, 1, OrderPhase::Placed),
    ] {
        shop.stack.publish_again(&transition_event(event_type, &transition(sequence, phase))?).await?;
    }
    eventually("the history tells them in order", || async {
        let history = shop.stack.history(&shop.namespace, "told").await?;
        let told = names(&history);
        anyhow::ensure!(told == ["order.placed", "order.reserved", "order.paid"], "told is {told:?}");
        Ok(())
    })
    .await?;
    shop.close().await
}

/// The headers that a command has.
fn command_headers(id: &str) -> HeaderMap {
    let attributes = events::Attributes {
        id: id.to_owned(),
        source: "/supercargo/tests".to_owned(),
        subject: id.to_owned(),
        time: Timestamp::now(),
        trace: events::TraceParent::of_order(id),
    };
    attributes.headers("dev.supercargo.command.v1")
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_dead_lettered_with_its_reason_and_holds_up_nobody() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 10).await?;
    for (subject, consumer) in [
        ("supercargo.command.inventory.hold", "inventory-commands"),
        ("supercargo.command.payment.capture", "payment-commands"),
        ("supercargo.command.shipping.book", "shipping-commands"),
    ] {
        for (fault, payload) in
            [("no JSON", "{oops"), ("no command", "{\"orderId\": 7}"), ("no object", "[]")]
        {
            let mark = testkit::unique("mark");
            let payload = format!("{payload} {mark}");
            shop.stack.publish(subject, command_headers(&mark), &payload).await?;
            let letter = shop.stack.dead_letter("COMMANDS", consumer, &mark).await?;
            assert_eq!((letter.original.as_str(), letter.payload), (subject, payload), "{fault}");
            assert!(letter.error.contains("the command cannot be read"), "{fault}: {}", letter.error);
        }
        let mark = testkit::unique("mark");
        shop.stack.publish(subject, HeaderMap::new(), &mark).await?;
        let letter = shop.stack.dead_letter("COMMANDS", consumer, &mark).await?;
        assert!(letter.error.contains("header") && letter.error.contains("CloudEvents"), "{}", letter.error);
    }
    let placed = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&placed).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_dead_lettered_by_each_who_had_to_read_it() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 10).await?;
    let mark = testkit::unique("mark");
    let placed = EventType::OrderPlaced;
    let unreadable = raw_event(placed, &mark, &mark, &json!({"mark": mark, "sequence": "first"}))?;
    shop.stack.publish_again(&unreadable).await?;
    let letter = shop.stack.dead_letter("EVENTS", "orders-history", &mark).await?;
    assert!(!letter.error.is_empty() && letter.original == placed.subject(), "{letter:?}");
    let mark = testkit::unique("mark");
    shop.stack.publish(placed.subject(), HeaderMap::new(), &format!("{{\"mark\": \"{mark}\"}}")).await?;
    let letter = shop.stack.dead_letter("EVENTS", "orders-history", &mark).await?;
    assert!(letter.error.contains("header ce-") && letter.error.contains("CloudEvents"), "{letter:?}");
    let order = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&order).await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn an_event_that_cannot_be_read_spoils_none_of_those_that_come_with_it() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 10).await?;
    let order = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&order).await?;
    let level = EventType::StockLevelChanged;
    let mark = testkit::unique("mark");
    let told = |number: i32| {
        let data = json!({"sku": sku, "onHand": 9, "reserved": 0, "available": 9, "revision": 1000 + number});
        raw_event(level, &format!("{mark}-{number}"), &sku, &data)
    };
    // So many at once that they are handled together, the unreadable one in their midst.
    let events: Vec<_> = (0..60).map(told).collect::<Result<_, _>>()?;
    let unreadable =
        raw_event(EventType::OrderPlaced, &mark, &mark, &json!({"mark": mark, "sequence": "first"}))?;
    let (first, second) = events.split_at(30);
    let all = first.iter().chain([&unreadable]).chain(second).map(|event| shop.stack.publish_again(event));
    futures::future::try_join_all(all).await?;
    shop.stack.dead_letter("EVENTS", "orders-history", &mark).await?;
    let pool = sqlx::PgPool::connect(&shop.stack.addresses.database).await?;
    eventually("the history has all the others", || async {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM orders.history WHERE ce_id LIKE $1 || '-%'")
                .bind(&mark)
                .fetch_one(&pool)
                .await?;
        anyhow::ensure!(count == 60, "{count} of 60");
        Ok(())
    })
    .await?;
    shop.settled().await?;
    shop.close().await
}

#[tokio::test]
async fn a_command_for_two_orders_at_once_is_dead_lettered() -> Tested {
    let shop = TestShop::open().await?;
    let sku = shop.article("12.50", 10).await?;
    let placed = shop.place(order().item(&sku, 1).method(DECLINES)).await?;
    shop.reaches(&placed, OrderPhase::AwaitingPayment).await?;
    let payment: Payment = shop.child(&placed, "is there", |_: &Payment| true).await?;
    let stranger = testkit::unique("stranger");
    let mut forged = command(&placed, &payment, &payment.spec);
    forged.order_id.clone_from(&stranger);
    assert_eq!(payment.name_any(), placed.name);
    shop.stack.command(&forged).await?;
    let letter = shop.stack.dead_letter("COMMANDS", "payment-commands", &stranger).await?;
    assert!(letter.error.contains("must be one order id"), "{letter:?}");
    shop.delete(&placed).await?;
    shop.gone(&placed).await?;
    shop.settled().await?;
    shop.close().await
}
