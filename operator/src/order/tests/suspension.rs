//! Suspended, or in a paused shop: answers count, cancel works, nothing new is asked for, timers stand still.

use resources::OrderPhase::*;
use resources::{PaymentDesired, PaymentPhase, ReservationPhase, ShipmentPhase};

use super::super::Urgency;
use super::builders::{Case, order, order_in};

#[test]
fn it_is_quoted_and_placed_and_asks_for_no_goods_until_it_is_resumed() {
    let driven = order().suspended().drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Placed][..], "Suspended"));
    assert!(driven.wants_nothing());
    assert_eq!(driven.status().waiting_since, None);
    let driven = driven.case.resumed().drive();
    assert!(driven.reservation().is_some());
    assert_eq!(driven.reason(), "", "it says no more that it is suspended");
}

#[test]
fn an_answer_counts_and_nothing_follows_from_it() {
    let driven = order_in(Placed).suspended().reservation(ReservationPhase::Held).drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Reserved][..], "Suspended"));
    assert_eq!(driven.payment(), None);
    let driven = order_in(Reserved).suspended().payment(PaymentPhase::Captured).drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Paid][..], "Suspended"));
    assert_eq!(driven.shipment(), None);
    let driven = order_in(Paid).suspended().shipment(ShipmentPhase::InTransit).drive();
    assert_eq!(driven.phases, [Shipped]);
    let case = order_in(Shipped).suspended().reservation(ReservationPhase::Committed);
    assert_eq!(case.shipment(ShipmentPhase::Delivered).drive().phases, [Completed]);
}

#[test]
fn resumed_it_asks_for_what_is_next() {
    assert!(order_in(Reserved).suspended().drive().case.resumed().drive().payment().is_some());
    assert!(order_in(Paid).suspended().drive().case.resumed().drive().shipment().is_some());
}

#[test]
fn promised_money_is_not_taken() {
    let case = order_in(Paid).shop("capture: OnDispatch").payment_wanted(PaymentDesired::Authorized);
    let case = case.payment(PaymentPhase::Authorized).shipment(ShipmentPhase::Booked).suspended();
    let driven = case.drive();
    assert_eq!((driven.payment(), driven.reason()), (None, "Suspended"));
    assert!(driven.case.resumed().drive().payment().is_some());
}

#[test]
fn another_payment_is_not_made() {
    let driven = order_in(AwaitingPayment).method(Some("pm_other"), 0).suspended().drive();
    assert_eq!((driven.payment(), driven.phase()), (None, AwaitingPayment));
}

#[test]
fn it_can_be_cancelled_in_every_phase() {
    for phase in [Placed, Reserved, AwaitingPayment, Paid] {
        let driven = order_in(phase).suspended().cancelled().drive();
        assert_eq!(driven.phases, [Compensating], "{phase}");
        assert!(driven.shipment().is_some(), "{phase}: the undoing goes on");
    }
}

#[test]
fn a_paused_shop_suspends_its_orders() {
    let driven = order().shop("paused: true").drive();
    assert_eq!((driven.phase(), driven.reason()), (Placed, "Suspended"));
    assert!(driven.wants_nothing());
}

#[test]
fn no_deadline_passes_but_that_of_undoing() {
    let shop = "onDeadline: Stuck";
    for phase in [Placed, Reserved, Paid, Shipped] {
        let driven = order_in(phase).shop(shop).suspended().at(90 * 24 * 3600).drive();
        assert_eq!(driven.phases, [], "{phase}");
    }
    let driven = order_in(Compensating).shop(shop).suspended().at(600).drive();
    assert_eq!(driven.phases, [Stuck]);
}

#[test]
fn what_it_rests_in_is_written_at_once() {
    let urgency = |case: Case| case.decide().urgency;
    assert_eq!(urgency(order().suspended()), Urgency::Now);
    assert_eq!(urgency(order_in(Placed).suspended().reservation(ReservationPhase::Held)), Urgency::Now);
    assert_eq!(urgency(order_in(Reserved).suspended().payment(PaymentPhase::Captured)), Urgency::Now);
}

#[test]
fn what_was_left_of_a_deadline_is_left_when_it_is_resumed() {
    let shop = "paymentTimeout: 100s";
    let suspended = order_in(AwaitingPayment).shop(shop).at(60).suspended().drive();
    assert_eq!(suspended.status().waited_milliseconds, Some(60_000));
    let resumed = suspended.case.reservation(ReservationPhase::Held).at(5000).resumed().drive();
    assert_eq!((resumed.phases.len(), resumed.status().waited_milliseconds), (0, None));
    assert_eq!(resumed.case.clone().at(5039).drive().phases, []);
    assert_eq!(resumed.case.at(5041).drive().phases, [Compensating]);
}

#[test]
fn suspended_twice_it_has_still_only_the_time_it_had() {
    let shop = "deadlines: {reserved: 100s}";
    let case = order_in(Reserved).payment(PaymentPhase::Pending).shop(shop);
    let case = case.at(60).suspended().drive().case.at(1000).resumed().drive().case;
    let case = case.at(1030).suspended().drive().case.at(9000).resumed().drive().case;
    assert_eq!(case.clone().at(9009).drive().reason(), "");
    assert_eq!(case.at(9011).drive().reason(), "PaymentOverdue");
}
