//! `AwaitingPayment`: its timers, another payment, the customer's confirmation.

use resources::OrderPhase::*;
use resources::{PaymentDesired, PaymentPhase, ReservationPhase};

use super::super::Urgency;
use super::builders::{Case, at, order_in};

const DAY: i64 = 24 * 3600;

fn waiting() -> Case {
    order_in(AwaitingPayment).expiring(DAY)
}

/// The present wish is answered by that.
fn paid_by(case: Case, phase: PaymentPhase) -> Case {
    case.payment(phase)
}

#[test]
fn it_holds_the_goods_until_the_customers_time_is_over() {
    let driven = order_in(AwaitingPayment).drive();
    assert_eq!(driven.reservation().unwrap().expires_at.as_ref().unwrap().0, at(DAY));
    let again = driven.case.decide();
    assert_eq!(again.look_again, Some(at(DAY)));
    assert!(again.effects.is_empty());
}

#[test]
fn past_the_payment_timeout_it_is_undone_and_fails() {
    assert_eq!(waiting().at(DAY - 1).drive().phases, []);
    let driven = waiting().at(DAY).drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Compensating][..], "PaymentTimeout"));
    assert_eq!(driven.status().compensation.as_ref().unwrap().target, Failed);
    let sooner = waiting().shop("paymentTimeout: 30m").at(1800).drive();
    assert_eq!(sooner.phases, [Compensating]);
}

#[test]
fn while_suspended_its_timers_stand_still_and_the_goods_are_kept() {
    let driven = waiting().suspended().at(2 * DAY).drive();
    assert_eq!(driven.phases, []);
    assert_eq!(driven.status().waiting_since, None);
    assert_eq!(driven.reservation().unwrap().expires_at, None);
    assert_eq!(driven.case.decide().look_again, None);
    let case = driven.case.reservation(ReservationPhase::Held).resumed().at(3 * DAY);
    let driven = case.drive();
    assert_eq!(driven.phases, []);
    assert_eq!(driven.reservation().unwrap().expires_at.as_ref().unwrap().0, at(4 * DAY));
}

#[test]
fn a_hold_that_ran_out_is_not_asked_for_anew_while_suspended() {
    let driven = waiting().reservation(ReservationPhase::Expired).suspended().drive();
    assert!(driven.wants_nothing());
}

#[test]
fn another_method_voids_the_last_attempt_then_makes_the_hold_firm_then_charges_the_next() {
    let driven = waiting().method(Some("pm_other"), 0).drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[][..], "PaymentChanging"));
    let void = driven.payment().unwrap();
    assert_eq!((void.attempt, void.desired), (1, PaymentDesired::Cancelled));
    assert_eq!(driven.reservation(), None);

    let driven = paid_by(driven.case, PaymentPhase::Voided).drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[][..], "SecuringStock"));
    assert_eq!(driven.reservation().unwrap().expires_at, None);
    assert_eq!(driven.payment(), None);

    let driven = driven.case.reservation(ReservationPhase::Held).drive();
    assert_eq!(driven.phases, [Reserved]);
    let next = driven.payment().unwrap();
    assert_eq!((next.attempt, next.desired), (2, PaymentDesired::Captured));
    assert_eq!(next.method.as_deref(), Some("pm_other"));

    assert_eq!(paid_by(driven.case, PaymentPhase::Captured).drive().phases, [Paid]);
}

#[test]
fn the_same_method_is_tried_again_when_retry_is_raised() {
    let driven = waiting().method(Some("pm_card_visa"), 1).drive();
    assert_eq!(driven.payment().unwrap().desired, PaymentDesired::Cancelled);
    let driven = paid_by(driven.case, PaymentPhase::Voided).drive();
    let driven = driven.case.reservation(ReservationPhase::Held).drive();
    assert_eq!((driven.payment().unwrap().attempt, driven.payment().unwrap().retry), (2, 1));
}

#[test]
fn the_next_attempt_is_charged_only_once_the_resource_says_reserved() {
    let voided = waiting().payment(PaymentPhase::Voided).payment_wanted(PaymentDesired::Cancelled);
    let mut case = voided.method(Some("pm_other"), 0);
    case.reservation.as_mut().unwrap().spec.expires_at = None;
    let first = case.decide();
    assert_eq!(first.transitions.len(), 1);
    assert!(first.effects.is_empty(), "{:?}", first.effects);
    assert_eq!(first.urgency, Urgency::Now);
    assert_eq!(case.after(&first).decide().effects.len(), 1);
}

