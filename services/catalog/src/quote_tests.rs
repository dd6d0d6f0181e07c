use proptest::prelude::*;

use super::*;

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn list(articles: &[(&str, &str)]) -> BTreeMap<String, Listing> {
    articles
        .iter()
        .map(|(sku, price)| ((*sku).to_owned(), Listing { price: money(price), retired: false }))
        .collect()
}

fn request(items: &[(&str, u32)]) -> Quote {
    let items =
        items.iter().map(|(sku, quantity)| Item { sku: (*sku).to_owned(), quantity: *quantity }).collect();
    Quote { currency: Currency::EUR, items, coupon: None }
}

fn with_coupon(items: &[(&str, u32)]) -> Quote {
    Quote { coupon: Some("WELCOME10".to_owned()), ..request(items) }
}

fn refused(answer: QuoteAnswer) -> (String, String) {
    match answer {
        QuoteAnswer::Refused(Refusal { reason, message }) => (reason, message),
        QuoteAnswer::Quoted { lines, total } => panic!("quoted at {total}: {lines:?}"),
    }
}

fn totals(answer: QuoteAnswer) -> (Vec<i64>, Money) {
    match answer {
        QuoteAnswer::Quoted { lines, total } => {
            (lines.iter().map(|line| line.total.minor_units()).collect(), total)
        }
        QuoteAnswer::Refused(refusal) => panic!("{refusal:?}"),
    }
}

#[test]
fn lines_come_back_in_the_order_of_the_items_with_their_totals() {
    let articles = list(&[("MUG-01", "15.90 EUR"), ("TEE-02", "20.00 EUR")]);
    let answer = quote(&articles, None, &request(&[("TEE-02", 1), ("MUG-01", 2)]));
    let expected = QuoteAnswer::Quoted {
        lines: vec![
            Line { sku: "TEE-02".into(), quantity: 1, unit_price: money("20 EUR"), total: money("20 EUR") },
            Line {
                sku: "MUG-01".into(),
                quantity: 2,
                unit_price: money("15.90 EUR"),
                total: money("31.80 EUR"),
            },
        ],
        total: money("51.80 EUR"),
    };
    assert_eq!(answer, expected);
}

#[test]
fn unknown_articles_are_named_all_of_them() {
    let articles = list(&[("MUG-01", "15.90 EUR")]);
    assert_eq!(
        refused(quote(&articles, None, &request(&[("NOPE-1", 1)]))),
        ("UnknownArticle".into(), "there is no article NOPE-1: choose one of the catalog".into())
    );
    let (_, message) =
        refused(quote(&articles, None, &request(&[("NOPE-1", 1), ("MUG-01", 1), ("NOPE-2", 1)])));
    assert_eq!(message, "there are no articles NOPE-1, NOPE-2: choose one of the catalog");
}

#[test]
fn a_hundred_unknown_articles_still_fit_into_a_status() {
    let skus: Vec<String> = (0..100).map(|number| format!("{number:0>63}")).collect();
    let items: Vec<(&str, u32)> = skus.iter().map(|sku| (sku.as_str(), 1)).collect();
    let (_, message) = refused(quote(&BTreeMap::new(), None, &request(&items)));
    assert!(message.contains("and 90 more") && message.len() < 1024, "{message}");
}

#[test]
fn a_retired_article_is_not_sold() {
    let mut articles = list(&[("MUG-01", "15.90 EUR")]);
    articles.get_mut("MUG-01").unwrap().retired = true;
    let (reason, message) = refused(quote(&articles, None, &request(&[("MUG-01", 1)])));
    assert_eq!(reason, "UnknownArticle");
    assert!(message.contains("MUG-01 is not sold any more"), "{message}");
}

#[test]
fn an_article_in_another_currency_is_refused() {
    let articles = list(&[("MUG-01", "15.90 EUR"), ("CAP-07", "25 USD")]);
    let (reason, message) = refused(quote(&articles, None, &request(&[("MUG-01", 1), ("CAP-07", 1)])));
    assert_eq!(reason, "CurrencyMismatch");
    assert!(message.contains("CAP-07 is sold in USD, and this shop sells in EUR"), "{message}");
}

#[test]
fn a_total_beyond_what_can_be_counted_is_refused_not_wrapped() {
    let articles = list(&[("A", "9999999999999.99 EUR"), ("B", "9999999999999.99 EUR")]);
    for items in [&[("A", 2)][..], &[("A", 1), ("B", 1)][..]] {
        let (reason, message) = refused(quote(&articles, None, &request(items)));
        assert_eq!(reason, "TotalTooLarge");
        assert!(message.contains("order fewer pieces"), "{message}");
    }
}

