//! Stocktakes, pure: what is refused, and the movement that makes a count true.

use std::collections::{BTreeMap, BTreeSet};

use events::StockLine;
use events::questions::CountStock;

use crate::ledger::{Level, Movement, MovementKind};
use crate::wish::is_sku;

/// The most pieces of an article.
pub const MOST: i64 = 1_000_000_000;
const PARTS: u32 = 100_000;
const CAUSE: usize = 200;

/// Why a count cannot be taken over. The text names the row and says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The import id is none.
    #[error("the import id {0:?} is none: give a UUID, the same for all parts")]
    ImportId(String),
    /// The numbers of the parts do not fit.
    #[error("part {part} of {parts} cannot be: count the parts from 0, in 1 to {PARTS} parts")]
    Part {
        /// The part.
        part: u32,
        /// How many there are said to be.
        parts: u32,
    },
    /// The cause cannot be kept.
    #[error("the cause {0:?} cannot be kept in the ledger: say why in 1 to {CAUSE} printable characters")]
    Cause(String),
    /// No SKU.
    #[error(
        "{0:?} is no SKU: give 1 to 63 letters, digits, dots, dashes and underscores, a letter or digit first"
    )]
    Sku(String),
    /// No number of pieces.
    #[error("the stock {quantity} of {sku} cannot be: give 0 to {MOST} pieces")]
    Quantity {
        /// The article.
        sku: String,
        /// The count.
        quantity: i64,
    },
    /// An article was counted twice.
    #[error("{0} is counted twice in one import: give each SKU once")]
    Twice(String),
    /// The parts tell different things of the import.
    #[error("import {0} was begun with other parts or another cause: start again under a new import id")]
    OtherImport(String),
    /// The same part with other counts.
    #[error(
        "part {part} of import {import_id} came before with other counts: start again under a new import id"
    )]
    OtherPart {
        /// The import.
        import_id: String,
        /// The part.
        part: u32,
    },
    /// Orders hold more.
    #[error(
        "the stock of {sku} cannot become {counted}: {reserved} pieces are reserved for orders; count at least \
         {reserved}, or cancel orders that hold {sku} first"
    )]
    BelowReserved {
        /// The article.
        sku: String,
        /// The count.
        counted: i64,
        /// What is reserved.
        reserved: i64,
    },
}

/// Checks a part by itself.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(question: &CountStock) -> Result<(), Refused> {
    let CountStock { import_id, part, parts, dry_run: _, counts, cause } = question;
    if uuid::Uuid::parse_str(import_id).is_err() {
        return Err(Refused::ImportId(import_id.clone()));
    }
    if *parts > PARTS || part >= parts {
        return Err(Refused::Part { part: *part, parts: *parts });
    }
    let length = cause.chars().count();
    if cause.trim().is_empty() || length > CAUSE || cause.chars().any(char::is_control) {
        return Err(Refused::Cause(cause.chars().take(CAUSE).collect()));
    }
    let mut seen = BTreeSet::new();
    for StockLine { sku, quantity } in counts {
        if !is_sku(sku) {
            return Err(Refused::Sku(sku.clone()));
        }
        if !(0..=MOST).contains(quantity) {
            return Err(Refused::Quantity { sku: sku.clone(), quantity: *quantity });
        }
        if !seen.insert(sku) {
            return Err(Refused::Twice(sku.clone()));
        }
    }
    Ok(())
}

/// The counts of all parts together.
///
/// # Errors
/// When two parts count the same article.
pub fn combine(parts: impl IntoIterator<Item = Vec<StockLine>>) -> Result<BTreeMap<String, i64>, Refused> {
    let mut counts = BTreeMap::new();
    for StockLine { sku, quantity } in parts.into_iter().flatten() {
        if counts.insert(sku.clone(), quantity).is_some() {
            return Err(Refused::Twice(sku));
        }
    }
    Ok(counts)
}

