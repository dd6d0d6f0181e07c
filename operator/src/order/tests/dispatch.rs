//! `OnDispatch`: money that is promised first and taken when there is a label.

use resources::OrderPhase::*;
use resources::{OrderPhase, PaymentDesired, PaymentPhase, ReservationPhase, ShipmentDesired, ShipmentPhase};

use super::super::Urgency;
use super::builders::{Case, order_in};

fn promised() -> Case {
    order_in_on_dispatch(Paid).payment_wanted(PaymentDesired::Authorized).payment(PaymentPhase::Authorized)
}

fn order_in_on_dispatch(phase: OrderPhase) -> Case {
    order_in(phase).shop("capture: OnDispatch")
}

/// The promise was not kept.
fn refused() -> Case {
    let asked = promised().shipment(ShipmentPhase::Booked).payment_wanted(PaymentDesired::Captured);
    asked.payment(PaymentPhase::Declined)
}

#[test]
fn a_label_has_the_money_taken() {
    assert_eq!(promised().shipment(ShipmentPhase::Pending).drive().payment(), None);
    let driven = promised().shipment(ShipmentPhase::Booked).drive();
    assert_eq!(driven.payment().unwrap().desired, PaymentDesired::Captured);
    assert_eq!((driven.payment().unwrap().attempt, driven.phase()), (1, Paid));
}

#[test]
fn the_money_is_taken_only_once_the_resource_says_paid() {
    let case = order_in_on_dispatch(Reserved).payment(PaymentPhase::Authorized);
    let case = case.shipment(ShipmentPhase::Booked);
    let first = case.decide();
    assert_eq!(first.transitions.len(), 1);
    assert!(first.effects.is_empty());
    assert_eq!(first.urgency, Urgency::Now, "the money waits for this write");
    assert_eq!(case.after(&first).decide().effects.len(), 1);
}

#[test]
fn it_is_shipped_once_the_money_for_goods_on_their_way_is_taken() {
    let driven = promised().shipment(ShipmentPhase::InTransit).drive();
    assert_eq!(driven.phases, []);
    assert_eq!(driven.payment().unwrap().desired, PaymentDesired::Captured);
    assert_eq!(driven.case.payment(PaymentPhase::Captured).drive().phases, [Shipped]);
}

#[test]
fn a_refused_capture_voids_the_label_and_waits_for_another_payment() {
    let driven = refused().drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[][..], "PaymentDeclined"));
    assert_eq!(driven.shipment().unwrap().desired, ShipmentDesired::Cancelled);
    let driven = driven.case.shipment(ShipmentPhase::Cancelled).drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[AwaitingPayment][..], "PaymentDeclined"));

    let driven = driven.case.method(Some("pm_other"), 0).drive();
    let driven = driven.case.payment(PaymentPhase::Voided).drive();
    let driven = driven.case.reservation(ReservationPhase::Held).drive();
    assert_eq!(driven.phases, [Reserved]);
    let driven = driven.case.payment(PaymentPhase::Authorized).drive();
    assert_eq!(driven.phases, [Paid]);
    let label = driven.shipment().unwrap();
    assert_eq!((label.attempt, label.desired), (2, ShipmentDesired::Delivered));
    // The void label of before says nothing of the new one.
    assert_eq!(driven.case.clone().drive().phases, []);
    let driven = driven.case.shipment(ShipmentPhase::Booked).drive();
    assert_eq!(driven.payment().unwrap().desired, PaymentDesired::Captured);
}

#[test]
fn a_label_is_not_replaced_before_it_is_void() {
    let mut case = refused().shipment_wanted(ShipmentDesired::Cancelled).payment(PaymentPhase::Captured);
    case.shipment.as_mut().unwrap().metadata.generation = Some(2);
    assert!(case.drive().wants_nothing());
}

#[test]
fn a_promise_that_lapsed_before_there_was_a_label_books_none() {
    let driven = promised().payment(PaymentPhase::Declined).drive();
    assert_eq!(driven.phases, [AwaitingPayment]);
    assert_eq!(driven.shipment(), None);
}

#[test]
fn goods_that_left_although_the_money_was_refused_need_a_person() {
    let driven = refused().shipment(ShipmentPhase::InTransit).drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Stuck][..], "DispatchedUnpaid"));
    let driven = driven.case.payment(PaymentPhase::Captured).drive();
    assert_eq!(driven.phases, [Shipped]);
}

#[test]
fn goods_that_left_under_a_label_that_was_to_be_void_are_shipped() {
    let case = promised().shipment(ShipmentPhase::InTransit).shipment_wanted(ShipmentDesired::Cancelled);
    let driven = case.payment_wanted(PaymentDesired::Captured).payment(PaymentPhase::Captured).drive();
    assert_eq!(driven.phases, [Shipped]);
    assert_eq!(driven.shipment(), None, "no second parcel");
}

#[test]
fn no_money_is_taken_for_a_parcel_that_was_lost_before() {
    for phase in [ShipmentPhase::Lost, ShipmentPhase::Returned] {
        let driven = promised().shipment(phase).drive();
        assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Compensating][..], "ShippingFailed"));
        assert_eq!(driven.payment().unwrap().desired, PaymentDesired::Cancelled);
    }
}

#[test]
fn a_cancel_that_comes_too_late_takes_the_money_before_it_is_shipped() {
    let driven = promised().shipment(ShipmentPhase::Booked).cancelled().drive();
    assert_eq!(driven.phases, [Compensating]);
    let driven = driven.case.shipment(ShipmentPhase::InTransit).drive();
    assert_eq!(driven.phases, []);
    assert_eq!(driven.payment().unwrap().desired, PaymentDesired::Captured);
    let shipped = driven.case.clone().payment(PaymentPhase::Captured).drive();
    assert_eq!((shipped.phases.as_slice(), shipped.reasons[0].as_str()), (&[Shipped][..], "CancelRefused"));
    let stuck = driven.case.payment(PaymentPhase::Declined).drive();
    assert_eq!((stuck.phases.as_slice(), stuck.reason()), (&[Stuck][..], "DispatchedUnpaid"));
}

#[test]
fn money_that_was_taken_stays_so_while_its_object_does_not_show_it() {
    let mut case = order_in(Reserved).payment(PaymentPhase::Captured).drive().case;
    case.payment.as_mut().unwrap().status = None;
    let driven = case.drive();
    assert_eq!((driven.phases.as_slice(), driven.status().payment.as_deref()), (&[][..], Some("Captured")));
    assert_eq!(driven.condition("Paid").0, "True");
}

#[test]
fn money_that_was_taken_stays_so_when_its_object_goes_with_the_namespace() {
    let paid = order_in(Reserved).payment(PaymentPhase::Captured).drive();
    assert_eq!(paid.phases, [Paid]);
    let mut case = paid.case.shipment(ShipmentPhase::InTransit).deleted();
    case.payment = None;
    let driven = case.drive();
    assert_eq!(driven.phases, [Shipped], "{:?}", driven.reasons);
    let status = driven.status();
    let paid = status.conditions.iter().find(|condition| condition.type_ == "Paid").unwrap();
    assert_eq!((paid.status.as_str(), status.payment.as_deref()), ("True", Some("Captured")));
}
