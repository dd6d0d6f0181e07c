//! Deletion, leftovers of late leaders after the end, and the archive.

use resources::OrderPhase::*;
use resources::{FINALIZER, PaymentDesired, PaymentPhase, ReservationDesired, ReservationPhase};
use resources::{ShipmentDesired, ShipmentPhase};

use super::super::Effect;
use super::builders::{Case, at, order, order_in};

const DAY: i64 = 24 * 3600;

#[test]
fn deleted_in_flight_it_is_compensated_first() {
    for phase in [Placed, Reserved, AwaitingPayment, Paid] {
        let driven = order_in(phase).deleted().drive();
        assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Compensating][..], "Deleted"), "{phase}");
        assert!(!driven.archives());
    }
    for phase in [Compensating, Stuck] {
        let driven = order_in(phase).deleted().drive();
        assert_eq!((driven.phases.as_slice(), driven.archives()), (&[][..], false), "{phase}");
    }
}

#[test]
fn deleted_after_it_was_shipped_it_stays_until_it_is_there() {
    let driven = order_in(Shipped).deleted().drive();
    assert_eq!((driven.phase(), driven.reason(), driven.archives()), (Shipped, "CancelRefused", false));
    assert_eq!(driven.told.len(), 1);
    let case = driven.case.reservation(ReservationPhase::Committed);
    let driven = case.shipment(ShipmentPhase::Delivered).drive();
    assert_eq!((driven.phases.as_slice(), driven.archives()), (&[Completed][..], true));
}

#[test]
fn deleted_after_its_end_it_is_archived_at_once() {
    for phase in [Completed, Rejected, Failed, Cancelled] {
        assert!(order_in(phase).deleted().drive().archives(), "{phase}");
    }
}

#[test]
fn an_ended_order_is_archived_after_its_time() {
    for phase in [Completed, Rejected, Failed, Cancelled] {
        let early = order_in(phase).at(DAY - 1);
        assert!(!early.clone().drive().archives(), "{phase}");
        assert_eq!(early.decide().look_again, Some(at(DAY)));
        assert!(order_in(phase).at(DAY).drive().archives(), "{phase}");
    }
    assert!(order_in(Completed).shop("ttlAfterFinished: 1m").at(60).drive().archives());
    let own = order_in(Completed).edited(|spec| spec.ttl_seconds_after_finished = Some(5));
    assert!(own.clone().at(5).drive().archives());
    assert!(!own.at(4).drive().archives());
}

#[test]
fn it_stays_while_money_goods_or_label_are_undecided() {
    let money = order_in(Cancelled).payment(PaymentPhase::Captured).at(2 * DAY);
    let goods = order_in(Cancelled).reservation(ReservationPhase::Held).at(2 * DAY);
    let label = order_in(Cancelled).shipment(ShipmentPhase::Booked).at(2 * DAY);
    for case in [money, goods, label] {
        let plan = case.decide();
        assert!(!plan.effects.contains(&Effect::Archive));
        assert_eq!(plan.look_again, None, "a time that has passed wakes nobody");
        assert!(!case.deleted().drive().archives());
    }
}

#[test]
fn what_a_late_leader_made_after_the_end_is_undone() {
    for phase in [Rejected, Failed, Cancelled] {
        let ended = Case { reservation: None, payment: None, shipment: None, ..order_in(phase) };
        let case = ended
            .reservation(ReservationPhase::Held)
            .payment(PaymentPhase::Captured)
            .shipment(ShipmentPhase::Booked);
        let driven = case.drive();
        assert_eq!(driven.reservation().unwrap().desired, ReservationDesired::Released, "{phase}");
        assert_eq!(driven.payment().unwrap().desired, PaymentDesired::Cancelled, "{phase}");
        assert_eq!(driven.shipment().unwrap().desired, ShipmentDesired::Cancelled, "{phase}");
        assert_eq!(driven.phases, []);
    }
}

#[test]
fn nothing_of_a_completed_order_is_undone() {
    assert!(order_in(Completed).drive().wants_nothing());
    let short = order_in(Placed).reservation(ReservationPhase::Insufficient).drive().case;
    assert!(short.at(DAY).drive().archives(), "goods that were never held need no release");
}

#[test]
fn the_finalizer_comes_before_any_other_effect_and_never_on_what_is_going() {
    let bare = |mut case: Case| {
        case.order.metadata.finalizers = None;
        case.decide().effects
    };
    let effects = bare(order());
    assert_eq!((effects.len(), &effects[0]), (2, &Effect::AddFinalizer));
    assert!(!bare(order_in(Completed).at(DAY)).contains(&Effect::AddFinalizer));
    assert!(!bare(order_in(Paid).deleted()).contains(&Effect::AddFinalizer));
    assert_eq!(order().order.metadata.finalizers, Some(vec![FINALIZER.to_owned()]));
}

#[test]
fn without_its_children_a_shipped_order_still_learns_what_became_of_its_parcel() {
    let bare = Case { shipment: None, reservation: None, ..order_in(Shipped) };
    let driven = bare.deleted().drive();
    assert_eq!(driven.shipment().unwrap().desired, ShipmentDesired::Delivered);
    assert_eq!(driven.reservation().unwrap().desired, ReservationDesired::Committed);
    let case = driven.case.shipment(ShipmentPhase::Delivered).reservation(ReservationPhase::Committed);
    assert_eq!(case.drive().phases, [Completed]);
}
