//! Holds whose time has passed, and everything at once.

use chassis::worklist::{Next, Work, make_all_due};
use futures::future::join_all;
use inventory::handlers::expire_in_tx;
use inventory::timer::ExpiryTimer;
use jiff::Timestamp;
use resources::ReservationPhase;
use serde_json::json;

use crate::world::{World, expiring, generation, part, phase, second, wish};

#[tokio::test]
async fn twenty_orders_and_the_timer_race_for_an_expired_hold_and_one_gets_it() {
    let world = World::open().await;
    world.stock(&[("MUG", 2), ("TEA", 1)]).await;
    world.apply(&expiring(wish("late", "Held", &[("MUG", 2), ("TEA", 1)]), second(10)), second(0)).await;
    let early = world.apply(&wish("early", "Held", &[("MUG", 1)]), second(9)).await;
    assert_eq!(phase(&early), ReservationPhase::Insufficient, "before its time nobody takes it");
    let wishes: Vec<_> = (0..20).map(|order| wish(&format!("o{order}"), "Held", &[("MUG", 2)])).collect();
    let race = join_all(wishes.iter().map(|wish| world.apply(wish, second(10))));
    let timer = world.retried(async |transaction| expire_in_tx(transaction, "late", second(10)).await);
    let (answers, _) = futures::join!(race, timer);
    assert_eq!(answers.iter().filter(|status| phase(status) == ReservationPhase::Held).count(), 1);
    assert_eq!((world.level("MUG").await, world.level("TEA").await), ((2, 2), (1, 0)));
    assert_eq!(world.phase("late").await.as_deref(), Some("Expired"));
    let reports = world.reports("uid-late").await;
    assert_eq!((reports.len(), &reports[1]["phase"]), (2, &json!("Expired")));
    assert_eq!(world.told("late").await.last().unwrap().0, "dev.supercargo.stock.expired.v1");
    world.close().await;
}

#[tokio::test]
async fn paying_after_the_expiry_has_the_goods_again_only_while_they_are_there() {
    let world = World::open().await;
    world.stock(&[("MUG", 2)]).await;
    for (order, expiry) in [("older", 10), ("younger", 11)] {
        world.apply(&expiring(wish(order, "Held", &[("MUG", 1)]), second(expiry)), second(0)).await;
    }
    world.apply(&wish("other", "Held", &[("MUG", 1)]), second(20)).await;
    assert_eq!(world.phase("older").await.as_deref(), Some("Expired"), "the oldest gives first");
    let again = world.apply(&generation(wish("younger", "Held", &[("MUG", 1)]), 2), second(20)).await;
    assert_eq!(phase(&again), ReservationPhase::Held, "nobody took it");
    let gone = world.apply(&generation(wish("older", "Held", &[("MUG", 1)]), 2), second(20)).await;
    assert_eq!((phase(&gone), gone.revision), (ReservationPhase::Insufficient, 3));
    world.close().await;
}

#[tokio::test]
async fn the_timer_expires_what_is_over_and_comes_back_for_what_is_not() {
    let world = World::open().await;
    world.stock(&[("MUG", 2)]).await;
    let now = Timestamp::now();
    let past = Timestamp::from_second(now.as_second() - 60).unwrap();
    let future = Timestamp::from_second(now.as_second() + 60).unwrap();
    let before = Timestamp::from_second(now.as_second() - 90).unwrap();
    world.apply(&expiring(wish("over", "Held", &[("MUG", 1)]), past), before).await;
    world.apply(&expiring(wish("live", "Held", &[("MUG", 1)]), future), before).await;
    let timer = ExpiryTimer { store: world.store.clone() };
    assert_eq!(timer.perform("over", 0).await.unwrap(), Next::Done);
    assert_eq!(timer.perform("live", 0).await.unwrap(), Next::At(future));
    assert_eq!(timer.perform("unknown", 0).await.unwrap(), Next::Done);
    assert_eq!(
        (world.phase("over").await.as_deref(), world.phase("live").await.as_deref()),
        (Some("Expired"), Some("Held"))
    );
    let due: Vec<String> = sqlx::query_scalar("SELECT key FROM worklist ORDER BY key")
        .fetch_all(world.store.pool())
        .await
        .unwrap();
    assert_eq!(due, ["live", "over"]);

    let waiting = "SELECT key FROM worklist WHERE due_at > now()";
    let waiting =
        async || sqlx::query_scalar::<_, String>(waiting).fetch_all(world.store.pool()).await.unwrap();
    assert_eq!(waiting().await, ["live"]);
    assert_eq!(make_all_due(&world.store).await.unwrap(), 1, "a clock that was wrong has said when");
    assert!(waiting().await.is_empty());
    world.close().await;
}

#[tokio::test]
async fn a_storm_of_wishes_expiries_and_counts_adds_up() {
    let world = World::open().await;
    let skus = ["A", "B", "C", "D"];
    world.stock(&skus.map(|sku| (sku, 6))).await;
    let worker = async |worker: usize| {
        for round in 0..15_usize {
            let order = format!("o{}", (worker * 7 + round * 3) % 16);
            let (one, other) = (skus[(worker + round) % 4], skus[(worker * 3 + round * 2 + 1) % 4]);
            let clock = i64::try_from(round).unwrap();
            let number = i64::try_from(worker * 100 + round + 1).unwrap();
            let held = generation(wish(&order, "Held", &[(one, 2), (other, 1)]), number);
            let commit = generation(wish(&order, "Committed", &[(one, 1)]), number);
            match (worker + round) % 6 {
                0 => drop(world.apply(&commit, second(clock)).await),
                1 => drop(world.retried(async |tx| expire_in_tx(tx, &order, second(clock)).await).await),
                2 => drop(world.apply(&held, second(clock)).await),
                3 | 4 => drop(world.apply(&expiring(held, second(clock + 1)), second(clock)).await),
                _ if round == 10 => {
                    drop(world.apply(&generation(wish(&order, "Released", &[]), number), second(clock)).await)
                }
                _ => drop(
                    world
                        .count(&part(&uuid::Uuid::new_v4().to_string(), 0, 1, &[(one, 8), (other, 7)]))
                        .await,
                ),
            }
        }
    };
    join_all((0..12).map(worker)).await;
    world.close().await;
}