/// What makes `counted` pieces of `sku` true: `None` when it is true already.
///
/// # Errors
/// When orders hold more than were counted.
pub fn settle(sku: &str, counted: i64, level: &Level, is_new: bool) -> Result<Option<Movement>, Refused> {
    if counted < level.reserved {
        return Err(Refused::BelowReserved { sku: sku.to_owned(), counted, reserved: level.reserved });
    }
    let kind = if is_new { MovementKind::Received } else { MovementKind::Adjusted };
    let quantity = counted - level.on_hand;
    Ok((quantity != 0).then(|| Movement { sku: sku.to_owned(), kind, quantity }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(counts: &[(&str, i64)]) -> CountStock {
        CountStock {
            import_id: "0b9c2a3e-5d1f-4a6b-8c7d-1e2f3a4b5c6d".into(),
            part: 0,
            parts: 1,
            dry_run: false,
            counts: counts
                .iter()
                .map(|(sku, quantity)| StockLine { sku: (*sku).into(), quantity: *quantity })
                .collect(),
            cause: "catalog import".into(),
        }
    }

    fn refusal(counts: &[(&str, i64)]) -> String {
        check(&part(counts)).unwrap_err().to_string()
    }

    #[test]
    fn a_part_is_checked_row_by_row() {
        assert_eq!(check(&part(&[("MUG", 0), ("TEA", MOST)])), Ok(()));
        assert!(refusal(&[("MUG", -1)]).contains("stock -1 of MUG"));
        assert!(refusal(&[("MUG", MOST + 1)]).contains("0 to 1000000000"));
        assert!(refusal(&[("MUG", 1), ("MUG", 1)]).contains("MUG is counted twice"));
        assert!(refusal(&[("", 1)]).contains("is no SKU"));
    }

    #[test]
    fn an_import_is_checked_as_such() {
        let broken = |change: fn(&mut CountStock)| {
            let mut question = part(&[]);
            change(&mut question);
            check(&question).unwrap_err().to_string()
        };
        assert!(broken(|question| question.import_id = "1".into()).contains("give a UUID"));
        assert!(broken(|question| question.part = 1).contains("part 1 of 1"));
        assert!(broken(|question| question.parts = 0).contains("part 0 of 0"));
        assert!(broken(|question| question.cause = " ".into()).contains("say why"));
        assert!(broken(|question| question.cause = "a\nb".into()).contains("say why"));
    }

    #[test]
    fn the_difference_becomes_the_movement() {
        let level = Level { on_hand: 5, reserved: 2, ..Level::default() };
        let movement = |kind, quantity| Movement { sku: "MUG".into(), kind, quantity };
        assert_eq!(settle("MUG", 9, &level, false), Ok(Some(movement(MovementKind::Adjusted, 4))));
        assert_eq!(settle("MUG", 2, &level, false), Ok(Some(movement(MovementKind::Adjusted, -3))));
        assert_eq!(settle("MUG", 5, &level, false), Ok(None));
        assert_eq!(settle("MUG", 7, &Level::default(), true), Ok(Some(movement(MovementKind::Received, 7))));
        assert_eq!(settle("MUG", 0, &Level::default(), true), Ok(None));
    }

    #[test]
    fn a_count_below_what_is_reserved_names_it_and_says_what_to_do() {
        let level = Level { on_hand: 5, reserved: 2, ..Level::default() };
        assert_eq!(
            settle("MUG", 1, &level, false).unwrap_err().to_string(),
            "the stock of MUG cannot become 1: 2 pieces are reserved for orders; count at least 2, or cancel orders \
             that hold MUG first"
        );
    }

    #[test]
    fn two_parts_that_count_one_article_are_refused() {
        let line = |sku: &str| vec![StockLine { sku: sku.into(), quantity: 1 }];
        assert_eq!(combine([line("MUG"), line("TEA")]).unwrap().len(), 2);
        assert_eq!(combine([line("MUG"), line("MUG")]), Err(Refused::Twice("MUG".into())));
    }
}