#[test]
fn a_method_where_none_was_given_is_the_first_attempt() {
    let case = order_in(AwaitingPayment).because("MethodMissing").method(Some("pm_card_visa"), 0);
    let driven = Case { payment: None, ..case }.drive();
    assert_eq!(driven.phases, [Reserved]);
    assert_eq!(driven.payment().unwrap().attempt, 1);
}

#[test]
fn a_hold_that_cannot_be_had_again_ends_it_before_anything_is_charged() {
    for answer in [ReservationPhase::Insufficient, ReservationPhase::Expired] {
        let case = waiting().payment(PaymentPhase::Voided).payment_wanted(PaymentDesired::Cancelled);
        let mut case = case.method(Some("pm_other"), 0).reservation(answer);
        case.reservation.as_mut().unwrap().spec.expires_at = None;
        let driven = case.drive();
        assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Compensating][..], "OutOfStock"));
        assert_eq!(driven.payment(), None);
    }
}

#[test]
fn a_confirmed_payment_is_paid_once_the_goods_are_certain() {
    let case = waiting().because("ActionRequired").payment(PaymentPhase::Captured);
    let driven = case.drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[][..], "SecuringStock"));
    assert_eq!(driven.reservation().unwrap().expires_at, None);
    let sold = driven.case.clone().reservation(ReservationPhase::Insufficient).drive();
    assert_eq!(sold.phases, [Compensating]);
    assert_eq!(sold.reason(), "OutOfStock");
    let driven = driven.case.reservation(ReservationPhase::Held).drive();
    assert_eq!(driven.phases, [Paid]);
    assert!(driven.shipment().is_some());
}

#[test]
fn a_confirmation_that_fails_is_told_as_a_decline() {
    let case = waiting().because("ActionRequired").payment(PaymentPhase::Declined);
    let driven = case.clone().drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[AwaitingPayment][..], "PaymentDeclined"));
    let mut securing = case;
    securing.status.as_mut().unwrap().reason = Some("SecuringStock".into());
    assert_eq!(securing.drive().phases, [AwaitingPayment], "whatever was said since");
}

#[test]
fn a_void_that_fails_for_good_needs_a_person_and_goes_on_after_them() {
    let case = waiting().payment(PaymentPhase::Failed).payment_wanted(PaymentDesired::Cancelled);
    let driven = case.method(Some("pm_other"), 0).drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Stuck][..], "PaymentVoidFailed"));
    let driven = paid_by(driven.case, PaymentPhase::Refunded).drive();
    let driven = driven.case.reservation(ReservationPhase::Held).drive();
    assert_eq!(driven.phases, [Reserved]);
    assert_eq!(driven.payment().unwrap().attempt, 2);
}

#[test]
fn a_second_decline_waits_for_the_customer_once_more() {
    let case = order_in(Reserved).payment(PaymentPhase::Declined).attempt(2);
    assert_eq!(case.drive().phases, [AwaitingPayment]);
}

#[test]
fn a_hold_that_still_expires_is_made_firm_before_money_or_label_is_asked_for() {
    let driven = order_in(Reserved).expiring(DAY).drive();
    assert_eq!((driven.reservation().unwrap().expires_at.as_ref(), driven.payment()), (None, None));
    let driven = order_in(Paid).expiring(DAY).drive();
    assert_eq!((driven.reservation().unwrap().expires_at.as_ref(), driven.shipment()), (None, None));
    let driven = driven.case.reservation(ReservationPhase::Insufficient).drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Compensating][..], "OutOfStock"));
}

#[test]
fn while_the_next_attempt_is_made_the_last_ones_answer_is_not_shown() {
    let mut case = order_in(Reserved).payment(PaymentPhase::Declined);
    let payment = case.payment.as_mut().unwrap();
    payment.spec.attempt = 2;
    payment.metadata.generation = Some(3);
    let driven = case.drive();
    assert_eq!(driven.condition("Paid"), ("False".into(), "NotPaid".into()));
    assert_eq!(driven.status().payment, None);
}
