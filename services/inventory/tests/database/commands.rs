//! Commands and shipped orders.

use chassis::{HandleError, Handler, Message};
use events::{Event, EventType};
use futures::future::join_all;
use inventory::handlers::{Commands, ShippedOrders};
use jiff::Timestamp;
use resources::ReservationPhase;
use serde_json::json;

use crate::world::{World, generation, phase, second, wish};

#[tokio::test]
async fn twenty_orders_race_for_the_last_three_pieces_and_three_get_them() {
    let world = World::open().await;
    world.stock(&[("MUG", 3)]).await;
    let wishes: Vec<_> = (0..20).map(|order| wish(&format!("o{order}"), "Held", &[("MUG", 1)])).collect();
    let answers = join_all(wishes.iter().map(|wish| world.apply(wish, second(0)))).await;
    let held = answers.iter().filter(|status| phase(status) == ReservationPhase::Held).count();
    let short: Vec<_> =
        answers.iter().filter(|status| phase(status) == ReservationPhase::Insufficient).collect();
    assert_eq!((held, short.len()), (3, 17));
    assert!(short.iter().all(|status| status.message.as_deref() == Some("MUG is out of stock (1 ordered).")));
    assert_eq!(world.level("MUG").await, (3, 3));
    world.close().await;
}

#[tokio::test]
async fn the_same_command_five_times_at_once_allocates_once_and_reports_each_time() {
    let world = World::open().await;
    world.stock(&[("MUG", 9), ("TEA", 9)]).await;
    // The same article in two lines: demand is summed.
    let hold = wish("o1", "Held", &[("TEA", 1), ("MUG", 2), ("MUG", 1)]);
    join_all((0..5).map(|_| world.deliver(&hold))).await;
    assert_eq!((world.level("MUG").await, world.level("TEA").await), ((9, 3), (9, 1)));
    let reports = world.reports("uid-o1").await;
    assert_eq!(reports.len(), 5);
    assert!(reports.iter().all(|report| report["phase"] == "Held"
        && report["revision"] == 1
        && report["observedGeneration"] == 1));
    assert_eq!(world.told("o1").await, [("dev.supercargo.stock.reserved.v1".into(), "o1/stock/1".into())]);
    world.close().await;
}

#[tokio::test]
async fn a_release_before_its_hold_keeps_the_order_from_ever_holding() {
    let world = World::open().await;
    world.stock(&[("MUG", 3)]).await;
    world.deliver(&generation(wish("o1", "Released", &[]), 2)).await;
    world.deliver(&wish("o1", "Held", &[("MUG", 1)])).await;
    world.deliver(&generation(wish("o1", "Held", &[("MUG", 1)]), 3)).await;
    let mut successor = wish("o1", "Held", &[("MUG", 1)]);
    successor.uid = Some("another".into());
    world.deliver(&successor).await;
    world.deliver(&generation(wish("o1", "Committed", &[("MUG", 1)]), 4)).await;
    assert_eq!(world.phase("o1").await.as_deref(), Some("Released"));
    assert_eq!(world.level("MUG").await, (3, 0));
    assert_eq!(world.reports("another").await.len(), 1);
    world.close().await;
}

#[tokio::test]
async fn shipped_goods_come_back_by_a_release() {
    let world = World::open().await;
    world.stock(&[("MUG", 3)]).await;
    world.deliver(&wish("o1", "Held", &[("MUG", 2)])).await;
    world.deliver(&generation(wish("o1", "Committed", &[("MUG", 2)]), 2)).await;
    assert_eq!(world.level("MUG").await, (1, 0));
    world.deliver(&generation(wish("o1", "Released", &[("MUG", 2)]), 3)).await;
    assert_eq!(world.level("MUG").await, (3, 0));
    let kinds: Vec<(String, i64)> = world.movements("MUG").await;
    let expected = [("received", 3), ("allocated", 2), ("shipped", 2), ("returned", 2)];
    assert_eq!(kinds, expected.map(|(kind, quantity)| (kind.to_owned(), quantity)));
    let types: Vec<String> = world.told("o1").await.into_iter().map(|(event, _)| event).collect();
    assert_eq!(
        types,
        ["reserved", "committed", "released"].map(|name| format!("dev.supercargo.stock.{name}.v1"))
    );
    world.close().await;
}

#[tokio::test]
async fn an_older_generation_after_a_newer_one_changes_nothing() {
    let world = World::open().await;
    world.stock(&[("MUG", 3), ("TEA", 3)]).await;
    world.deliver(&generation(wish("o1", "Held", &[("TEA", 2)]), 2)).await;
    world.deliver(&wish("o1", "Held", &[("MUG", 2)])).await;
    assert_eq!((world.level("MUG").await, world.level("TEA").await), ((3, 0), (3, 2)));
    let reports = world.reports("uid-o1").await;
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0], reports[1]);
    world.close().await;
}

