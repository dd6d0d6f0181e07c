//! Random histories of a warehouse, on the pure core: whatever is wished in whatever order, the ledger adds up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use inventory::expiry::{ExpiredHold, choose};
use inventory::ledger::{Goods, Levels, Movement, MovementKind};
use inventory::reservation::{Decision, Intent, State, Wish, decide, expire, intend};
use jiff::Timestamp;
use proptest::prelude::*;

const SKUS: [&str; 3] = ["CUP", "MUG", "TEA"];
const ORDERS: usize = 5;

#[derive(Clone, Debug)]
enum Step {
    Hold { order: usize, goods: Goods, expires_in: Option<i64> },
    Commit { order: usize, goods: Goods },
    Release { order: usize },
    Count { sku: &'static str, counted: i64 },
    Pass { seconds: i64 },
    Expire { order: usize },
}

fn goods() -> impl Strategy<Value = Goods> {
    prop::collection::vec((prop::sample::select(&SKUS[..]), 1..4_i64), 1..4)
        .prop_map(|lines| Goods::sum(lines).unwrap())
}

fn step() -> impl Strategy<Value = Step> {
    let order = 0..ORDERS;
    prop_oneof![
        4 => (order.clone(), goods(), prop::option::of(0..5_i64))
            .prop_map(|(order, goods, expires_in)| Step::Hold { order, goods, expires_in }),
        2 => (order.clone(), goods()).prop_map(|(order, goods)| Step::Commit { order, goods }),
        1 => order.clone().prop_map(|order| Step::Release { order }),
        2 => (prop::sample::select(&SKUS[..]), 0..9_i64).prop_map(|(sku, counted)| Step::Count { sku, counted }),
        2 => (0..4_i64).prop_map(|seconds| Step::Pass { seconds }),
        1 => order.prop_map(|order| Step::Expire { order }),
    ]
}

/// What the database does, in memory.
struct Warehouse {
    now: i64,
    orders: Vec<State>,
    levels: Levels,
    ledger: Vec<Movement>,
}

impl Warehouse {
    fn new() -> Self {
        Self { now: 0, orders: vec![State::Unknown; ORDERS], levels: Levels::default(), ledger: Vec::new() }
    }

    fn clock(&self) -> Timestamp {
        Timestamp::from_second(self.now).unwrap()
    }

    fn settle(&mut self, order: usize, decision: Decision) {
        let Decision { next, movements } = decision;
        let changed = self.levels.after(&BTreeSet::new(), &movements).expect("a decision is always possible");
        self.levels.0.extend(changed.0);
        self.ledger.extend(movements);
        self.orders[order] = next;
    }

    fn make_room(&mut self, own: usize, intent: &Intent) {
        let short: BTreeMap<String, i64> = intent
            .skus()
            .into_iter()
            .map(|sku| {
                let pieces = intent.needs(&sku) - self.levels.available(&sku);
                (sku, pieces)
            })
            .collect();
        let mut holds: Vec<(Timestamp, usize)> = (0..ORDERS)
            .filter(|order| *order != own && expire(&self.orders[*order], self.clock()).is_some())
            .map(|order| (self.orders[order].expires_at().unwrap(), order))
            .collect();
        holds.sort_unstable();
        let holds: Vec<ExpiredHold> = holds
            .into_iter()
            .map(|(_, order)| ExpiredHold { order_id: order.to_string(), goods: self.orders[order].goods() })
            .collect();
        for order in choose(&short, &holds) {
            let order: usize = order.parse().unwrap();
            let decision = expire(&self.orders[order], self.clock()).unwrap();
            self.settle(order, decision);
        }
    }

    fn wish(&mut self, order: usize, wish: &Wish) {
        let before = self.orders[order].clone();
        let available: BTreeMap<String, i64> =
            SKUS.iter().map(|sku| ((*sku).to_owned(), self.free(sku, order))).collect();
        let intent = intend(&before, wish, self.clock());
        self.make_room(order, &intent);
        let decision = decide(&before, wish, &self.levels, self.clock());
        if let State::Insufficient { goods, shortages } = &decision.next {
            // Refused only for what was truly short, counting expired holds and its own goods as free.
            assert!(!shortages.is_empty());
            assert!(
                shortages.iter().all(|line| available[&line.sku] < line.requested),
                "{shortages:?} {available:?}"
            );
            assert!(shortages.iter().all(|line| goods.of(&line.sku) == line.requested));
        }
        self.settle(order, decision);
    }

