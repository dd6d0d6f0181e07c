//! The ledger, its levels and its audit.

use chassis::questions::Answerer;
use events::questions::{ReadStock, ReadStockAnswer, Reply};
use inventory::questions::Questions;
use serde_json::json;

use crate::world::{World, wish};

pub async fn read(world: &World, skus: &[&str], after: Option<&str>) -> ReadStockAnswer {
    let question = ReadStock {
        skus: skus.iter().map(|sku| (*sku).to_owned()).collect(),
        after: after.map(str::to_owned),
    };
    let questions = Questions { store: world.store.clone() };
    match Answerer::<ReadStock, ReadStockAnswer>::answer(&questions, question).await {
        Reply::Answer(answer) => answer,
        Reply::Invalid(reason) | Reply::Unavailable(reason) => panic!("{reason}"),
    }
}

#[tokio::test]
async fn levels_are_read_by_article_or_in_pages() {
    let world = World::open().await;
    let names: Vec<String> = (0..1001).map(|number| format!("SKU-{number:04}")).collect();
    let counts: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), 2)).collect();
    world.stock(&counts).await;
    world.deliver(&wish("o1", "Held", &[("SKU-0007", 1)])).await;
    let one = read(&world, &["SKU-0007", "NEVER"], None).await;
    assert_eq!(
        serde_json::to_value(&one).unwrap(),
        json!({
            "levels": [{"sku": "SKU-0007", "onHand": 2, "reserved": 1, "available": 1, "revision": 2}], "more": false
        })
    );
    let first = read(&world, &[], None).await;
    assert_eq!((first.levels.len(), first.more, first.levels[999].sku.as_str()), (1000, true, "SKU-0999"));
    let rest = read(&world, &[], Some("SKU-0999")).await;
    assert_eq!((rest.levels.len(), rest.more), (1, false));
    world.close().await;
}

#[tokio::test]
async fn the_reorder_point_is_told_once_and_every_level_with_its_revision() {
    let world = World::open().await;
    world.stock(&[("MUG", 5)]).await;
    sqlx::query("UPDATE stock SET minimum = 4").execute(world.store.pool()).await.unwrap();
    for order in ["o1", "o2", "o3"] {
        world.deliver(&wish(order, "Held", &[("MUG", 1)])).await;
    }
    let level =
        |revision: i64| ("dev.supercargo.stock.level_changed.v1".to_owned(), format!("stock/MUG/{revision}"));
    let below = ("dev.supercargo.stock.below_minimum.v1".to_owned(), "stock/MUG/3/below_minimum".to_owned());
    assert_eq!(world.told("MUG").await, [level(1), level(2), level(3), below, level(4)]);
    world.close().await;
}

#[tokio::test]
async fn the_ledger_cannot_be_rewritten() {
    let world = World::open().await;
    world.stock(&[("MUG", 5)]).await;
    for statement in ["UPDATE movements SET quantity = 9", "DELETE FROM movements", "TRUNCATE movements"] {
        let refused = sqlx::query(statement).execute(world.store.pool()).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{refused}");
    }
    world.close().await;
}

#[tokio::test]
async fn the_audit_finds_a_counter_that_does_not_add_up() {
    let world = World::open().await;
    world.stock(&[("MUG", 5)]).await;
    sqlx::query("UPDATE stock SET on_hand = 6, reserved = 1").execute(world.store.pool()).await.unwrap();
    let findings = inventory::audit::audit(world.store.pool()).await.unwrap();
    let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "MUG: on hand = received + returned + adjusted - shipped does not hold: 6 instead of 5",
            "MUG: reserved = allocated - released - shipped does not hold: 1 instead of 0",
            "MUG: reserved = what reservations hold does not hold: 1 instead of 0",
        ]
    );
    sqlx::query("UPDATE stock SET on_hand = 5, reserved = 0").execute(world.store.pool()).await.unwrap();
    world.close().await;
}
