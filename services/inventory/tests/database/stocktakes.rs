//! Stocktakes.

use events::questions::ImportAnswer;

use crate::ledger::read;
use crate::world::{World, expiring, generation, part, second, wish};

#[tokio::test]
async fn an_import_takes_effect_when_its_last_part_has_arrived_and_only_once() {
    let world = World::open().await;
    world.stock(&[("MUG", 5), ("TEA", 1)]).await;
    let import = uuid::Uuid::new_v4().to_string();
    let (first, last) =
        (part(&import, 0, 2, &[("MUG", 3), ("TEA", 1)]), part(&import, 1, 2, &[("CUP", 7), ("NIL", 0)]));
    let waiting = ImportAnswer { complete: false, created: 0, changed: 0 };
    let done = ImportAnswer { complete: true, created: 2, changed: 1 };
    assert_eq!(world.count(&last).await.unwrap(), waiting);
    assert_eq!(world.count(&last).await.unwrap(), waiting);
    assert_eq!(world.level("MUG").await, (5, 0));
    assert_eq!(world.count(&first).await.unwrap(), done);
    for again in [&first, &last] {
        assert_eq!(world.count(again).await.unwrap(), done);
    }
    assert_eq!(
        (world.level("MUG").await, world.level("CUP").await, world.level("NIL").await),
        ((3, 0), (7, 0), (0, 0))
    );
    assert_eq!(world.movements("MUG").await, [("received".into(), 5), ("adjusted".into(), -2)]);
    assert_eq!(world.movements("CUP").await, [("received".into(), 7)]);
    assert_eq!(world.movements("NIL").await, []);
    let other = world.count(&part(&import, 0, 2, &[("MUG", 4)])).await.unwrap_err();
    assert!(other.to_string().contains("came before with other counts"), "{other}");
    let other = world.count(&part(&import, 0, 3, &[("MUG", 3), ("TEA", 1)])).await.unwrap_err();
    assert!(other.to_string().contains("begun with other parts"), "{other}");
    world.close().await;
}

#[tokio::test]
async fn a_count_below_what_is_reserved_changes_nothing_and_can_be_made_good() {
    let world = World::open().await;
    world.stock(&[("MUG", 5)]).await;
    world.deliver(&wish("o1", "Held", &[("MUG", 2)])).await;
    let import = uuid::Uuid::new_v4().to_string();
    let count = part(&import, 0, 1, &[("CUP", 1), ("MUG", 1)]);
    let mut rehearsal = count.clone();
    rehearsal.dry_run = true;
    for question in [&rehearsal, &count] {
        let refused = world.count(question).await.unwrap_err().to_string();
        assert!(
            refused.contains("MUG cannot become 1: 2 pieces are reserved")
                && refused.contains("cancel orders"),
            "{refused}"
        );
    }
    assert_eq!(world.level("MUG").await, (5, 2));
    world.deliver(&generation(wish("o1", "Released", &[]), 2)).await;
    assert_eq!(
        world.count(&rehearsal).await.unwrap(),
        ImportAnswer { complete: false, created: 1, changed: 1 }
    );
    assert_eq!(world.count(&count).await.unwrap(), ImportAnswer { complete: true, created: 1, changed: 1 });
    assert_eq!(world.level("MUG").await, (1, 0));
    world.close().await;
}

#[tokio::test]
async fn a_count_takes_expired_holds_for_free() {
    let world = World::open().await;
    world.stock(&[("MUG", 5)]).await;
    world
        .apply(&expiring(wish("late", "Held", &[("MUG", 4)]), second(-900_000_000)), second(-900_000_001))
        .await;
    let answer = read(&world, &["MUG"], None).await;
    assert_eq!((answer.levels[0].reserved, answer.levels[0].available), (0, 5));
    world.stock(&[("MUG", 2)]).await;
    assert_eq!((world.level("MUG").await, world.phase("late").await.as_deref()), ((2, 0), Some("Expired")));
    world.close().await;
}
