//! A cart against the catalog: what the shopper should know of its lines. Pure.
//!
//! A line has the price as it was last seen and the price that the shopper was last told. The two differ from when the catalog's
//! price changes, whoever notices it, until a validation says so: then the new one is taken over.

use money::Money;
use schemars::JsonSchema;
use serde::Serialize;

use crate::line::{Line, Lookup};

/// What kind of a thing the shopper should know.
#[derive(Serialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum CartWarningKind {
    /// It is sold no more.
    Gone,
    /// It costs more than the shopper was told, or another currency.
    Dearer,
    /// It costs less than the shopper was told.
    Cheaper,
    /// There are fewer than the cart has.
    TooLittleStock,
}

/// Something that the shopper should know of a line.
#[derive(Serialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CartWarning {
    /// The article.
    pub sku: String,
    /// What kind of a thing it is.
    pub kind: CartWarningKind,
    /// A sentence.
    pub message: String,
}

/// The lines as the shopper now knows them, and what they have to be told of: the new prices are taken over.
#[must_use]
pub fn validate(lines: &[Line], lookup: &Lookup) -> (Vec<Line>, Vec<CartWarning>) {
    let seen: Vec<Line> = lines.iter().map(|line| looked_up(line, lookup)).collect();
    let warnings = warnings(&seen);
    let told = seen.into_iter().map(|line| Line { told: line.price, ..line }).collect();
    (told, warnings)
}

/// The line as the catalog sees it; as it was when the catalog was not asked about it.
#[must_use]
pub fn looked_up(line: &Line, lookup: &Lookup) -> Line {
    match lookup.article(&line.sku) {
        Some(article) if !article.retired => Line {
            name: article.name.clone(),
            image: article.image.clone(),
            available: article.available,
            gone: false,
            price: article.price,
            ..line.clone()
        },
        Some(_) | None => Line { gone: line.gone || lookup.covers(&line.sku), ..line.clone() },
    }
}

/// The line once its article costs `price`.
#[must_use]
pub fn repriced(line: &Line, price: Money) -> Line {
    Line { price, ..line.clone() }
}

/// What the shopper should know of the lines.
#[must_use]
pub fn warnings(lines: &[Line]) -> Vec<CartWarning> {
    lines.iter().flat_map(warnings_of).collect()
}

fn warnings_of(line: &Line) -> Vec<CartWarning> {
    let Line { sku, quantity, name, available, gone, price, told, .. } = line;
    let warning = |kind, message| CartWarning { sku: sku.clone(), kind, message };
    if *gone {
        let message = format!("{name} ({sku}) is sold no more: take it out of the cart");
        return vec![warning(CartWarningKind::Gone, message)];
    }
    let mut all = Vec::new();
    if price != told {
        let cheaper = price.currency() == told.currency() && price.minor_units() < told.minor_units();
        let kind = if cheaper { CartWarningKind::Cheaper } else { CartWarningKind::Dearer };
        all.push(warning(kind, format!("{name} ({sku}) costs {price} now, {told} before")));
    }
    if let Some(available) = available
        && *available < i64::from(*quantity)
    {
        let message = match available {
            ..=0 => format!("{name} ({sku}) is sold out for now"),
            _ => format!("there are only {available} of {name} ({sku}), and {quantity} in the cart"),
        };
        all.push(warning(CartWarningKind::TooLittleStock, message));
    }
    all
}

#[cfg(test)]
mod tests {
    use events::questions::ArticleData;

    use super::*;
    use crate::line::fixtures::{article, line, money};

    fn lookup(asked: &[&str], articles: Vec<ArticleData>) -> Lookup {
        Lookup::new(asked.iter().map(|&sku| sku.to_owned()), articles)
    }

    fn kinds(warnings: &[CartWarning]) -> Vec<CartWarningKind> {
        warnings.iter().map(|warning| warning.kind).collect()
    }

    #[test]
    fn a_price_that_changed_is_said_once_and_taken_over() {
        for (now, kind) in [
            ("12.00 EUR", CartWarningKind::Dearer),
            ("8.00 EUR", CartWarningKind::Cheaper),
            ("8.00 USD", CartWarningKind::Dearer),
        ] {
            let lookup = lookup(&["MUG-01"], vec![article("MUG-01", now)]);
            let (told, warnings) = validate(&[line("MUG-01", 1, "10.00 EUR")], &lookup);
            assert_eq!(kinds(&warnings), [kind]);
            assert!(warnings[0].message.contains(now) && warnings[0].message.contains("10.00 EUR"));
            assert_eq!((told[0].price, told[0].told), (money(now), money(now)));
            assert_eq!(validate(&told, &lookup).1, []);
        }
    }

    #[test]
    fn a_price_that_changed_unnoticed_by_the_shopper_is_warned_of_until_it_is_said() {
        let lookup = lookup(&["MUG-01"], vec![article("MUG-01", "12.00 EUR")]);
        let heard = repriced(&line("MUG-01", 1, "10.00 EUR"), money("12.00 EUR"));
        assert_eq!(kinds(&warnings(std::slice::from_ref(&heard))), [CartWarningKind::Dearer]);
        let seen = looked_up(&heard, &lookup);
        assert_eq!(seen, heard, "looking is not saying");
        assert_eq!(kinds(&validate(&[seen], &lookup).1), [CartWarningKind::Dearer]);
    }

    #[test]
    fn a_price_that_came_back_before_anyone_said_so_is_no_news() {
        let there = repriced(&line("MUG-01", 1, "10.00 EUR"), money("12.00 EUR"));
        assert_eq!(warnings(&[repriced(&there, money("10.00 EUR"))]), []);
    }

    #[test]
    fn what_is_unknown_or_retired_is_gone_until_it_is_back() {
        let retired = ArticleData { retired: true, ..article("MUG-02", "10.00 EUR") };
        let lines = [line("MUG-01", 1, "10.00 EUR"), line("MUG-02", 1, "10.00 EUR")];
        let (told, warnings) = validate(&lines, &lookup(&["MUG-01", "MUG-02"], vec![retired]));
        assert_eq!(kinds(&warnings), [CartWarningKind::Gone; 2]);
        assert!(told.iter().all(|line| line.gone));
        let back = lookup(&["MUG-01"], vec![article("MUG-01", "10.00 EUR")]);
        let (told, warnings) = validate(&told, &back);
        assert_eq!(kinds(&warnings), [CartWarningKind::Gone], "of the other one nothing was asked");
        assert!(!told[0].gone);
    }

    #[test]
    fn a_line_that_was_not_asked_about_stays_as_it_was() {
        let added = line("MUG-01", 1, "10.00 EUR");
        assert_eq!(looked_up(&added, &lookup(&[], vec![])), added);
    }

    #[test]
    fn too_little_stock_is_said_every_time_and_unknown_stock_never() {
        let stock = |available| {
            let article = ArticleData { available, ..article("MUG-01", "10.00 EUR") };
            let (told, first) =
                validate(&[line("MUG-01", 3, "10.00 EUR")], &lookup(&["MUG-01"], vec![article]));
            assert_eq!(first, warnings(&told));
            first.into_iter().map(|warning| (warning.kind, warning.message)).collect::<Vec<_>>()
        };
        assert_eq!(stock(None), []);
        assert_eq!(stock(Some(3)), []);
        let (kind, message) = stock(Some(2)).remove(0);
        assert_eq!(kind, CartWarningKind::TooLittleStock);
        assert_eq!(message, "there are only 2 of Article MUG-01 (MUG-01), and 3 in the cart");
        assert!(stock(Some(0))[0].1.contains("sold out"));
    }
}