#[test]
fn a_coupon_that_is_not_there_or_not_accepted_is_refused() {
    let articles = list(&[("MUG-01", "15.90 EUR")]);
    let (reason, message) = refused(quote(&articles, None, &with_coupon(&[("MUG-01", 1)])));
    assert_eq!(reason, "CouponUnknown");
    assert!(message.contains("there is no coupon WELCOME10"), "{message}");
    let old = Coupon { discount: Discount::Percent(10), active: false };
    let (reason, message) = refused(quote(&articles, Some(&old), &with_coupon(&[("MUG-01", 1)])));
    assert_eq!(reason, "CouponUnknown");
    assert!(message.contains("not accepted any more"), "{message}");
}

#[test]
fn a_percentage_is_taken_off_the_whole_and_spread_over_the_lines() {
    let articles = list(&[("A", "0.05 EUR"), ("B", "0.05 EUR"), ("C", "0.05 EUR")]);
    let tenth = Coupon { discount: Discount::Percent(10), active: true };
    // 10 % of 15 cents is one cent, not three times nothing.
    let answer = quote(&articles, Some(&tenth), &with_coupon(&[("A", 1), ("B", 1), ("C", 1)]));
    assert_eq!(totals(answer), (vec![5, 4, 5], money("0.14 EUR")));
}

#[test]
fn an_amount_is_taken_off_but_never_more_than_everything() {
    let articles = list(&[("A", "3.00 EUR"), ("B", "7.00 EUR")]);
    let items = with_coupon(&[("A", 1), ("B", 1)]);
    let worth = |text| Coupon { discount: Discount::Amount(money(text)), active: true };
    assert_eq!(totals(quote(&articles, Some(&worth("5 EUR")), &items)), (vec![150, 350], money("5.00 EUR")));
    assert_eq!(totals(quote(&articles, Some(&worth("50 EUR")), &items)), (vec![0, 0], money("0 EUR")));
    assert_eq!(refused(quote(&articles, Some(&worth("5 USD")), &items)).0, "CurrencyMismatch");
}

#[test]
fn questions_that_no_catalog_could_answer_are_invalid() {
    for (items, word) in [
        (request(&[]), "0 items"),
        (request(&[("MUG-01", 1), ("MUG-01", 2)]), "twice"),
        (request(&[("MUG-01", 0)]), "0 pieces"),
        (request(&[("MUG-01", 10_001)]), "10001 pieces"),
        (request(&[("", 1)]), "missing"),
        (request(&[("-x", 1)]), "not a SKU"),
        (Quote { coupon: Some("no such; thing".into()), ..request(&[("A", 1)]) }, "coupon"),
    ] {
        let fault = fault_of_question(&items).unwrap();
        assert!(fault.contains(word), "{fault}");
    }
    assert_eq!(fault_of_question(&with_coupon(&[("MUG-01", 10_000)])), None);
}

proptest! {
    #[test]
    fn no_minor_unit_is_lost_or_made_by_a_reduction(
        prices in prop::collection::vec((0_i64..=99_999_999, 1_u32..=10_000), 1..=100),
        percent in 1_u8..=100,
        amount in prop::option::of(1_i64..=1_000_000_000_000),
    ) {
        let skus: Vec<String> = (0..prices.len()).map(|number| format!("A{number}")).collect();
        let eur = |minor_units| Money::from_minor_units(minor_units, Currency::EUR);
        let articles = skus.iter().zip(&prices)
            .map(|(sku, (price, _))| (sku.clone(), Listing { price: eur(*price), retired: false }))
            .collect();
        let items: Vec<(&str, u32)> = skus.iter().map(String::as_str).zip(prices.iter().map(|(_, q)| *q)).collect();
        let discount = amount.map_or(Discount::Percent(percent), |amount| Discount::Amount(eur(amount)));
        let coupon = Coupon { discount, active: true };
        let (full_lines, full) = totals(quote(&articles, None, &request(&items)));
        let (lines, total) = totals(quote(&articles, Some(&coupon), &with_coupon(&items)));
        let full = full.minor_units();
        let off = amount.map_or(i64::try_from(i128::from(full) * i128::from(percent) / 100).unwrap(), |a| a.min(full));
        prop_assert_eq!(total.minor_units(), full - off);
        prop_assert_eq!(lines.iter().sum::<i64>(), total.minor_units());
        for (line, full) in lines.iter().zip(full_lines) {
            prop_assert!((0..=full).contains(line));
        }
    }
}
