use super::*;
use crate::ledger::Level;

fn goods(lines: &[(&str, i64)]) -> Goods {
    Goods::sum(lines.iter().copied()).unwrap()
}

fn levels(lines: &[(&str, i64)]) -> Levels {
    let level = |on_hand| Level { on_hand, ..Level::default() };
    Levels(lines.iter().map(|(sku, on_hand)| ((*sku).to_owned(), level(*on_hand))).collect())
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn held(lines: &[(&str, i64)], expires_at: Option<i64>) -> State {
    State::Held { goods: goods(lines), expires_at: expires_at.map(time) }
}

fn hold(lines: &[(&str, i64)], expires_at: Option<i64>) -> Wish {
    Wish::Hold { goods: goods(lines), expires_at: expires_at.map(time) }
}

fn commit(lines: &[(&str, i64)]) -> Wish {
    Wish::Commit { goods: goods(lines) }
}

fn decided(state: &State, wish: &Wish, shelf: &[(&str, i64)]) -> (State, Vec<(MovementKind, String, i64)>) {
    let Decision { next, movements } = decide(state, wish, &levels(shelf), time(100));
    (next, movements.into_iter().map(|moved| (moved.kind, moved.sku, moved.quantity)).collect())
}

fn moved(kind: MovementKind, sku: &str, quantity: i64) -> (MovementKind, String, i64) {
    (kind, sku.to_owned(), quantity)
}

use MovementKind::{Allocated, Released, Returned, Shipped};

#[test]
fn all_lines_are_held_when_all_are_there() {
    let (next, movements) =
        decided(&State::Unknown, &hold(&[("MUG", 2), ("TEA", 1)], None), &[("MUG", 2), ("TEA", 9)]);
    assert_eq!(next, held(&[("MUG", 2), ("TEA", 1)], None));
    assert_eq!(movements, [moved(Allocated, "MUG", 2), moved(Allocated, "TEA", 1)]);
}

#[test]
fn nothing_is_held_when_one_line_is_short() {
    let wish = hold(&[("MUG", 2), ("NEVER", 1), ("TEA", 1)], None);
    let (next, movements) = decided(&State::Unknown, &wish, &[("MUG", 1), ("TEA", 9)]);
    let short = |sku: &str, requested, available| Shortage { sku: sku.into(), requested, available };
    assert_eq!(next.shortages(), [short("MUG", 2, 1), short("NEVER", 1, 0)]);
    assert_eq!((next.phase(), movements), (ReservationPhase::Insufficient, vec![]));
}

#[test]
fn the_same_hold_again_moves_nothing() {
    let state = held(&[("MUG", 2)], None);
    assert_eq!(decided(&state, &hold(&[("MUG", 2)], None), &[]), (state, vec![]));
}

#[test]
fn an_expiry_is_set_and_cleared_while_the_hold_lives() {
    let lines = [("MUG", 2)];
    assert_eq!(
        decided(&held(&lines, None), &hold(&lines, Some(500)), &[]),
        (held(&lines, Some(500)), vec![])
    );
    assert_eq!(decided(&held(&lines, Some(500)), &hold(&lines, None), &[]), (held(&lines, None), vec![]));
    // Its time has passed, but nobody took it.
    assert_eq!(decided(&held(&lines, Some(50)), &hold(&lines, None), &[]), (held(&lines, None), vec![]));
}

#[test]
fn an_expired_hold_is_had_again_when_the_goods_are_there() {
    let expired = State::Expired { goods: goods(&[("MUG", 2)]) };
    let (next, movements) = decided(&expired, &hold(&[("MUG", 2)], None), &[("MUG", 2)]);
    assert_eq!((next, movements), (held(&[("MUG", 2)], None), vec![moved(Allocated, "MUG", 2)]));
    let (next, movements) = decided(&expired, &hold(&[("MUG", 2)], None), &[("MUG", 1)]);
    assert_eq!((next.phase(), movements), (ReservationPhase::Insufficient, vec![]));
}

#[test]
fn a_hold_that_would_be_over_at_once_is_not_begun() {
    let expired = State::Expired { goods: goods(&[("MUG", 2)]) };
    assert_eq!(decided(&expired, &hold(&[("MUG", 2)], Some(100)), &[("MUG", 2)]), (expired.clone(), vec![]));
    let (next, movements) =
        decided(&held(&[("TEA", 1)], None), &hold(&[("MUG", 2)], Some(99)), &[("MUG", 2)]);
    assert_eq!((next, movements), (expired, vec![moved(Released, "TEA", 1)]));
}

#[test]
fn other_lines_take_the_place_of_the_held_ones() {
    let (next, movements) = decided(
        &held(&[("MUG", 2), ("TEA", 1)], None),
        &hold(&[("MUG", 5)], None),
        &[("MUG", 3), ("TEA", 0)],
    );
    assert_eq!(next, held(&[("MUG", 5)], None));
    assert_eq!(movements, [moved(Released, "MUG", 2), moved(Released, "TEA", 1), moved(Allocated, "MUG", 5)]);
}

#[test]
fn other_lines_that_cannot_be_had_leave_nothing_held() {
    let (next, movements) = decided(&held(&[("MUG", 2)], None), &hold(&[("MUG", 5)], None), &[("MUG", 2)]);
    assert_eq!(next.shortages(), [Shortage { sku: "MUG".into(), requested: 5, available: 4 }]);
    assert_eq!(movements, [moved(Released, "MUG", 2)]);
}

#[test]
fn what_is_held_is_what_ships() {
    let (next, movements) = decided(&held(&[("MUG", 2)], Some(50)), &commit(&[("MUG", 9)]), &[]);
    assert_eq!(
        (next, movements),
        (State::Committed { goods: goods(&[("MUG", 2)]) }, vec![moved(Shipped, "MUG", 2)])
    );
}

#[test]
fn goods_that_were_not_held_ship_when_they_are_there() {
    for state in [State::Unknown, State::Expired { goods: goods(&[("MUG", 1)]) }, insufficient()] {
        let (next, movements) = decided(&state, &commit(&[("MUG", 1)]), &[("MUG", 1)]);
        assert_eq!(next, State::Committed { goods: goods(&[("MUG", 1)]) });
        assert_eq!(movements, [moved(Allocated, "MUG", 1), moved(Shipped, "MUG", 1)]);
        let (next, movements) = decided(&state, &commit(&[("MUG", 1)]), &[]);
        assert_eq!((next.phase(), movements), (ReservationPhase::Insufficient, vec![]));
    }
}

fn insufficient() -> State {
    State::Insufficient { goods: goods(&[("MUG", 1)]), shortages: vec![] }
}

#[test]
fn a_release_frees_what_is_held_and_returns_what_was_shipped() {
    let lines = [("MUG", 2)];
    let released = State::Released { goods: goods(&lines) };
    let (next, movements) = decided(&held(&lines, None), &Wish::Release, &[]);
    assert_eq!((next, movements), (released.clone(), vec![moved(Released, "MUG", 2)]));
    let (next, movements) = decided(&State::Committed { goods: goods(&lines) }, &Wish::Release, &[]);
    assert_eq!((next, movements), (released, vec![moved(Returned, "MUG", 2)]));
}

#[test]
fn a_release_of_what_is_not_held_is_remembered() {
    for state in [State::Unknown, insufficient(), State::Expired { goods: goods(&[("MUG", 1)]) }] {
        let (next, movements) = decided(&state, &Wish::Release, &[]);
        assert_eq!((next, movements), (State::Released { goods: Goods::default() }, vec![]));
    }
}

#[test]
fn released_absorbs() {
    let released = State::Released { goods: goods(&[("MUG", 1)]) };
    for wish in
        [hold(&[("MUG", 1)], None), hold(&[("MUG", 1)], Some(500)), commit(&[("MUG", 1)]), Wish::Release]
    {
        assert_eq!(decided(&released, &wish, &[("MUG", 9)]), (released.clone(), vec![]));
    }
}

#[test]
fn what_has_left_the_house_is_not_held_again() {
    let committed = State::Committed { goods: goods(&[("MUG", 1)]) };
    for wish in [hold(&[("MUG", 1)], None), commit(&[("MUG", 1)])] {
        assert_eq!(decided(&committed, &wish, &[("MUG", 9)]), (committed.clone(), vec![]));
    }
}

#[test]
fn only_a_hold_whose_time_has_passed_expires() {
    let lines = [("MUG", 2)];
    let decision = expire(&held(&lines, Some(100)), time(100)).unwrap();
    assert_eq!(decision.next, State::Expired { goods: goods(&lines) });
    assert_eq!(decision.movements, goods(&lines).movements(Released));
    for state in [held(&lines, Some(101)), held(&lines, None), State::Unknown, insufficient()] {
        assert_eq!(expire(&state, time(100)), None);
    }
}

#[test]
fn a_command_is_new_known_or_overtaken() {
    let child = |uid: &str, generation| Child { uid: uid.into(), generation };
    let recorded = child("a", 3);
    assert_eq!(admit(None, Some(&child("a", 1))), Admission::New);
    assert_eq!(admit(Some(&recorded), Some(&child("a", 4))), Admission::New);
    assert_eq!(admit(Some(&recorded), Some(&child("a", 3))), Admission::Known);
    assert_eq!(admit(Some(&recorded), Some(&child("a", 2))), Admission::Overtaken);
    assert_eq!(admit(Some(&recorded), Some(&child("b", 1))), Admission::New);
    assert_eq!(admit(Some(&recorded), None), Admission::New);
}

#[test]
fn what_an_intent_needs_is_what_it_lacks() {
    let intent = intend(&held(&[("MUG", 2), ("TEA", 1)], None), &hold(&[("MUG", 5)], None), time(0));
    assert_eq!((intent.needs("MUG"), intent.needs("TEA")), (3, 0));
    assert_eq!(intent.skus().into_iter().collect::<Vec<_>>(), ["MUG", "TEA"]);
    assert_eq!(intend(&State::Unknown, &Wish::Release, time(0)).needs("MUG"), 0);
}
