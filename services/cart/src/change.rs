//! What may become of a cart: an article put into it, and lines that come back. Pure.

use events::questions::ArticleData;
use jiff::Timestamp;
use money::Currency;

use crate::line::{GREATEST_QUANTITY, Line, MOST_LINES, total};

/// Why an article cannot be put into a cart; says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutRefusal {
    /// It is sold no more.
    #[error("{name} ({sku}) is sold no more")]
    Retired {
        /// The article.
        sku: String,
        /// Its name.
        name: String,
    },
    /// There is no room.
    #[error("the cart has {MOST_LINES} articles, and an order can have no more: take one out first")]
    Full,
    /// A cart has one currency.
    #[error("{sku} is sold in {own} and the cart is in {cart}: check that out first, or empty it")]
    Currency {
        /// The article.
        sku: String,
        /// What it is sold in.
        own: Currency,
        /// What the rest of the cart is sold in.
        cart: Currency,
    },
    /// More than an amount can say.
    #[error("so much of {sku} costs more than can be ordered at once: take fewer")]
    TooMuch {
        /// The article.
        sku: String,
    },
}

/// The line that the cart has once `quantity` of `article` are in it.
///
/// # Errors
/// When they cannot be.
pub fn put(lines: &[Line], article: &ArticleData, quantity: u32, now: Timestamp) -> Result<Line, PutRefusal> {
    let ArticleData { sku, name, price, image, available, retired } = article;
    if *retired {
        return Err(PutRefusal::Retired { sku: sku.clone(), name: name.clone() });
    }
    let before = lines.iter().find(|line| line.sku == *sku);
    if before.is_none() && lines.len() >= MOST_LINES {
        return Err(PutRefusal::Full);
    }
    let others = || lines.iter().filter(|line| line.sku != *sku);
    let (own, foreign) = (price.currency(), |line: &&Line| line.price.currency() != price.currency());
    if let Some(other) = others().filter(|line| !line.gone).find(foreign) {
        return Err(PutRefusal::Currency { sku: sku.clone(), own, cart: other.price.currency() });
    }
    let line = Line {
        sku: sku.clone(),
        quantity,
        position: before.map_or_else(|| next_position(lines), |line| line.position),
        added_at: before.map_or(now, |line| line.added_at),
        name: name.clone(),
        image: image.clone(),
        available: *available,
        gone: false,
        price: *price,
        // Another quantity is no word on a price that changed meanwhile.
        told: before.map(|line| line.told).filter(|told| told.currency() == own).unwrap_or(*price),
    };
    let all: Vec<Line> = others().chain([&line]).cloned().collect();
    if total(&all).is_none() {
        return Err(PutRefusal::TooMuch { sku: sku.clone() });
    }
    Ok(line)
}

/// The lines of a cart once those of a refused checkout are back in it. Nothing is lost: of an article that is in both there are as
/// many as in both, as far as a line can have, and there may be more lines than a shopper could put there.
#[must_use]
pub fn merge(open: &[Line], back: &[Line]) -> Vec<Line> {
    let mut merged = open.to_vec();
    for line in back {
        match merged.iter_mut().find(|other| other.sku == line.sku) {
            Some(other) => {
                other.quantity = other.quantity.saturating_add(line.quantity).min(GREATEST_QUANTITY);
                other.added_at = other.added_at.min(line.added_at);
            }
            None => merged.push(Line { position: next_position(&merged), ..line.clone() }),
        }
    }
    merged
}

fn next_position(lines: &[Line]) -> i32 {
    lines.iter().map(|line| line.position).max().unwrap_or(0).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::{Strategy, prop_assert_eq, proptest};

    use super::*;
    use crate::line::fixtures::{article, line, money};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn an_article_that_is_put_comes_last_and_one_that_is_there_keeps_its_place() {
        let there = [line("MUG-01", 1, "10.00 EUR"), Line { position: 7, ..line("MUG-02", 1, "1.00 EUR") }];
        let added = put(&there, &article("MUG-03", "2.00 EUR"), 5, NOW).unwrap();
        assert_eq!((added.position, added.quantity, added.told), (8, 5, money("2.00 EUR")));
        let changed = put(&there, &article("MUG-01", "12.00 EUR"), 3, NOW).unwrap();
        assert_eq!((changed.position, changed.quantity), (1, 3));
        assert_eq!((changed.price, changed.told), (money("12.00 EUR"), money("10.00 EUR")), "not said yet");
    }

    #[test]
    fn what_cannot_be_in_the_cart_is_refused_with_what_to_do() {
        let there = [line("MUG-01", 1, "10.00 EUR")];
        let refusal = |lines: &[Line], article: &ArticleData, quantity| {
            put(lines, article, quantity, NOW).unwrap_err().to_string()
        };
        let retired = ArticleData { retired: true, ..article("MUG-02", "1.00 EUR") };
        assert!(refusal(&there, &retired, 1).contains("sold no more"));
        let dollars = article("MUG-02", "1.00 USD");
        assert!(refusal(&there, &dollars, 1).contains("in USD and the cart is in EUR"));
        let dear = article("MUG-02", "999999999999.00 EUR");
        assert!(refusal(&there, &dear, 100).contains("take fewer"));
        let full: Vec<Line> = (0..MOST_LINES).map(|n| line(&format!("MUG-{n}"), 1, "1.00 EUR")).collect();
        assert!(refusal(&full, &article("CUP-01", "1.00 EUR"), 1).contains("take one out"));
        assert!(put(&full, &article("MUG-7", "1.00 EUR"), 9, NOW).is_ok(), "a line that is there may change");
    }

    #[test]
    fn a_cart_changes_its_currency_with_its_only_article() {
        let there = [line("MUG-01", 1, "10.00 EUR"), Line { gone: true, ..line("MUG-02", 1, "10.00 EUR") }];
        let changed = put(&there, &article("MUG-01", "11.00 USD"), 1, NOW).unwrap();
        assert_eq!((changed.price, changed.told), (money("11.00 USD"), money("11.00 USD")));
    }

    fn lines() -> impl Strategy<Value = Vec<Line>> {
        btree_map("[A-F]", 1..6000_u32, 0..6).prop_map(|quantities| {
            let numbered = quantities.into_iter().zip(1..);
            numbered
                .map(|((sku, quantity), position)| Line { position, ..line(&sku, quantity, "1.00 EUR") })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn nothing_of_what_comes_back_is_lost(open in lines(), back in lines()) {
            let merged = merge(&open, &back);
            let quantity = |lines: &[Line], sku: &str| -> u32 {
                lines.iter().filter(|line| line.sku == sku).map(|line| line.quantity).sum()
            };
            for sku in ["A", "B", "C", "D", "E", "F"] {
                let sum = quantity(&open, sku) + quantity(&back, sku);
                prop_assert_eq!(quantity(&merged, sku), sum.min(GREATEST_QUANTITY));
                prop_assert_eq!(merged.iter().filter(|line| line.sku == sku).count(), usize::from(sum > 0));
            }
            let mut positions: Vec<i32> = merged.iter().map(|line| line.position).collect();
            positions.dedup();
            prop_assert_eq!(positions.len(), merged.len());
            prop_assert_eq!(&merged[..open.len()].iter().map(|line| &line.sku).collect::<Vec<_>>(),
                &open.iter().map(|line| &line.sku).collect::<Vec<_>>());
        }
    }
}
