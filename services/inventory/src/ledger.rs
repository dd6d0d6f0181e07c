//! The ledger's algebra, pure: goods, levels, and the movements that change them.
//!
//! on hand = received + returned + adjusted − shipped; reserved = allocated − released − shipped;
//! available = on hand − reserved, never below zero.

use std::collections::{BTreeMap, BTreeSet};

use events::StockLine;

/// Pieces by article, in the order of the SKU: the order in which they are locked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goods(BTreeMap<String, i64>);

impl Goods {
    /// The demand of several lines, summed for each article; `None` when a sum is beyond counting.
    pub fn sum<'a>(lines: impl IntoIterator<Item = (&'a str, i64)>) -> Option<Self> {
        let mut goods = BTreeMap::new();
        for (sku, quantity) in lines {
            let total: &mut i64 = goods.entry(sku.to_owned()).or_default();
            *total = total.checked_add(quantity)?;
        }
        Some(Self(goods))
    }

    /// How many pieces of `sku`.
    #[must_use]
    pub fn of(&self, sku: &str) -> i64 {
        self.0.get(sku).copied().unwrap_or(0)
    }

    /// True when there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The articles.
    pub fn skus(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Article and pieces, in the order of the SKU.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(sku, quantity)| (sku.as_str(), *quantity))
    }

    /// As the lines of an event.
    #[must_use]
    pub fn lines(&self) -> Vec<StockLine> {
        self.iter().map(|(sku, quantity)| StockLine { sku: sku.to_owned(), quantity }).collect()
    }

    /// One movement of `kind` for each article.
    #[must_use]
    pub fn movements(&self, kind: MovementKind) -> Vec<Movement> {
        self.iter().map(|(sku, quantity)| Movement { sku: sku.to_owned(), kind, quantity }).collect()
    }
}

/// What a movement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MovementKind {
    /// New goods came in.
    Received,
    /// Shipped goods came back.
    Returned,
    /// A count found another number; the only kind with a sign.
    Adjusted,
    /// Set aside for an order.
    Allocated,
    /// No longer set aside.
    Released,
    /// What was set aside left the house.
    Shipped,
}

impl MovementKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Received, Self::Returned, Self::Adjusted, Self::Allocated, Self::Released, Self::Shipped];

    /// As in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Returned => "returned",
            Self::Adjusted => "adjusted",
            Self::Allocated => "allocated",
            Self::Released => "released",
            Self::Shipped => "shipped",
        }
    }

    /// What `quantity` pieces of it do to (on hand, reserved).
    #[must_use]
    pub const fn effect(self, quantity: i64) -> (i64, i64) {
        match self {
            Self::Received | Self::Returned | Self::Adjusted => (quantity, 0),
            Self::Allocated => (0, quantity),
            Self::Released => (0, -quantity),
            Self::Shipped => (-quantity, -quantity),
        }
    }
}

/// One row of the ledger, without its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The article.
    pub sku: String,
    /// What it is.
    pub kind: MovementKind,
    /// How many pieces: above zero, but for `Adjusted`, where it is not zero.
    pub quantity: i64,
}

/// What the ledger of one article adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Pieces in the house.
    pub on_hand: i64,
    /// Pieces of them set aside.
    pub reserved: i64,
    /// The number of the change.
    pub revision: i64,
    /// The reorder point.
    pub minimum: Option<i64>,
}

impl Level {
    /// Pieces that can be had.
    #[must_use]
    pub const fn available(&self) -> i64 {
        self.on_hand - self.reserved
    }

    /// True when `after` is below the reorder point and `self` was not.
    #[must_use]
    pub fn falls_below_minimum(&self, after: &Self) -> bool {
        after.minimum.is_some_and(|minimum| self.available() >= minimum && after.available() < minimum)
    }
}

/// A change that the ledger cannot take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the movements of {sku} would leave {on_hand} on hand with {reserved} reserved, which cannot be")]
pub struct Impossible {
    /// The article.
    pub sku: String,
    /// What would be on hand.
    pub on_hand: i64,
    /// What would be reserved.
    pub reserved: i64,
}

