//! Undoing: label, money, goods, each fenced and each waited for; and `Stuck`, where an undo fails for good.

use resources::OrderPhase::*;
use resources::{PaymentDesired, PaymentPhase, ReservationDesired, ReservationPhase};
use resources::{ShipmentDesired, ShipmentPhase};

use super::super::Urgency;
use super::super::wishes::EVERY_ATTEMPT;
use super::builders::{Case, order_in};

#[test]
fn a_wish_to_cancel_compensates_in_every_phase_before_shipped() {
    for phase in [Placed, Reserved, AwaitingPayment, Paid] {
        let driven = order_in(phase).cancelled().drive();
        assert_eq!(
            (driven.phases.as_slice(), driven.reason()),
            (&[Compensating][..], "CancelRequested"),
            "{phase}"
        );
        assert_eq!(driven.status().compensation.as_ref().unwrap().target, Cancelled);
        assert!(driven.told.iter().any(|tell| tell.reason == "CancelRequested"));
    }
}

#[test]
fn what_services_have_answered_comes_before_the_wish() {
    let case = order_in(Placed).reservation(ReservationPhase::Held).payment(PaymentPhase::Captured);
    let driven = case.cancelled().drive();
    assert_eq!(driven.phases, [Reserved, Paid, Compensating]);
}

#[test]
fn nothing_is_undone_before_the_resource_says_so() {
    let case = order_in(Paid).shipment(ShipmentPhase::Booked).cancelled();
    let first = case.decide();
    assert_eq!((first.effects.len(), first.urgency), (0, Urgency::Now));
    assert_eq!(case.after(&first).decide().effects.len(), 1);
}

#[test]
fn label_money_and_goods_are_undone_one_after_the_other() {
    let driven = order_in(Paid).shipment(ShipmentPhase::Booked).cancelled().drive();
    assert_eq!(driven.shipment().unwrap().desired, ShipmentDesired::Cancelled);
    assert_eq!((driven.payment(), driven.reservation()), (None, None));

    let driven = driven.case.shipment(ShipmentPhase::Cancelled).drive();
    assert_eq!(driven.payment().unwrap().desired, PaymentDesired::Refunded);
    assert_eq!(driven.reservation(), None);

    let driven = driven.case.payment(PaymentPhase::Refunded).drive();
    assert_eq!(driven.reservation().unwrap().desired, ReservationDesired::Released);
    assert_eq!(driven.phases, []);

    let driven = driven.case.reservation(ReservationPhase::Released).drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Cancelled][..], "CancelRequested"));
    assert_eq!(driven.condition("Finished"), ("True".into(), "Cancelled".into()));
}

#[test]
fn what_was_never_seen_is_made_to_be_undone_above_every_attempt() {
    let case = Case { reservation: None, payment: None, ..order_in(Compensating) };
    let driven = case.drive();
    let label = driven.shipment().unwrap();
    assert_eq!((label.attempt, label.desired), (EVERY_ATTEMPT, ShipmentDesired::Cancelled));
    let driven = driven.case.shipment(ShipmentPhase::Cancelled).drive();
    let money = driven.payment().unwrap();
    assert_eq!((money.attempt, money.desired), (EVERY_ATTEMPT, PaymentDesired::Cancelled));
    assert_eq!(money.method, None);
    let driven = driven.case.payment(PaymentPhase::Voided).drive();
    assert_eq!(driven.reservation().unwrap().desired, ReservationDesired::Released);
    assert_eq!(driven.case.reservation(ReservationPhase::Released).drive().phases, [Cancelled]);
}

#[test]
fn an_undo_that_is_not_answered_is_not_taken_for_done() {
    let undoing = || {
        let case = order_in(Compensating).shipment(ShipmentPhase::Cancelled);
        case.shipment_wanted(ShipmentDesired::Cancelled).payment_wanted(PaymentDesired::Refunded)
    };
    for answer in [
        PaymentPhase::Pending,
        PaymentPhase::Authorized,
        PaymentPhase::Captured,
        PaymentPhase::ActionRequired,
        PaymentPhase::Declined,
        PaymentPhase::Unknown,
    ] {
        let driven = undoing().payment(answer).drive();
        assert_eq!((driven.phases.as_slice(), driven.reservation()), (&[][..], None), "{answer:?}");
    }
    let mut stale = undoing().payment(PaymentPhase::Voided);
    stale.payment.as_mut().unwrap().metadata.generation = Some(2);
    assert_eq!(stale.drive().reservation(), None);
}

#[test]
fn a_payment_that_is_not_known_to_be_taken_is_cancelled() {
    let case = order_in(Compensating).shipment(ShipmentPhase::Cancelled);
    let case = case.shipment_wanted(ShipmentDesired::Cancelled).payment(PaymentPhase::Unknown);
    assert_eq!(case.drive().payment().unwrap().desired, PaymentDesired::Cancelled);
}

