//! The history on a real Postgres: whatever the order, the number and the losses of deliveries.

mod support;

use chassis::Handler;
use events::EventType;
use events::questions::{ArchiveAnswer, Reply};
use orders::handlers::RecordEvents;
use resources::{OrderPhase, PaymentPhase};
use serde_json::json;
use support::{Desk, OrderFixture, message};

#[tokio::test]
async fn events_out_of_order_and_repeated_are_recorded_once_and_told_in_sequence() {
    let desk = Desk::open().await;
    let order = OrderFixture::new("web-1");
    for sequence in [3, 1, 3, 5, 2, 4, 1] {
        desk.deliver(&order.step(sequence)).await;
    }
    let answer = desk.history("web-1").await;
    let told: Vec<(Option<i64>, &str)> =
        answer.events.iter().map(|event| (event.sequence, event.event.as_str())).collect();
    assert_eq!(
        told,
        [
            (Some(1), "order.placed"),
            (Some(2), "order.reserved"),
            (Some(3), "order.paid"),
            (Some(4), "order.shipped"),
            (Some(5), "order.completed"),
        ]
    );
    let index = desk.index(&order.id).await;
    assert_eq!((index.phase.as_deref(), index.sequence, index.complete_to), (Some("Completed"), 5, 5));
    assert!(index.processed && !index.has_gap);
    desk.close().await;
}

#[tokio::test]
async fn many_deliveries_at_once_lose_nothing() {
    let desk = Desk::open().await;
    let order = OrderFixture::new("web-1");
    let deliveries = (0..20).map(|delivery| {
        let event = if delivery % 4 == 3 {
            order.payment(PaymentPhase::Captured, 1)
        } else {
            order.step(delivery % 5 + 1)
        };
        let desk = &desk;
        async move { desk.deliver(&event).await }
    });
    futures::future::join_all(deliveries).await;
    let index = desk.index(&order.id).await;
    assert_eq!((index.sequence, index.complete_to, index.has_gap), (5, 5, false));
    assert_eq!(desk.history("web-1").await.events.len(), 6);
    desk.close().await;
}

#[tokio::test]
async fn a_report_and_a_transition_of_one_order_in_batches_of_their_own_never_wait_for_each_other() {
    let desk = Desk::open().await;
    let order = OrderFixture::new("web-1");
    desk.deliver(&order.step(1)).await;
    let messages = [order.payment(PaymentPhase::Declined, 1), order.step(3), order.step(2)];
    let [declined, needed, reserved] = messages.map(|event| message(&event));
    let mut batch = desk.store.begin().await.unwrap();
    RecordEvents.handle(&declined, &mut batch).await.unwrap();
    let another = async {
        let mut batch = desk.store.begin().await.unwrap();
        RecordEvents.handle(&reserved, &mut batch).await.unwrap();
        batch.commit().await.unwrap();
    };
    let this_one = async {
        desk.something_waits().await;
        RecordEvents.handle(&needed, &mut batch).await.expect("the two wait for each other");
        batch.commit().await.unwrap();
    };
    tokio::join!(another, this_one);
    assert_eq!(desk.history("web-1").await.events.len(), 4);
    desk.close().await;
}

