//! What an order costs: a pure function of the price list.

use std::collections::{BTreeMap, BTreeSet};

use events::questions::{Quote, QuoteAnswer, Refusal};
use money::{Currency, GREATEST_MINOR_UNITS, Money, MoneyError};
use resources::{Item, Line};

use crate::article::{fault_of_sku, some_of};

const MOST_ITEMS: usize = 100;
const GREATEST_QUANTITY: u32 = 10_000;

/// An article in the price list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The price of one piece.
    pub price: Money,
    /// True: known, but sold no more.
    pub retired: bool,
}

/// A reduction that a shopper may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coupon {
    /// How much it takes off.
    pub discount: Discount,
    /// False: known, but accepted no more.
    pub active: bool,
}

/// How much a coupon takes off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discount {
    /// So many hundredths of everything, 100 at most.
    Percent(u8),
    /// This much of everything, but never more than everything.
    Amount(Money),
}

/// Why a question for a quote can have no answer, however often it is asked.
pub(crate) fn fault_of_question(request: &Quote) -> Option<String> {
    let Quote { currency: _, items, coupon } = request;
    if items.is_empty() || items.len() > MOST_ITEMS {
        return Some(format!("{} items cannot be quoted: ask for 1 to {MOST_ITEMS}", items.len()));
    }
    let mut seen = BTreeSet::new();
    for Item { sku, quantity } in items {
        if let Some(fault) = fault_of_sku(sku) {
            return Some(format!("sku {fault}"));
        }
        if !(1..=GREATEST_QUANTITY).contains(quantity) {
            return Some(format!(
                "{quantity} pieces of {sku} cannot be quoted: ask for 1 to {GREATEST_QUANTITY}"
            ));
        }
        if !seen.insert(sku) {
            return Some(format!("{sku} is there twice: ask for each article once, with the whole quantity"));
        }
    }
    let code = coupon.as_deref()?;
    fault_of_sku(code)
        .map(|_| format!("coupon {code:?} is not a code: use letters, digits, '.', '_' and '-'"))
}

/// Prices `request` by `articles`, less what `coupon` takes off (the one that the request names, when it is known).
///
/// The unit prices stay what they are; a reduction shows in the totals of the lines, whose sum is the total to the
/// minor unit.
#[must_use]
pub fn quote(articles: &BTreeMap<String, Listing>, coupon: Option<&Coupon>, request: &Quote) -> QuoteAnswer {
    match priced(articles, coupon, request) {
        Ok((lines, total)) => QuoteAnswer::Quoted { lines, total },
        Err(refusal) => QuoteAnswer::Refused(refusal),
    }
}

fn priced(
    articles: &BTreeMap<String, Listing>,
    coupon: Option<&Coupon>,
    request: &Quote,
) -> Result<(Vec<Line>, Money), Refusal> {
    let Quote { currency, items, coupon: code } = request;
    let prices = prices(articles, items, *currency)?;
    let too_large = |_: MoneyError| too_large(*currency);
    let mut lines = Vec::with_capacity(items.len());
    for (Item { sku, quantity }, unit_price) in items.iter().zip(prices) {
        let total = unit_price.checked_mul(*quantity).map_err(too_large)?;
        lines.push(Line { sku: sku.clone(), quantity: *quantity, unit_price, total });
    }
    let sum = sum_of(&lines, *currency).map_err(too_large)?;
    let Some(code) = code else { return Ok((lines, sum)) };
    let (part, whole) = share_taken_off(code, coupon, sum)?;
    take_off(&mut lines, part, whole);
    let total = sum_of(&lines, *currency).map_err(too_large)?;
    Ok((lines, total))
}

/// The unit price of every item, or which of them have none.
fn prices(
    articles: &BTreeMap<String, Listing>,
    items: &[Item],
    currency: Currency,
) -> Result<Vec<Money>, Refusal> {
    let (mut unknown, mut retired, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
    let mut prices = Vec::with_capacity(items.len());
    for Item { sku, quantity: _ } in items {
        match articles.get(sku) {
            None => unknown.push(sku.as_str()),
            Some(listing) if listing.retired => retired.push(sku.as_str()),
            Some(listing) if listing.price.currency() != currency => {
                foreign.push((sku.as_str(), listing.price))
            }
            Some(listing) => prices.push(listing.price),
        }
    }
    if !unknown.is_empty() {
        let noun = if unknown.len() == 1 { "is no article" } else { "are no articles" };
        return Err(refusal(
            "UnknownArticle",
            format!("there {noun} {}: choose one of the catalog", some_of(&unknown)),
        ));
    }
    if !retired.is_empty() {
        let verb = if retired.len() == 1 { "is" } else { "are" };
        return Err(refusal(
            "UnknownArticle",
            format!("{} {verb} not sold any more: choose another of the catalog", some_of(&retired)),
        ));
    }
    if let [(sku, price), ..] = foreign.as_slice() {
        return Err(refusal(
            "CurrencyMismatch",
            format!(
                "{sku} is sold in {}, and this shop sells in {currency}: choose another article",
                price.currency()
            ),
        ));
    }
    Ok(prices)
}

fn sum_of(lines: &[Line], currency: Currency) -> Result<Money, MoneyError> {
    lines.iter().try_fold(Money::zero(currency), |sum, line| sum.checked_add(line.total))
}

/// What part of which whole the coupon takes off; the whole is not zero.
fn share_taken_off(code: &str, coupon: Option<&Coupon>, sum: Money) -> Result<(i64, i64), Refusal> {
    let Some(Coupon { discount, active }) = coupon else {
        return Err(refusal(
            "CouponUnknown",
            format!("there is no coupon {code}: check its spelling, or order without"),
        ));
    };
    if !active {
        return Err(refusal(
            "CouponUnknown",
            format!("the coupon {code} is not accepted any more: order without it"),
        ));
    }
    match discount {
        Discount::Percent(percent) => Ok((i64::from((*percent).min(100)), 100)),
        Discount::Amount(amount) if amount.currency() != sum.currency() => Err(refusal(
            "CurrencyMismatch",
            format!(
                "the coupon {code} is worth {amount}, and this shop sells in {}: order without it",
                sum.currency()
            ),
        )),
        Discount::Amount(amount) => {
            Ok((amount.minor_units().min(sum.minor_units()), sum.minor_units().max(1)))
        }
    }
}

/// Takes `part / whole` of everything off, rounded down once for all lines together: each line bears what its end adds
/// to the reduction of all lines up to it, so that no minor unit is lost or made.
fn take_off(lines: &mut [Line], part: i64, whole: i64) {
    let (part, whole) = (i128::from(part), i128::from(whole));
    let (mut sum, mut taken) = (0_i128, 0_i128);
    for line in lines {
        let before = i128::from(line.total.minor_units());
        sum += before;
        let taken_up_to_here = sum * part / whole;
        let after = before - (taken_up_to_here - taken);
        taken = taken_up_to_here;
        // Never more than before, so it always fits.
        let after = i64::try_from(after).unwrap_or_default();
        line.total = Money::from_minor_units(after, line.total.currency());
    }
}

fn too_large(currency: Currency) -> Refusal {
    let greatest = Money::from_minor_units(GREATEST_MINOR_UNITS, currency);
    refusal("TotalTooLarge", format!("the total is more than {greatest}: order fewer pieces at a time"))
}

fn refusal(reason: &str, message: String) -> Refusal {
    Refusal { reason: reason.to_owned(), message }
}

#[cfg(test)]
#[path = "quote_tests.rs"]
mod tests;
