//! Money.

use super::*;

#[test]
fn two_charges_that_keep_money_are_found_in_our_ledger_or_the_providers() {
    let mut here = completed();
    here.money =
        Some(MoneyFacts { captures: 2, captured: 2 * PRICE, ..money(PaymentPhase::Captured, PRICE, 0) });
    assert_eq!(rules(&here), [Rule::DoubleCapture, Rule::ProviderDiffers, Rule::Overpaid]);
    let mut there = completed();
    there.provider = Some(ProviderMoney { captured: 2 * PRICE, captures: 2, ..ProviderMoney::default() });
    let findings = judge(&there, now());
    assert_eq!(findings[0].rule, Rule::DoubleCapture);
    assert_eq!(
        findings[1].message,
        "the provider has 63.60 EUR taken and 0.00 EUR given back, our ledger 31.80 EUR taken and 0.00 EUR given back"
    );
    // An earlier attempt that was given back is none.
    let mut again = completed();
    again.money = Some(money(PaymentPhase::Captured, 2 * PRICE, PRICE));
    again.provider = Some(ProviderMoney { captured: 2 * PRICE, refunded: PRICE, authorized: 0, captures: 1 });
    assert_eq!(rules(&again), []);
}

#[test]
fn the_provider_may_be_ahead_only_while_it_is_being_asked() {
    let mut facts = failed();
    facts.money =
        Some(MoneyFacts { is_open: true, changed_at: at(86_395), ..money(PaymentPhase::Unknown, 0, 0) });
    facts.provider = provider(PRICE, 0);
    assert_eq!(rules(&facts), []);
    facts.money.as_mut().unwrap().changed_at = at(86_400 - 601);
    assert_eq!(only(&facts).rule, Rule::ProviderDiffers);
}

#[test]
fn money_at_the_provider_under_an_unknown_order_id_is_a_strangers() {
    let facts = OrderFacts { id: "nobody".into(), provider: provider(500, 0), ..OrderFacts::default() };
    let finding = only(&facts);
    assert_eq!(finding.rule, Rule::ProviderStranger);
    assert_eq!(
        (finding.found.as_deref(), finding.order.unwrap().id.as_str()),
        (Some("500 minor units"), "nobody")
    );
}

#[test]
fn nothing_is_kept_of_an_order_that_ended_without_goods() {
    let mut facts = failed();
    facts.money = Some(money(PaymentPhase::Captured, PRICE, 1000));
    facts.provider = provider(PRICE, 1000);
    let finding = only(&facts);
    assert_eq!(finding.rule, Rule::MoneyKept);
    assert_eq!(finding.message, "the order is Failed, and 21.80 EUR are kept of its payment");
    assert_eq!(finding.remedy, None, "money is never moved by a repair");
    assert_eq!(only(&unknown(facts)).rule, Rule::MoneyKept);
}

#[test]
fn a_promise_that_outlives_its_order_is_money_kept() {
    let mut facts = failed();
    facts.money = Some(money(PaymentPhase::Voided, 0, 0));
    facts.provider = Some(ProviderMoney { authorized: PRICE, ..ProviderMoney::default() });
    assert_eq!(only(&facts).rule, Rule::MoneyKept);
}

