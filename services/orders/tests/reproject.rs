//! Views that are made anew are those that the events made one by one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails says where")]

mod support;

use jiff::Timestamp;
use orders::reproject::{Progress, next_batch};
use orders::status;
use resources::PaymentPhase;
use serde_json::Value;
use support::{Desk, OrderFixture};

async fn rows(desk: &Desk) -> Vec<Value> {
    sqlx::query_scalar("SELECT to_jsonb(v) FROM order_views v ORDER BY order_id")
        .fetch_all(desk.store.pool())
        .await
        .unwrap()
}

async fn reproject(desk: &Desk, restart: bool) -> Progress {
    let mut progress = next_batch(&desk.store, restart, Timestamp::now()).await.unwrap();
    for _ in 0..10 {
        if progress.finished {
            return progress;
        }
        progress = next_batch(&desk.store, false, Timestamp::now()).await.unwrap();
    }
    panic!("it does not end: {progress:?}");
}

/// Three orders whose events arrive out of order and more than once.
async fn desk_with_orders() -> Desk {
    let desk = Desk::open().await;
    for (name, sequences) in [("web-1", vec![2, 1, 5, 3, 4, 1]), ("web-2", vec![3, 1]), ("web-3", vec![1])] {
        let order = OrderFixture::new(name);
        for sequence in sequences {
            desk.deliver(&order.step(sequence)).await;
        }
        desk.deliver(&order.payment(PaymentPhase::Captured, 2)).await;
        desk.deliver(&order.payment(PaymentPhase::Pending, 1)).await;
    }
    desk
}

#[tokio::test]
async fn views_that_were_lost_or_damaged_are_made_anew_to_the_same_bytes() {
    let desk = desk_with_orders().await;
    let before = rows(&desk).await;
    assert_eq!(before.len(), 3);
    assert_eq!(before.iter().filter(|row| row["phase"] == "Completed").count(), 1);
    let damage =
        "UPDATE order_views SET phase = 'Failed', sequence = 99, payment = NULL, user_id = 'u-other'";
    for damage in [damage, "DELETE FROM order_views"] {
        sqlx::query(damage).execute(desk.store.pool()).await.unwrap();
        let progress = reproject(&desk, false).await;
        assert_eq!((progress.done, progress.total), (3, 3));
        assert_eq!(rows(&desk).await, before);
    }
    desk.close().await;
}

#[tokio::test]
async fn the_counts_by_phase_follow_each_event_and_are_made_anew_to_the_same() {
    let desk = desk_with_orders().await;
    let counted = status::read(&desk.store).await.unwrap();
    assert_eq!((counted.total, counted.unquoted, counted.phases["Completed"]), (3, 0, 1), "{counted:?}");
    assert_eq!(counted.phases.values().sum::<i64>(), 3);
    assert_eq!(counted.phases.len(), 11, "those without orders too");
    status::sum_up(&desk.store).await.unwrap();
    assert_eq!(status::read(&desk.store).await.unwrap(), counted, "summing up changes nothing");
    sqlx::query("UPDATE order_status SET orders = 7").execute(desk.store.pool()).await.unwrap();
    reproject(&desk, false).await;
    assert_eq!(status::read(&desk.store).await.unwrap(), counted);
    sqlx::query("DELETE FROM order_views").execute(desk.store.pool()).await.unwrap();
    assert_eq!(status::read(&desk.store).await.unwrap().total, 0);
    desk.close().await;
}

#[tokio::test]
async fn open_orders_come_first_and_what_was_broken_off_goes_on() {
    let desk = desk_with_orders().await;
    let before = rows(&desk).await;
    sqlx::query("DELETE FROM order_views").execute(desk.store.pool()).await.unwrap();
    let first = next_batch(&desk.store, false, Timestamp::now()).await.unwrap();
    assert_eq!((first.done, first.finished), (2, false), "the two that have not ended");
    assert_eq!(rows(&desk).await.len(), 2);
    let progress = reproject(&desk, false).await;
    assert_eq!(progress.done, 3, "it goes on");
    assert_eq!(rows(&desk).await, before);
    next_batch(&desk.store, false, Timestamp::now()).await.unwrap();
    assert_eq!(next_batch(&desk.store, true, Timestamp::now()).await.unwrap().done, 2, "from the beginning");
    desk.close().await;
}
