//! What is answered to those who audit: the facts of orders, which events have arrived, and what was repaired.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as tests do")]

mod support;

use orders::audit::{
    Repair, begin_repair, end_repair, facts_of, ids_after, ids_named, told_again, unrecorded,
};
use resources::{OrderPhase, OrderStatus, PaymentPhase};
use serde_json::json;
use support::{Desk, OrderFixture};

/// A row vanishes as no program of ours can make it vanish.
async fn lose(desk: &Desk, ce_id: &str) {
    let pool = desk.store.pool();
    sqlx::raw_sql("ALTER TABLE history DISABLE TRIGGER history_is_append_only").execute(pool).await.unwrap();
    let gone = sqlx::query("DELETE FROM history WHERE ce_id = $1").bind(ce_id).execute(pool).await.unwrap();
    assert_eq!(gone.rows_affected(), 1);
    sqlx::raw_sql("ALTER TABLE history ENABLE TRIGGER history_is_append_only").execute(pool).await.unwrap();
}

#[tokio::test]
async fn the_facts_are_those_of_the_rows_and_not_of_the_index_alone() {
    let desk = Desk::open().await;
    let pool = desk.store.pool();
    let order = OrderFixture::new("web-1");
    for sequence in 1..=5 {
        desk.deliver(&order.step(sequence)).await;
    }
    let ids = [order.id.clone(), "never".to_owned()];
    let facts = facts_of(pool, &ids).await.unwrap().remove(0);
    assert_eq!((facts.phase, facts.sequence, facts.transitions.len()), (Some(OrderPhase::Completed), 5, 5));
    assert_eq!(facts.total, Some("31.80 EUR".parse().unwrap()));
    assert_eq!(facts.archived_sequence, None);
    lose(&desk, &format!("{}/3", order.id)).await;
    let facts = facts_of(pool, &ids).await.unwrap().remove(0);
    assert_eq!(facts.sequence, 5);
    assert_eq!(facts.transitions.keys().copied().collect::<Vec<_>>(), [1, 2, 4, 5]);
    assert_eq!(ids_after(pool, Some("shop"), "", 10).await.unwrap(), std::slice::from_ref(&order.id));
    assert_eq!(ids_named(pool, "shop", "web-1").await.unwrap(), [order.id]);
    desk.close().await;
}

#[tokio::test]
async fn an_event_that_was_handled_and_vanished_is_recorded_when_it_is_told_again() {
    let desk = Desk::open().await;
    let order = OrderFixture::new("web-1");
    for sequence in 1..=5 {
        desk.deliver(&order.step(sequence)).await;
    }
    desk.deliver(&order.payment(PaymentPhase::Captured, 1)).await;
    let lost = [format!("{}/3", order.id), format!("{}/payment/1", order.id)];
    for ce_id in &lost {
        lose(&desk, ce_id).await;
    }
    assert_eq!(unrecorded(desk.store.pool(), &lost).await.unwrap().len(), 2);
    desk.deliver(&order.step(3)).await;
    desk.deliver(&order.payment(PaymentPhase::Captured, 1)).await;
    assert_eq!(unrecorded(desk.store.pool(), &lost).await.unwrap(), Vec::<String>::new());
    let index = desk.index(&order.id).await;
    assert_eq!((index.sequence, index.complete_to, index.has_gap), (5, 5, false));
    desk.close().await;
}

#[tokio::test]
async fn missing_transitions_are_told_again_from_the_resource_as_they_were_told_first() {
    let desk = Desk::open().await;
    let order = OrderFixture::new("web-1");
    for sequence in [1, 2, 4, 5] {
        desk.deliver(&order.step(sequence)).await;
    }
    let shown = order.transition(3);
    let status: OrderStatus = serde_json::from_value(json!({
        "phase": "Completed", "sequence": 5, "total": {"amount": "31.80", "currency": "EUR"},
        "history": [{"at": shown.at.to_string().replace('Z', ".000000Z"), "sequence": 3, "phase": "Paid"}],
    }))
    .unwrap();
    let pool = desk.store.pool();
    let told = told_again(pool, &order.id, Some(&status), &[3]).await.unwrap();
    let (again, first) = (&told[0], order.step(3));
    assert_eq!(
        (&again.attributes.id, again.event_type, &again.data),
        (&first.attributes.id, first.event_type, &first.data)
    );
    desk.deliver(&told[0]).await;
    assert!(!desk.index(&order.id).await.has_gap);
    assert_eq!(told_again(pool, &order.id, None, &[3]).await.unwrap(), [], "nobody knows it any more");
    assert_eq!(told_again(pool, "never", Some(&status), &[3]).await.unwrap(), []);
    desk.close().await;
}

#[tokio::test]
async fn a_repair_is_written_down_before_it_is_made_and_closed_afterwards() {
    let desk = Desk::open().await;
    let pool = desk.store.pool();
    let repair = Repair {
        who: "alice".into(),
        rule: "history-gap".into(),
        action: "tell the transition again".into(),
        order_id: Some("o-1".into()),
        finding: json!({"rule": "history-gap"}),
    };
    let number = begin_repair(pool, &repair).await.unwrap();
    let outcome = "SELECT who, outcome FROM repairs WHERE id = $1";
    let open: (String, Option<String>) = sqlx::query_as(outcome).bind(number).fetch_one(pool).await.unwrap();
    assert_eq!(open, ("alice".into(), None));
    end_repair(pool, number, "told 1").await.unwrap();
    let closed: (String, Option<String>) =
        sqlx::query_as(outcome).bind(number).fetch_one(pool).await.unwrap();
    assert_eq!(closed.1.as_deref(), Some("told 1"));
    let anonymous = Repair { who: String::new(), ..repair };
    assert!(begin_repair(pool, &anonymous).await.is_err(), "who repaired is always known");
    desk.close().await;
}