#[test]
fn what_was_delivered_is_paid_but_for_a_part_that_was_given_back() {
    let mut facts = completed();
    facts.money = Some(money(PaymentPhase::Voided, 0, 0));
    facts.provider = provider(0, 0);
    assert_eq!(only(&facts).rule, Rule::Unpaid);
    assert_eq!(only(&facts).message, "the order is Completed, and 31.80 EUR of what it costs are not kept");
    facts.money = Some(money(PaymentPhase::Refunded, PRICE, PRICE));
    facts.provider = provider(PRICE, PRICE);
    assert_eq!(only(&facts).rule, Rule::Unpaid);
    facts.money = Some(MoneyFacts { parts: 500, ..money(PaymentPhase::Captured, PRICE, 500) });
    facts.provider = provider(PRICE, 500);
    assert_eq!(rules(&facts), []);
    facts.money = Some(MoneyFacts { parts: 500, ..money(PaymentPhase::Captured, PRICE, 1000) });
    facts.provider = provider(PRICE, 1000);
    assert_eq!(only(&facts).rule, Rule::Unpaid, "the part went back twice");
    facts.money = Some(MoneyFacts { parts: 500, ..money(PaymentPhase::Captured, PRICE, 0) });
    facts.provider = provider(PRICE, 0);
    assert_eq!(only(&facts).rule, Rule::Overpaid, "the part never went back");
    facts.money = Some(money(PaymentPhase::Captured, PRICE - 500, 0));
    facts.provider = provider(PRICE - 500, 0);
    assert_eq!(only(&facts).rule, Rule::Unpaid);
}

#[test]
fn an_order_on_its_way_is_paid_or_promised() {
    let phases = [Placed, Reserved, Paid, Shipped];
    let mut facts = OrderFacts { parcel: Some(parcel(ShipmentPhase::InTransit)), ..completed() };
    (facts.live, facts.history) = (Some(live(&phases)), Some(history(&phases)));
    assert_eq!(rules(&facts), []);
    facts.provider = provider(0, 0);
    facts.money = Some(money(PaymentPhase::Authorized, 0, 0));
    assert_eq!(rules(&facts), []);
    facts.money = Some(money(PaymentPhase::Declined, 0, 0));
    assert_eq!(only(&facts).rule, Rule::Unpaid);
}

#[test]
fn without_the_providers_books_our_ledger_is_judged_alone() {
    let mut facts = completed();
    facts.provider = None;
    assert_eq!(rules(&facts), []);
    facts.money = Some(money(PaymentPhase::Captured, 2 * PRICE, 0));
    assert_eq!(only(&facts).rule, Rule::Overpaid);
}

#[test]
fn what_people_have_given_back_or_settled_is_no_finding() {
    let mut goodwill = completed();
    goodwill.money = Some(money(PaymentPhase::Refunded, PRICE, PRICE));
    goodwill.provider = provider(PRICE, PRICE);
    assert_eq!(only(&goodwill).rule, Rule::Unpaid, "nobody asked for it");
    goodwill.live.as_mut().unwrap().by_hand.goodwill = true;
    assert_eq!(rules(&goodwill), []);
    let mut unpaid = completed();
    unpaid.money = Some(money(PaymentPhase::Declined, 0, 0));
    unpaid.provider = provider(0, 0);
    unpaid.live.as_mut().unwrap().by_hand.money = Some(0);
    assert_eq!(rules(&unpaid), []);
    let mut kept = failed();
    kept.money = Some(money(PaymentPhase::Captured, PRICE, 0));
    kept.provider = provider(PRICE, 0);
    kept.live.as_mut().unwrap().by_hand.money = Some(PRICE);
    assert_eq!(rules(&kept), []);
    // What came on top of it later was settled by nobody.
    kept.live.as_mut().unwrap().by_hand.money = Some(PRICE - 1);
    assert_eq!(only(&kept).rule, Rule::MoneyKept);
    kept.live.as_mut().unwrap().by_hand.money = Some(PRICE);
    // Two that keep money are never what somebody meant.
    kept.money.as_mut().unwrap().captures = 2;
    assert_eq!(only(&kept).rule, Rule::DoubleCapture);
}

#[test]
fn what_was_settled_by_hand_counts_also_when_only_the_archive_tells_it() {
    let mut archived = completed();
    archived.money = Some(money(PaymentPhase::Refunded, PRICE, PRICE));
    archived.provider = provider(PRICE, PRICE);
    let history = archived.history.as_mut().unwrap();
    history.archived_sequence = Some(history.sequence);
    history.by_hand.goodwill = true;
    archived.live = None;
    assert_eq!(rules(&archived), []);
}
