//! A line of a cart: an article, how many of it, and how the article was when it was last seen. Nothing here acts.

use std::collections::{BTreeMap, BTreeSet};

use events::questions::ArticleData;
use jiff::Timestamp;
use money::{Currency, Money, MoneyError};
use serde::{Deserialize, Serialize};

/// How many lines a shopper can put into a cart, and an order can have.
pub const MOST_LINES: usize = 100;
/// How many pieces a line has at most.
pub const GREATEST_QUANTITY: u32 = 10_000;
/// How long a SKU is at most.
const LONGEST_SKU: usize = 63;

/// An article in a cart.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The article.
    pub sku: String,
    /// How many pieces, from 1 to [`GREATEST_QUANTITY`].
    pub quantity: u32,
    /// Where it stands in the cart: smaller ones come first.
    pub position: i32,
    /// Since when it is there.
    pub added_at: Timestamp,
    /// The article's name, as last seen.
    pub name: String,
    /// Its first picture, as last seen.
    pub image: Option<String>,
    /// How many could be sold when it was last seen; absent when the catalog had not heard.
    pub available: Option<i64>,
    /// True: nobody knew it any more when it was last looked up, or it was retired.
    pub gone: bool,
    /// The price of one piece, as last seen.
    pub price: Money,
    /// The price of one piece that the shopper was last told.
    pub told: Money,
}

impl Line {
    /// What the line costs; none when that is beyond all amounts.
    #[must_use]
    pub fn total(&self) -> Option<Money> {
        self.price.checked_mul(self.quantity).ok()
    }
}

/// What the lines that can be bought cost; none when that is beyond all amounts, or they have several currencies.
#[must_use]
pub fn total(lines: &[Line]) -> Option<Money> {
    let mut sold = lines.iter().filter(|line| !line.gone).peekable();
    let currency = sold.peek().copied().or(lines.first()).map_or(Currency::EUR, |line| line.price.currency());
    sold.try_fold(Money::zero(currency), |sum, line| -> Result<Money, MoneyError> {
        sum.checked_add(line.price.checked_mul(line.quantity)?)
    })
    .ok()
}

/// True of a text that can be the SKU of an article.
#[must_use]
pub fn is_sku(text: &str) -> bool {
    text.len() <= LONGEST_SKU
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// What the catalog said of the articles that it was asked about.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    asked: BTreeSet<String>,
    articles: BTreeMap<String, ArticleData>,
}

impl Lookup {
    /// `articles` are all that is known of those that were `asked` about.
    #[must_use]
    pub fn new(asked: impl IntoIterator<Item = String>, articles: Vec<ArticleData>) -> Self {
        let articles = articles.into_iter().map(|article| (article.sku.clone(), article)).collect();
        Self { asked: asked.into_iter().collect(), articles }
    }

    /// True when it was asked about.
    #[must_use]
    pub fn covers(&self, sku: &str) -> bool {
        self.asked.contains(sku)
    }

    /// The article, where there is one.
    #[must_use]
    pub fn article(&self, sku: &str) -> Option<&ArticleData> {
        self.articles.get(sku)
    }
}

#[cfg(test)]
pub(crate) mod fixtures {
    use super::*;

    pub(crate) fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    pub(crate) fn line(sku: &str, quantity: u32, price: &str) -> Line {
        Line {
            sku: sku.into(),
            quantity,
            position: 1,
            added_at: Timestamp::UNIX_EPOCH,
            name: format!("Article {sku}"),
            image: None,
            available: None,
            gone: false,
            price: money(price),
            told: money(price),
        }
    }

    pub(crate) fn article(sku: &str, price: &str) -> ArticleData {
        ArticleData {
            sku: sku.into(),
            name: format!("Article {sku}"),
            price: money(price),
            image: None,
            available: None,
            retired: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::{line, money};
    use super::*;

    #[test]
    fn a_cart_costs_what_its_lines_cost_that_can_be_bought() {
        let gone = Line { gone: true, ..line("MUG-02", 1, "100.00 EUR") };
        assert_eq!(
            total(&[line("MUG-01", 2, "12.50 EUR"), gone.clone(), line("MUG-03", 1, "0.80 EUR")]),
            Some(money("25.80 EUR"))
        );
        assert_eq!(total(&[]), Some(money("0.00 EUR")));
        let yen = Line { price: money("100 JPY"), ..gone };
        assert_eq!(total(std::slice::from_ref(&yen)), Some(money("0 JPY")));
        assert_eq!(total(&[yen, line("MUG-01", 1, "1.00 EUR")]), Some(money("1.00 EUR")));
    }

    #[test]
    fn what_cannot_be_added_up_has_no_total() {
        assert_eq!(total(&[line("MUG-01", 1, "1.00 EUR"), line("MUG-02", 1, "1.00 USD")]), None);
        assert_eq!(total(&[line("MUG-01", 10_000, "999999999999.00 EUR")]), None);
    }

    #[test]
    fn a_text_that_no_article_can_be_called_by_is_no_sku() {
        assert!(is_sku("MUG-01"));
        assert!(is_sku("a.b_c"));
        let long = "x".repeat(64);
        for text in ["", "-MUG", "MUG 01", "MÜG", "MUG/01", &long] {
            assert!(!is_sku(text), "{text}");
        }
    }
}
