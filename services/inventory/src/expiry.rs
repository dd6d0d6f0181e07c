//! Which expired holds give their goods to an allocation that finds too little, pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::Goods;

/// A hold whose time has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredHold {
    /// Whose it is.
    pub order_id: String,
    /// What it holds.
    pub goods: Goods,
}

/// The orders of the holds to expire, so that `short` (pieces missing by article) is covered as far as it can be.
/// `holds` come oldest first, and the oldest give first; one that has nothing of what is missing gives nothing.
#[must_use]
pub fn choose(short: &BTreeMap<String, i64>, holds: &[ExpiredHold]) -> BTreeSet<String> {
    let mut missing = short.clone();
    let mut chosen = BTreeSet::new();
    for hold in holds {
        let helps = hold.goods.skus().any(|sku| missing.get(sku).is_some_and(|pieces| *pieces > 0));
        if !helps {
            continue;
        }
        for (sku, quantity) in hold.goods.iter() {
            if let Some(pieces) = missing.get_mut(sku) {
                *pieces -= quantity;
            }
        }
        chosen.insert(hold.order_id.clone());
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(order_id: &str, lines: &[(&str, i64)]) -> ExpiredHold {
        ExpiredHold { order_id: order_id.into(), goods: Goods::sum(lines.iter().copied()).unwrap() }
    }

    fn chosen(short: &[(&str, i64)], holds: &[ExpiredHold]) -> Vec<String> {
        let short = short.iter().map(|(sku, pieces)| ((*sku).to_owned(), *pieces)).collect();
        choose(&short, holds).into_iter().collect()
    }

    #[test]
    fn the_oldest_give_first_and_no_more_than_needed() {
        let holds = [hold("old", &[("MUG", 2)]), hold("mid", &[("MUG", 1)]), hold("new", &[("MUG", 5)])];
        assert_eq!(chosen(&[("MUG", 3)], &holds), ["mid", "old"]);
        assert_eq!(chosen(&[("MUG", 2)], &holds), ["old"]);
        assert_eq!(chosen(&[("MUG", 0)], &holds), Vec::<String>::new());
    }

    #[test]
    fn holds_of_other_goods_are_left_alone() {
        let holds = [hold("tea", &[("TEA", 9)]), hold("both", &[("MUG", 1), ("TEA", 1)])];
        assert_eq!(chosen(&[("MUG", 1)], &holds), ["both"]);
    }

    #[test]
    fn one_hold_may_cover_several_articles() {
        let holds = [hold("both", &[("MUG", 1), ("TEA", 1)]), hold("tea", &[("TEA", 1)])];
        assert_eq!(chosen(&[("MUG", 1), ("TEA", 1)], &holds), ["both"]);
    }

    #[test]
    fn what_cannot_be_covered_is_covered_as_far_as_it_goes() {
        assert_eq!(chosen(&[("MUG", 9)], &[hold("one", &[("MUG", 1)])]), ["one"]);
    }
}