#[tokio::test]
async fn a_newer_generation_with_other_lines_takes_the_place_of_the_older_one() {
    let world = World::open().await;
    world.stock(&[("MUG", 3), ("TEA", 3)]).await;
    world.deliver(&wish("o1", "Held", &[("MUG", 2), ("TEA", 1)])).await;
    world.deliver(&generation(wish("o1", "Held", &[("MUG", 3)]), 2)).await;
    assert_eq!((world.level("MUG").await, world.level("TEA").await), ((3, 3), (3, 0)));
    let status = world.apply(&generation(wish("o1", "Held", &[("MUG", 4)]), 3), second(0)).await;
    assert_eq!((phase(&status), status.shortages[0].available), (ReservationPhase::Insufficient, 3));
    assert_eq!(world.level("MUG").await, (3, 0));
    world.close().await;
}

#[tokio::test]
async fn what_is_unknown_or_short_is_tried_again_only_by_a_newer_generation() {
    let world = World::open().await;
    let first = wish("o1", "Held", &[("MUG", 1)]);
    assert_eq!(phase(&world.apply(&first, second(0)).await), ReservationPhase::Insufficient);
    world.stock(&[("MUG", 3)]).await;
    assert_eq!(phase(&world.apply(&first, second(1)).await), ReservationPhase::Insufficient);
    assert_eq!(phase(&world.apply(&generation(first, 2), second(2)).await), ReservationPhase::Held);
    world.close().await;
}

#[tokio::test]
async fn a_wish_without_a_child_is_answered_and_reported_to_nobody() {
    let world = World::open().await;
    world.stock(&[("MUG", 3)]).await;
    let mut release = wish("o1", "Released", &[]);
    release.uid = None;
    let status = world.apply(&release, second(0)).await;
    assert_eq!((phase(&status), status.observed_generation), (ReservationPhase::Released, None));
    let reports: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE kind = 'status'")
        .fetch_one(world.store.pool())
        .await
        .unwrap();
    assert_eq!(reports, 0);
    world.close().await;
}

fn shipped(order: &str) -> Message {
    let data = json!({
        "orderId": order, "namespace": "shop", "name": "web", "sequence": 4, "phase": "Shipped",
        "at": "2026-01-01T00:00:00Z", "customer": {"email": "shopper@example.com", "name": "A. Shopper"}
    });
    let event =
        Event::new(EventType::OrderShipped, "operator", format!("{order}/4"), order, Timestamp::now(), &data)
            .unwrap();
    Message {
        subject: event.event_type.subject().into(),
        headers: Some(event.headers()),
        payload: serde_json::to_vec(&event.data).unwrap().into(),
    }
}

#[tokio::test]
async fn a_shipped_order_books_out_its_goods_once_and_leaves_others_alone() {
    let world = World::open().await;
    world.stock(&[("MUG", 3)]).await;
    world.deliver(&wish("o1", "Held", &[("MUG", 2)])).await;
    world.deliver(&wish("gone", "Held", &[("MUG", 1)])).await;
    world.deliver(&generation(wish("gone", "Released", &[]), 2)).await;
    for order in ["o1", "o1", "gone", "never"] {
        world.retried(async |transaction| ShippedOrders.handle(&shipped(order), transaction).await).await;
    }
    world.deliver(&generation(wish("o1", "Committed", &[("MUG", 2)]), 2)).await;
    assert_eq!(world.level("MUG").await, (1, 0));
    assert_eq!(world.phase("gone").await.as_deref(), Some("Released"));
    assert_eq!(world.phase("never").await, None);
    let reports = world.reports("uid-o1").await;
    let phases: Vec<_> = reports
        .iter()
        .map(|report| (report["phase"].as_str().unwrap(), report["observedGeneration"].as_i64()))
        .collect();
    assert_eq!(phases, [("Held", Some(1)), ("Committed", Some(1)), ("Committed", Some(2))]);
    world.close().await;
}

#[tokio::test]
async fn a_command_that_can_never_be_done_is_malformed_and_leaves_nothing() {
    let world = World::open().await;
    let mut transaction = world.store.begin().await.unwrap();
    let message = |payload: serde_json::Value| Message {
        subject: "supercargo.command.inventory.hold".into(),
        headers: None,
        payload: serde_json::to_vec(&payload).unwrap().into(),
    };
    let empty = serde_json::to_value(wish("o1", "Held", &[])).unwrap();
    for payload in [json!({}), json!([1]), empty] {
        let refused = Commands.handle(&message(payload), &mut transaction).await.unwrap_err();
        assert!(matches!(refused, HandleError::Malformed(_)), "{refused}");
    }
    transaction.commit().await.unwrap();
    assert_eq!(world.phase("o1").await, None);
    world.close().await;
}