#[tokio::test]
async fn events_about_articles_and_unknown_ones_are_kept_too() {
    let desk = Desk::open().await;
    let level = json!({"sku": "MUG-01", "onHand": 5, "reserved": 0, "available": 5, "revision": 1});
    desk.deliver(&support::event(
        EventType::StockLevelChanged,
        "inventory",
        "MUG-01/level/1",
        "MUG-01",
        level,
    ))
    .await;
    let price = json!({"sku": "MUG-01", "price": {"amount": "7.95", "currency": "EUR"}, "revision": 1});
    desk.deliver(&support::event(EventType::PriceChanged, "catalog", "MUG-01/price/1", "MUG-01", price))
        .await;
    let mut unknown = support::message(&OrderFixture::new("web-1").step(1));
    unknown.subject = "supercargo.event.order.eaten".into();
    unknown.headers.as_mut().unwrap().insert("ce-type", "dev.supercargo.order.eaten.v1");
    desk.deliver_message(&unknown).await.unwrap();
    assert_eq!(desk.recorded_events().await, ["stock.level_changed", "price.changed", "order.eaten"]);
    desk.close().await;
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_refused_and_nothing_is_kept() {
    let desk = Desk::open().await;
    let mut message = support::message(&OrderFixture::new("web-1").step(1));
    message.payload = r#"{"orderId": 7}"#.into();
    let error = desk.deliver_message(&message).await.unwrap_err();
    assert!(matches!(&error, chassis::HandleError::Malformed(_)), "{error}");
    assert!(error.to_string().contains("the data of order.placed cannot be read"), "{error}");
    assert_eq!(desk.recorded_events().await, [] as [&str; 0]);
    desk.close().await;
}

#[tokio::test]
async fn the_database_itself_refuses_to_rewrite_history() {
    let desk = Desk::open().await;
    desk.deliver(&OrderFixture::new("web-1").step(1)).await;
    for statement in ["UPDATE history SET reason = 'x'", "DELETE FROM history", "TRUNCATE history"] {
        let error = sqlx::query(statement).execute(desk.store.pool()).await.unwrap_err().to_string();
        assert!(error.contains("history is append-only"), "{error}");
    }
    desk.close().await;
}

#[tokio::test]
async fn a_finished_order_is_archived_with_its_snapshot_and_again_without_effect() {
    let desk = Desk::open().await;
    let order = OrderFixture::new("web-1");
    for sequence in 1..=5 {
        desk.deliver(&order.step(sequence)).await;
    }
    let question = order.archive(5, &[], PaymentPhase::Captured);
    assert_eq!(desk.archive(question.clone()).await, Reply::Answer(ArchiveAnswer::Archived));
    let first = desk.history("web-1").await.archived_at;
    assert!(first.is_some());
    assert_eq!(desk.archive(question.clone()).await, Reply::Answer(ArchiveAnswer::Archived));
    assert_eq!(desk.history("web-1").await.archived_at, first);
    assert_eq!(desk.index(&order.id).await.snapshot, Some(question.snapshot));

    desk.deliver(&order.archived(5)).await;
    let answer = desk.history("web-1").await;
    assert_eq!(answer.order_id.as_deref(), Some(order.id.as_str()));
    let last = answer.events.last().unwrap();
    assert_eq!((last.event.as_str(), last.sequence), ("order.archived", None));
    assert_eq!(desk.index(&order.id).await.sequence, 5, "archiving is no transition");
    desk.close().await;
}

#[tokio::test]
async fn lost_events_are_filled_in_by_the_archive_and_late_ones_change_nothing() {
    let desk = Desk::open().await;
    let order = OrderFixture::new("web-1");
    for sequence in [1, 4] {
        desk.deliver(&order.step(sequence)).await;
    }
    assert!(desk.index(&order.id).await.has_gap);
    let some = order.archive(5, &[3, 5], PaymentPhase::Captured);
    let Reply::Answer(ArchiveAnswer::Incomplete(lacking)) = desk.archive(some).await else {
        panic!("not incomplete")
    };
    assert_eq!(lacking, "transitions 2 of 1 to 5 are not recorded");
    assert_eq!(desk.history("web-1").await.events.len(), 4, "what was filled in stays");

    let all = order.archive(5, &[1, 2, 3, 4, 5], PaymentPhase::Captured);
    assert_eq!(desk.archive(all).await, Reply::Answer(ArchiveAnswer::Archived));
    for sequence in 1..=5 {
        desk.deliver(&order.step(sequence)).await;
    }
    let index = desk.index(&order.id).await;
    assert!(!index.has_gap && index.processed);
    let ids: Vec<String> = desk.history("web-1").await.events.into_iter().map(|event| event.id).collect();
    let expected: Vec<String> = (1..=5).map(|sequence| format!("{}/{sequence}", order.id)).collect();
    assert_eq!(ids, expected);
    desk.close().await;
}

#[tokio::test]
async fn an_order_of_which_nothing_was_recorded_is_archived_from_its_resource_alone() {
    let desk = Desk::open().await;
    let order = OrderFixture::new("web-1");
    let question = order.archive(5, &[1, 2, 3, 4, 5], PaymentPhase::Captured);
    assert_eq!(desk.archive(question).await, Reply::Answer(ArchiveAnswer::Archived));
    assert_eq!(desk.history("web-1").await.events.len(), 5);
    desk.close().await;
}

#[tokio::test]
async fn undecided_money_keeps_an_order_until_payment_tells_its_end() {
    let desk = Desk::open().await;
    let order = OrderFixture::new("web-1");
    for sequence in 1..=5 {
        desk.deliver(&order.step(sequence)).await;
    }
    let question = order.archive(5, &[], PaymentPhase::Unknown);
    let Reply::Answer(ArchiveAnswer::Incomplete(lacking)) = desk.archive(question.clone()).await else {
        panic!("not incomplete")
    };
    assert_eq!(lacking, "money is undecided: the provider's answer did not arrive");
    assert_eq!(desk.index(&order.id).await.snapshot, None);
    desk.deliver(&order.payment(PaymentPhase::Captured, 9)).await;
    assert_eq!(desk.archive(question).await, Reply::Answer(ArchiveAnswer::Archived));
    desk.close().await;
}

#[tokio::test]
async fn questions_that_can_never_be_answered_are_refused_with_a_sentence() {
    let desk = Desk::open().await;
    let order = OrderFixture::new("web-1");
    let mut other = order.archive(1, &[1], PaymentPhase::Captured);
    other.order_id = "another".into();
    let mut bare = order.archive(1, &[1], PaymentPhase::Captured);
    bare.snapshot = json!("nothing");
    for (question, sentence) in [(other, "not of another (shop/web-1)"), (bare, "is no object")] {
        let Reply::Invalid(fault) = desk.archive(question).await else { panic!("not refused") };
        assert!(fault.contains(sentence), "{fault}");
    }
    assert_eq!(desk.recorded_events().await, [] as [&str; 0]);
    desk.close().await;
}

#[tokio::test]
async fn a_name_is_recalled_once_its_goods_went_out_by_another_order() {
    let desk = Desk::open().await;
    let first = OrderFixture::new("web-1");
    let second = OrderFixture::later("web-1");
    for sequence in 1..=3 {
        desk.deliver(&first.step(sequence)).await;
    }
    assert_eq!(desk.recall("web-1", &second.id).await, None, "paid is not gone out");
    desk.deliver(&first.step(4)).await;
    let shipped = desk.recall("web-1", &second.id).await.unwrap();
    assert_eq!((shipped.order_id.as_str(), shipped.phase), (first.id.as_str(), OrderPhase::Shipped));
    desk.deliver(&first.step(5)).await;
    assert_eq!(desk.recall("web-1", &second.id).await.unwrap().phase, OrderPhase::Completed);
    assert_eq!(desk.recall("web-1", &first.id).await, None, "an order does not count itself");
    assert_eq!(desk.recall("web-2", &second.id).await, None);
    desk.close().await;
}

#[tokio::test]
async fn history_is_of_the_newest_order_of_the_name_and_points_to_the_earlier_ones() {
    let desk = Desk::open().await;
    let (first, second) = (OrderFixture::new("web-1"), OrderFixture::later("web-1"));
    for sequence in 1..=5 {
        desk.deliver(&first.step(sequence)).await;
    }
    assert_eq!(
        desk.archive(first.archive(5, &[], PaymentPhase::Captured)).await,
        Reply::Answer(ArchiveAnswer::Archived)
    );
    desk.deliver(&second.step(1)).await;
    let answer = desk.history("web-1").await;
    assert_eq!((answer.order_id, answer.archived_at), (Some(second.id), None));
    assert_eq!((answer.events.len(), answer.earlier_order_ids), (1, vec![first.id]));
    assert_eq!(desk.history("unheard-of").await.order_id, None);
    desk.close().await;
}