#[test]
fn a_parcel_on_its_way_refuses_the_cancellation() {
    let cancelling = order_in(Paid).shipment(ShipmentPhase::Booked).cancelled().drive().case;
    let driven = cancelling.shipment(ShipmentPhase::InTransit).drive();
    assert_eq!((driven.phases.as_slice(), driven.reasons[0].as_str()), (&[Shipped][..], "CancelRefused"));
    assert_eq!(driven.reason(), "CancelRefused");
    assert_eq!(driven.status().compensation, None);
    assert_eq!(driven.told.iter().filter(|tell| tell.reason == "CancelRefused").count(), 1);
    let case = driven.case.reservation(ReservationPhase::Committed);
    assert_eq!(case.shipment(ShipmentPhase::Delivered).drive().phases, [Completed]);
}

#[test]
fn a_parcel_that_was_lost_meanwhile_is_no_hindrance() {
    let cancelling = order_in(Paid).shipment(ShipmentPhase::Booked).cancelled().drive().case;
    let driven = cancelling.shipment(ShipmentPhase::Lost).drive();
    assert_eq!(driven.payment().unwrap().desired, PaymentDesired::Refunded);
    let driven = driven.case.payment(PaymentPhase::Refunded).drive();
    assert_eq!(driven.reservation().unwrap().desired, ReservationDesired::Committed);
    assert_eq!(driven.case.reservation(ReservationPhase::Committed).drive().phases, [Cancelled]);
}

#[test]
fn cancelled_after_it_was_shipped_it_stays_and_says_so_once() {
    for phase in [ShipmentPhase::InTransit, ShipmentPhase::Exception] {
        let driven = order_in(Shipped).shipment(phase).cancelled().drive();
        assert_eq!((driven.phases.as_slice(), driven.phase()), (&[][..], Shipped));
        assert_eq!(driven.told.len(), 1, "{phase:?}");
        assert_eq!(driven.told[0].reason, "CancelRefused");
        assert!(driven.case.drive().told.is_empty());
    }
}

#[test]
fn cancelled_after_its_end_it_stays_and_says_so_once() {
    for phase in [Completed, Rejected, Failed] {
        let driven = order_in(phase).cancelled().drive();
        assert_eq!((driven.phases.len(), driven.told.len()), (0, 1), "{phase}");
        assert!(driven.told[0].note.contains(&format!("{phase} already")));
    }
    assert!(order_in(Cancelled).cancelled().drive().told.is_empty());
}

#[test]
fn a_refund_that_fails_for_good_rests_alone_and_the_goods_go_back_all_the_same() {
    let case = order_in(Compensating).shipment(ShipmentPhase::Cancelled);
    let case = case.shipment_wanted(ShipmentDesired::Cancelled).payment_wanted(PaymentDesired::Refunded);
    let driven = case.payment(PaymentPhase::Failed).drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[][..], "RefundFailed"));
    assert_eq!(driven.reservation().unwrap().desired, ReservationDesired::Released);
    let driven = driven.case.reservation(ReservationPhase::Released).drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Stuck][..], "RefundFailed"));
    assert!(driven.told.iter().any(|tell| tell.warning && tell.reason == "RefundFailed"));
    assert!(driven.case.clone().drive().wants_nothing());
    let driven = driven.case.payment(PaymentPhase::Refunded).drive();
    assert_eq!(driven.phases, [Cancelled]);
}

#[test]
fn children_that_exist_at_their_service_alone_are_asked_again_until_they_answer() {
    let mut case = order_in(Compensating).shipment(ShipmentPhase::Pending).deleted();
    let shipment = case.shipment.as_mut().unwrap();
    (shipment.metadata.uid, shipment.metadata.generation) = (None, None);
    shipment.spec.desired = ShipmentDesired::Cancelled;
    shipment.status.as_mut().unwrap().observed_generation = None;
    assert_eq!(case.decide().effects.len(), 1);
    case.shipment.as_mut().unwrap().status.as_mut().unwrap().phase = Some(ShipmentPhase::Cancelled);
    assert!(case.drive().payment().is_some());
}

#[test]
fn an_end_names_what_became_of_the_money() {
    let mut case = order_in(Compensating).shipment(ShipmentPhase::Cancelled).cancelled();
    case = case.shipment_wanted(ShipmentDesired::Cancelled).payment_wanted(PaymentDesired::Refunded);
    case = case.payment(PaymentPhase::Refunded).reservation(ReservationPhase::Released);
    case.reservation.as_mut().unwrap().spec.desired = ReservationDesired::Released;
    case.payment.as_mut().unwrap().status.as_mut().unwrap().refunded = Some(super::builders::euro(2000));
    let driven = case.drive();
    let message = driven.status().message.clone().unwrap();
    assert!(message.starts_with("Cancelled: customer request."), "{message}");
    assert!(message.contains("20.00 EUR went back"), "{message}");
}