/// The levels of the articles that a decision is about. An article that is not in it is not known: none is available.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels(pub BTreeMap<String, Level>);

impl Levels {
    /// Pieces of `sku` that can be had.
    #[must_use]
    pub fn available(&self, sku: &str) -> i64 {
        self.0.get(sku).map_or(0, Level::available)
    }

    /// The levels of the articles in `touched` after `movements`, each with its next revision.
    ///
    /// # Errors
    /// When a level would fall below zero, or below what is reserved.
    pub fn after(&self, touched: &BTreeSet<String>, movements: &[Movement]) -> Result<Self, Impossible> {
        let mut changed: BTreeMap<String, Level> =
            touched.iter().map(|sku| (sku.clone(), self.0.get(sku).copied().unwrap_or_default())).collect();
        for movement in movements {
            let before = self.0.get(&movement.sku).copied().unwrap_or_default();
            let level = changed.entry(movement.sku.clone()).or_insert(before);
            let (on_hand, reserved) = movement.kind.effect(movement.quantity);
            level.on_hand = level.on_hand.saturating_add(on_hand);
            level.reserved = level.reserved.saturating_add(reserved);
        }
        for (sku, level) in &mut changed {
            level.revision += 1;
            if level.on_hand < 0 || level.reserved < 0 || level.available() < 0 {
                return Err(Impossible {
                    sku: sku.clone(),
                    on_hand: level.on_hand,
                    reserved: level.reserved,
                });
            }
        }
        Ok(Self(changed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(on_hand: i64, reserved: i64) -> Levels {
        let level = Level { on_hand, reserved, revision: 4, minimum: Some(3) };
        Levels(BTreeMap::from([("MUG-01".to_owned(), level)]))
    }

    fn movement(kind: MovementKind, quantity: i64) -> Movement {
        Movement { sku: "MUG-01".into(), kind, quantity }
    }

    #[test]
    fn demand_is_summed_for_each_article() {
        let goods = Goods::sum([("TEA", 1), ("MUG", 2), ("TEA", 3)]).unwrap();
        assert_eq!(goods.iter().collect::<Vec<_>>(), [("MUG", 2), ("TEA", 4)]);
        assert_eq!(Goods::sum([("TEA", i64::MAX), ("TEA", 1)]), None);
    }

    #[test]
    fn what_is_set_aside_and_shipped_leaves_the_house() {
        let moved = [movement(MovementKind::Allocated, 2), movement(MovementKind::Shipped, 2)];
        let after = levels(5, 1).after(&BTreeSet::new(), &moved).unwrap();
        assert_eq!(after.0["MUG-01"], Level { on_hand: 3, reserved: 1, revision: 5, minimum: Some(3) });
    }

    #[test]
    fn a_level_never_falls_below_what_is_reserved() {
        let error =
            levels(5, 4).after(&BTreeSet::new(), &[movement(MovementKind::Adjusted, -2)]).unwrap_err();
        assert_eq!(error, Impossible { sku: "MUG-01".into(), on_hand: 3, reserved: 4 });
        assert!(levels(5, 4).after(&BTreeSet::new(), &[movement(MovementKind::Allocated, 2)]).is_err());
        assert!(levels(5, 0).after(&BTreeSet::new(), &[movement(MovementKind::Released, 1)]).is_err());
    }

    #[test]
    fn an_article_that_is_touched_without_a_movement_gets_a_revision() {
        let after = Levels::default().after(&BTreeSet::from(["NEW".to_owned()]), &[]).unwrap();
        assert_eq!(after.0["NEW"], Level { revision: 1, ..Level::default() });
    }

    #[test]
    fn the_reorder_point_is_crossed_once() {
        let level = |available| Level { on_hand: available, reserved: 0, revision: 1, minimum: Some(3) };
        assert!(level(3).falls_below_minimum(&level(2)));
        assert!(!level(2).falls_below_minimum(&level(1)));
        assert!(!level(4).falls_below_minimum(&level(3)));
        assert!(!level(9).falls_below_minimum(&Level { minimum: None, ..level(0) }));
    }
}
