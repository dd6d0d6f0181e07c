//! Before anything is held: quotes, refusals, names that were used before, items that change.

use events::questions::{CheckCustomerAnswer, QuoteAnswer};
use resources::OrderPhase::*;
use resources::{PaymentPhase, ReservationPhase, ShipmentPhase};

use super::super::Decision;
use super::super::wishes::EVERY_ATTEMPT;
use super::builders::{euro, line, order, order_in};
use super::situations::{processed, quotation, refusal};

#[test]
fn the_services_are_asked_before_anything_is_done() {
    assert_eq!(order().unasked().decision(), Decision::Ask);
}

#[test]
fn what_catalog_refuses_is_rejected_with_its_words() {
    for reason in ["UnknownArticle", "CouponUnknown", "CurrencyMismatch"] {
        let mut answers = quotation(vec![]);
        answers.quote = QuoteAnswer::Refused(refusal(reason));
        let driven = order().quoted(answers).drive();
        assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Rejected][..], reason));
        assert_eq!(driven.status().message.as_deref(), Some(format!("It is refused: {reason}.").as_str()));
        assert!(driven.wants_nothing());
        assert!(driven.told.iter().any(|tell| tell.warning && tell.reason == reason));
        assert_eq!(driven.condition("Accepted"), ("False".into(), reason.into()));
    }
}

#[test]
fn who_may_not_order_is_rejected_before_the_price_is_looked_at() {
    for reason in ["CustomerUnknown", "CustomerDisabled"] {
        let mut answers = quotation(vec![]);
        answers.quote = QuoteAnswer::Refused(refusal("UnknownArticle"));
        answers.customer = CheckCustomerAnswer::Refused(refusal(reason));
        assert_eq!(order().quoted(answers).drive().reason(), reason);
    }
}

#[test]
fn the_expected_total_is_held_against_the_quote() {
    let expecting =
        |minor_units| order().edited(|spec| spec.expected_total = Some(euro(minor_units))).drive();
    assert_eq!(expecting(2000).phases, [Placed]);
    let changed = expecting(1999);
    assert_eq!((changed.phases.as_slice(), changed.reason()), (&[Rejected][..], "PriceChanged"));
    let yen = money::Money::from_minor_units(2000, "JPY".parse().unwrap());
    let other = order().edited(|spec| spec.expected_total = Some(yen)).drive();
    assert_eq!((other.phases.as_slice(), other.reason()), (&[Rejected][..], "CurrencyMismatch"));
}

#[test]
fn a_name_whose_goods_went_out_is_not_sold_twice() {
    for phase in [Shipped, Completed] {
        let mut answers = quotation(vec![line("MUG", 2)]);
        answers.recalled.processed = Some(processed(phase));
        let driven = order().quoted(answers).drive();
        assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Rejected][..], "AlreadyProcessed"));
        assert!(driven.status().message.as_ref().unwrap().contains("supercargo order history"));
        assert!(driven.wants_nothing());
    }
}

#[test]
fn cancelled_or_deleted_before_the_quote_it_is_not_asked_for_but_fenced() {
    for (case, reason) in [(order().cancelled(), "CancelRequested"), (order().deleted(), "Deleted")] {
        let driven = case.unasked().drive();
        assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Compensating][..], reason));
        assert_eq!(driven.shipment().unwrap().attempt, EVERY_ATTEMPT);
        let driven = driven.case.shipment(ShipmentPhase::Cancelled).drive();
        let driven = driven.case.payment(PaymentPhase::Voided).drive();
        assert_eq!(driven.reservation().unwrap().lines, []);
        let driven = driven.case.reservation(ReservationPhase::Released).drive();
        assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Cancelled][..], reason));
        assert_eq!(driven.condition("Accepted"), ("False".into(), "NotQuoted".into()));
    }
}

#[test]
fn items_that_change_while_suspended_are_quoted_anew() {
    let placed = order().suspended().drive().case;
    let edited = placed.items(&[("CUP", 3)]).unasked();
    assert_eq!(edited.decision(), Decision::Ask);
    let driven = edited.quoted(quotation(vec![line("CUP", 3)])).drive();
    assert_eq!((driven.phase(), driven.reason()), (Placed, "Suspended"));
    assert_eq!((driven.phases.len(), driven.status().total), (0, Some(euro(3000))));
    assert!(driven.wants_nothing());
    let resumed = driven.case.resumed().drive();
    assert_eq!(resumed.reservation().unwrap().lines, [line("CUP", 3)]);
    assert_eq!(resumed.reservation().unwrap().total, euro(3000));
}

#[test]
fn an_answer_about_the_items_of_before_counts_for_nothing() {
    let case = order_in(Placed).reservation(ReservationPhase::Held).suspended().items(&[("CUP", 3)]);
    let driven = case.quoted(quotation(vec![line("CUP", 3)])).drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[][..], "Suspended"));
    let driven = driven.case.resumed().drive();
    assert_eq!(driven.reservation().unwrap().lines, [line("CUP", 3)]);
    let driven = driven.case.reservation(ReservationPhase::Held).drive();
    assert_eq!(driven.phases, [Reserved]);
    assert_eq!(driven.payment().unwrap().amount, euro(3000));
}

#[test]
fn items_changed_and_changed_back_cost_what_was_quoted_for_them() {
    let case = order_in(Placed).reservation(ReservationPhase::Pending).suspended().items(&[("CUP", 3)]);
    let other = case.quoted(quotation(vec![line("CUP", 3)])).drive();
    assert_eq!(other.status().total, Some(euro(3000)));
    let back =
        other.case.items(&[("MUG", 2)]).resumed().unasked().reservation(ReservationPhase::Held).drive();
    assert_eq!(back.phases, [Reserved]);
    assert_eq!(back.status().total, Some(euro(2000)));
    assert_eq!(back.payment().unwrap().amount, euro(2000));
}

#[test]
fn a_new_quote_that_is_refused_rejects_it_or_gives_back_what_was_asked_for() {
    let mut answers = quotation(vec![]);
    answers.quote = QuoteAnswer::Refused(refusal("UnknownArticle"));
    let case = order().suspended().drive().case.items(&[("NONE", 1)]).quoted(answers.clone());
    let driven = case.drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Rejected][..], "UnknownArticle"));
    let case = order_in(Placed).reservation(ReservationPhase::Pending).suspended().items(&[("NONE", 1)]);
    let driven = case.quoted(answers).drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Compensating][..], "UnknownArticle"));
    assert_eq!(driven.status().compensation.as_ref().unwrap().target, Failed);
}

#[test]
fn an_expected_total_that_is_set_while_suspended_is_held_against_the_quote() {
    let placed = order().suspended().drive().case;
    let driven = placed.edited(|spec| spec.expected_total = Some(euro(1))).resumed().drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Rejected][..], "PriceChanged"));
    assert!(driven.wants_nothing());
}

#[test]
fn a_hold_that_was_released_by_hand_ends_it() {
    for phase in [Placed, AwaitingPayment] {
        let case = order_in(phase).reservation(ReservationPhase::Released);
        let driven = case.reservation_wanted(resources::ReservationDesired::Released).drive();
        assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Compensating][..], "StockReleased"));
    }
}
