//! What is answered to those who audit: the ledger, the facts of orders, and what was not told or done.

use chassis::audit::{
    overdue_work, publish_again, publish_now, published_about, published_after, unpublished,
};
use inventory::audit::{audit, facts_of, ids_after, lines_of, skus_of};
use jiff::{SignedDuration, Timestamp};
use resources::ReservationPhase;

use crate::world::{World, expiring, second, wish};

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn later() -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(60)
}

#[tokio::test]
async fn the_facts_of_orders_are_those_of_the_ledger() {
    let world = World::open().await;
    let pool = world.store.pool();
    world.stock(&[("MUG", 5), ("TEA", 5)]).await;
    world.deliver(&wish("o1", "Held", &[("MUG", 2), ("TEA", 1)])).await;
    world.deliver(&wish("o2", "Held", &[("MUG", 9)])).await;
    world.deliver(&wish("o3", "Released", &[])).await;
    let mut facts = facts_of(pool, &ids(&["o1", "o2", "o3", "never"])).await.unwrap();
    facts.sort_by(|a, b| a.order_id.cmp(&b.order_id));
    let told: Vec<_> = facts.iter().map(|it| (it.order_id.as_str(), it.phase, it.pieces)).collect();
    assert_eq!(
        told,
        [
            ("o1", ReservationPhase::Held, 3),
            ("o2", ReservationPhase::Insufficient, 9),
            ("o3", ReservationPhase::Released, 0)
        ]
    );
    assert_eq!((facts[0].namespace.as_str(), facts[0].name.as_str()), ("shop", "web-o1"));
    assert_eq!((facts[0].child.as_deref(), facts[0].revision), (Some("uid-o1"), 1));
    assert_eq!(ids_after(pool, None, "", 2).await.unwrap(), ["o1", "o2"]);
    assert_eq!(ids_after(pool, Some("shop"), "o2", 2).await.unwrap(), ["o3"]);
    assert!(ids_after(pool, Some("elsewhere"), "", 2).await.unwrap().is_empty());
    assert_eq!(lines_of(pool, "o1").await.unwrap(), [("MUG".to_owned(), 2), ("TEA".to_owned(), 1)]);
    assert_eq!(skus_of(pool, &ids(&["o2"])).await.unwrap(), ["MUG"]);
    world.close().await;
}

#[tokio::test]
async fn a_movement_that_is_gone_is_found_with_its_order_and_article() {
    let world = World::open().await;
    let pool = world.store.pool();
    world.stock(&[("MUG", 5)]).await;
    world.deliver(&wish("o1", "Held", &[("MUG", 2)])).await;
    let tampering = "ALTER TABLE movements DISABLE TRIGGER movements_are_append_only;
        CREATE TABLE stolen AS SELECT * FROM movements WHERE order_id = 'o1'; DELETE FROM movements WHERE order_id = 'o1'";
    sqlx::raw_sql(tampering).execute(pool).await.unwrap();
    let texts: Vec<String> = audit(pool).await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "MUG: reserved = allocated - released - shipped does not hold: 2 instead of 0",
            "order o1, MUG: each order has in the ledger what its reservation says it holds and has shipped does not hold: \
             0 instead of 2"
        ]
    );
    let mending = "INSERT INTO movements OVERRIDING SYSTEM VALUE SELECT * FROM stolen";
    sqlx::raw_sql(mending).execute(pool).await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn more_reserved_than_there_is_is_found_though_the_schema_forbids_it() {
    let world = World::open().await;
    let pool = world.store.pool();
    world.stock(&[("MUG", 1)]).await;
    let tampering = "ALTER TABLE stock DROP CONSTRAINT never_oversold; UPDATE stock SET reserved = 3";
    sqlx::raw_sql(tampering).execute(pool).await.unwrap();
    let texts: Vec<String> = audit(pool).await.unwrap().iter().map(ToString::to_string).collect();
    let oversold =
        "MUG: nothing is sold that is not there: 0 <= reserved <= on hand does not hold: 3 instead of 1";
    assert!(texts.iter().any(|text| text == oversold), "{texts:?}");
    sqlx::query("UPDATE stock SET reserved = 0").execute(pool).await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn what_is_not_told_yet_is_found_once_it_is_late_and_tried_at_once() {
    let world = World::open().await;
    let pool = world.store.pool();
    world.stock(&[("MUG", 5)]).await;
    world.deliver(&wish("o1", "Held", &[("MUG", 2)])).await;
    let early = Timestamp::now() - SignedDuration::from_secs(60);
    assert_eq!(unpublished(pool, early, 10).await.unwrap(), []);
    let late = unpublished(pool, later(), 10).await.unwrap();
    let about: Vec<_> = late.iter().map(|row| (row.kind.as_str(), row.subject.as_deref())).collect();
    // The level after the count, the level after the hold, the hold, and its report.
    assert_eq!(about.iter().filter(|row| **row == ("event", Some("MUG"))).count(), 2, "{about:?}");
    assert!(about.contains(&("event", Some("o1"))) && about.contains(&("status", None)), "{about:?}");
    sqlx::query("UPDATE outbox SET next_at = now() + interval '1 hour', error = 'no route'")
        .execute(pool)
        .await
        .unwrap();
    assert_eq!(unpublished(pool, later(), 1).await.unwrap()[0].error.as_deref(), Some("no route"));
    assert_eq!(publish_now(pool, &[late[0].id]).await.unwrap(), 1);
    let due: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE next_at <= now()")
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(due, 1);
    world.close().await;
}

#[tokio::test]
async fn what_was_told_is_read_in_pages_and_told_again_as_another_message() {
    let world = World::open().await;
    let pool = world.store.pool();
    world.stock(&[("MUG", 5)]).await;
    world.deliver(&wish("o1", "Held", &[("MUG", 2)])).await;
    assert_eq!(published_after(pool, 0, later(), 10).await.unwrap(), []);
    sqlx::query("UPDATE outbox SET published_at = now()").execute(pool).await.unwrap();
    let told = published_after(pool, 0, later(), 10).await.unwrap();
    assert_eq!(
        told.iter().map(|event| event.id.as_str()).filter(|id| *id == "o1/stock/1").count(),
        1,
        "{told:?}"
    );
    let page = published_after(pool, told[0].row, later(), 1).await.unwrap();
    assert_eq!(page, told[1..2]);
    let about = published_about(pool, &ids(&["o1"]), later()).await.unwrap();
    assert_eq!(about.len(), 1);
    assert_eq!(publish_again(pool, &[about[0].row]).await.unwrap(), 1);
    let again: Option<String> =
        sqlx::query_scalar("SELECT body->>'again' FROM outbox WHERE id = $1 AND published_at IS NULL")
            .bind(about[0].row)
            .fetch_one(pool)
            .await
            .unwrap();
    assert!(again.is_some_and(|again| again.len() == 36));
    world.close().await;
}

#[tokio::test]
async fn work_that_nobody_does_is_overdue_and_work_that_is_done_is_not() {
    let world = World::open().await;
    let pool = world.store.pool();
    world.stock(&[("MUG", 5)]).await;
    world.deliver(&expiring(wish("o1", "Held", &[("MUG", 2)]), second(0))).await;
    let long_after = second(600);
    assert_eq!(overdue_work(pool, long_after, 10).await.unwrap()[0].key, "o1");
    assert_eq!(overdue_work(pool, second(-1), 10).await.unwrap(), []);
    sqlx::query("UPDATE worklist SET leased_until = now() + interval '1 hour'").execute(pool).await.unwrap();
    assert_eq!(overdue_work(pool, long_after, 10).await.unwrap(), []);
    world.close().await;
}
