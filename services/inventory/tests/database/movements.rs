//! Stock that comes and goes by hand.

use inventory::routes::{MoveStock, ShownLevel, move_in_tx};
use jiff::Timestamp;
use rest::Problem;

use crate::world::{World, expiring, second, wish};

async fn moved(world: &World, sku: &str, movement: i64, now: Timestamp) -> Result<ShownLevel, Problem> {
    let mut transaction = world.store.begin().await.unwrap();
    let wanted = MoveStock { movement, reason: "counted by hand".into() };
    let level = move_in_tx(&mut transaction, sku, &wanted, now).await?;
    transaction.commit().await.unwrap();
    Ok(level)
}

fn level(sku: &str, on_hand: i64, reserved: i64) -> ShownLevel {
    ShownLevel { sku: sku.into(), on_hand, reserved, available: on_hand - reserved }
}

#[tokio::test]
async fn what_comes_and_goes_is_in_the_ledger_with_its_reason_and_told() {
    let world = World::open().await;
    let now = Timestamp::now();
    assert_eq!(moved(&world, "MUG", 5, now).await, Ok(level("MUG", 5, 0)), "the first pieces of an article");
    world.deliver(&wish("o1", "Held", &[("MUG", 2)])).await;
    assert_eq!(moved(&world, "MUG", -3, now).await, Ok(level("MUG", 2, 2)));
    assert_eq!(
        world.movements("MUG").await,
        [("received".into(), 5), ("allocated".into(), 2), ("adjusted".into(), -3)]
    );
    let reasons: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT reason, import_id FROM movements WHERE order_id IS NULL ORDER BY id")
            .fetch_all(world.store.pool())
            .await
            .unwrap();
    assert_eq!(reasons, [("counted by hand".into(), None), ("counted by hand".into(), None)]);
    let told: Vec<String> = world.told("MUG").await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(told, ["stock/MUG/1", "stock/MUG/2", "stock/MUG/3"]);
    world.close().await;
}

#[tokio::test]
async fn what_orders_hold_stays_and_a_refusal_changes_nothing() {
    let world = World::open().await;
    world.stock(&[("MUG", 5)]).await;
    world.deliver(&wish("o1", "Held", &[("MUG", 4)])).await;
    for (sku, movement) in [("MUG", -2), ("TEA", -1), ("MUG", 1_000_000_000)] {
        let refused = moved(&world, sku, movement, Timestamp::now()).await.unwrap_err();
        assert_eq!(refused.status().as_u16(), 409, "{sku} {movement}");
    }
    assert_eq!(world.level("MUG").await, (5, 4));
    let known: i64 =
        sqlx::query_scalar("SELECT count(*) FROM stock").fetch_one(world.store.pool()).await.unwrap();
    assert_eq!(known, 1, "TEA is not there after the refusal");
    world.close().await;
}

#[tokio::test]
async fn expired_holds_give_what_has_to_go() {
    let world = World::open().await;
    world.stock(&[("MUG", 5)]).await;
    world.apply(&expiring(wish("late", "Held", &[("MUG", 4)]), second(0)), second(-1)).await;
    assert_eq!(moved(&world, "MUG", -2, second(-1)).await.unwrap_err().status().as_u16(), 409);
    assert_eq!(moved(&world, "MUG", -2, second(1)).await, Ok(level("MUG", 3, 0)));
    assert_eq!(world.phase("late").await.as_deref(), Some("Expired"));
    world.close().await;
}

#[tokio::test]
async fn what_goes_at_the_same_time_is_never_more_than_there_is() {
    let world = World::open().await;
    world.stock(&[("MUG", 5)]).await;
    let (world, now) = (std::sync::Arc::new(world), Timestamp::now());
    let tasks: Vec<_> = (0..12)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { moved(&world, "MUG", -1, now).await.is_ok() })
        })
        .collect();
    let mut gone = 0;
    for task in tasks {
        gone += i64::from(task.await.unwrap());
    }
    assert_eq!((gone, world.level("MUG").await), (5, (0, 0)));
    std::sync::Arc::into_inner(world).unwrap().close().await;
}