    /// What `order` could have of `sku`: what is free, its own, and what others hold past their time.
    fn free(&self, sku: &str, order: usize) -> i64 {
        let taken: i64 = (0..ORDERS)
            .filter(|other| *other != order && expire(&self.orders[*other], self.clock()).is_none())
            .filter_map(|other| self.orders[other].held())
            .map(|goods| goods.of(sku))
            .sum();
        self.levels.0.get(sku).map_or(0, |level| level.on_hand) - taken
    }

    fn count(&mut self, sku: &str, counted: i64) {
        let level = self.levels.0.get(sku).copied().unwrap_or_default();
        let is_new = !self.levels.0.contains_key(sku);
        let Ok(movement) = inventory::count::settle(sku, counted, &level, is_new) else {
            assert!(counted < level.reserved);
            return;
        };
        let movements: Vec<Movement> = movement.into_iter().collect();
        let changed = self.levels.after(&BTreeSet::from([sku.to_owned()]), &movements).unwrap();
        self.levels.0.extend(changed.0);
        self.ledger.extend(movements);
        assert_eq!(self.levels.0[sku].on_hand, counted);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Hold { order, goods, expires_in } => {
                let expires_at =
                    expires_in.map(|seconds| Timestamp::from_second(self.now + seconds).unwrap());
                self.wish(order, &Wish::Hold { goods, expires_at });
            }
            Step::Commit { order, goods } => self.wish(order, &Wish::Commit { goods }),
            Step::Release { order } => self.wish(order, &Wish::Release),
            Step::Count { sku, counted } => self.count(sku, counted),
            Step::Pass { seconds } => self.now += seconds,
            Step::Expire { order } => {
                if let Some(decision) = expire(&self.orders[order], self.clock()) {
                    self.settle(order, decision);
                }
            }
        }
    }

    fn check(&self) {
        for sku in SKUS {
            let level = self.levels.0.get(sku).copied().unwrap_or_default();
            let sum = |kinds: &[MovementKind]| -> i64 {
                self.ledger
                    .iter()
                    .filter(|row| row.sku == sku && kinds.contains(&row.kind))
                    .map(|row| row.quantity)
                    .sum()
            };
            use MovementKind::{Adjusted, Allocated, Received, Released, Returned, Shipped};
            assert_eq!(
                level.on_hand,
                sum(&[Received, Returned, Adjusted]) - sum(&[Shipped]),
                "on hand of {sku}"
            );
            assert_eq!(level.reserved, sum(&[Allocated]) - sum(&[Released, Shipped]), "reserved of {sku}");
            let held: i64 = self.orders.iter().filter_map(State::held).map(|goods| goods.of(sku)).sum();
            assert_eq!(level.reserved, held, "live holds of {sku}");
            assert!(level.available() >= 0, "available of {sku}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_adds_up_whatever_is_wished(steps in prop::collection::vec(step(), 1..80)) {
        let mut warehouse = Warehouse::new();
        for step in steps {
            let before = warehouse.orders.clone();
            warehouse.take(step);
            warehouse.check();
            for (before, after) in before.iter().zip(&warehouse.orders) {
                if matches!(before, State::Released { .. }) {
                    assert_eq!(before, after, "released absorbs");
                }
                if matches!(before, State::Committed { .. }) {
                    assert!(matches!(after, State::Committed { .. } | State::Released { .. }), "shipped goods are not held again");
                }
                if matches!(before, State::Held { expires_at: None, .. }) {
                    assert!(!matches!(after, State::Expired { .. }) || after.goods() != before.goods(), "only what has an expiry expires");
                }
            }
        }
    }

    #[test]
    fn a_wish_that_came_true_moves_nothing_when_it_is_repeated(steps in prop::collection::vec(step(), 1..40), last in step()) {
        let mut warehouse = Warehouse::new();
        for step in steps {
            warehouse.take(step);
        }
        if matches!(last, Step::Pass { .. }) {
            return Ok(());
        }
        warehouse.take(last.clone());
        let (rows, orders) = (warehouse.ledger.len(), warehouse.orders.clone());
        warehouse.take(last);
        prop_assert_eq!((rows, orders), (warehouse.ledger.len(), warehouse.orders));
    }
}
