//! The rows of the state machine, each as a sentence.

use resources::{OrderPhase::*, PaymentDesired, PaymentPhase, ReservationDesired, ReservationPhase};
use resources::{ShipmentDesired, ShipmentPhase};

use super::super::wishes::EVERY_ATTEMPT;
use super::builders::{at, euro, line, order, order_in};
use super::situations::text;

#[test]
fn a_quoted_order_is_placed_and_asks_for_its_goods() {
    let driven = order().drive();
    assert_eq!(driven.phases, [Placed]);
    let wanted = driven.reservation().unwrap();
    assert_eq!(wanted.desired, ReservationDesired::Held);
    assert_eq!(wanted.lines, [line("MUG", 2)]);
    assert_eq!((wanted.total, &wanted.expires_at), (euro(2000), &None));
    assert_eq!(text(driven.status().total), text(Some(euro(2000))));
    assert_eq!((driven.payment(), driven.shipment()), (None, None));
}

#[test]
fn a_reservation_that_exists_keeps_its_quote() {
    let mut case = order().unasked().reservation(ReservationPhase::Pending);
    case.reservation.as_mut().unwrap().spec.total = euro(1800);
    let driven = case.drive();
    assert_eq!(driven.phases, [Placed]);
    assert_eq!(driven.status().total, Some(euro(1800)));
    assert_eq!(driven.reservation(), None);
}

#[test]
fn held_goods_make_it_reserved_and_the_first_attempt_is_charged() {
    let driven = order_in(Placed).reservation(ReservationPhase::Held).drive();
    assert_eq!(driven.phases, [Reserved]);
    let wanted = driven.payment().unwrap();
    assert_eq!((wanted.attempt, wanted.desired, wanted.amount), (1, PaymentDesired::Captured, euro(2000)));
    assert_eq!(wanted.method.as_deref(), Some("pm_card_visa"));
}

#[test]
fn short_goods_fail_it_with_nothing_held_and_nothing_charged() {
    let driven = order_in(Placed).reservation(ReservationPhase::Insufficient).drive();
    assert_eq!(driven.phases, [Failed]);
    assert_eq!(driven.reason(), "OutOfStock");
    assert!(driven.wants_nothing());
    assert!(driven.told.iter().any(|tell| tell.warning && tell.reason == "OutOfStock"));
}

#[test]
fn a_captured_payment_makes_it_paid_and_a_parcel_is_booked() {
    let driven = order_in(Reserved).payment(PaymentPhase::Captured).drive();
    assert_eq!(driven.phases, [Paid]);
    let wanted = driven.shipment().unwrap();
    assert_eq!((wanted.attempt, wanted.desired), (1, ShipmentDesired::Delivered));
}

#[test]
fn with_on_dispatch_the_promise_is_enough_to_be_paid() {
    let shop = "capture: OnDispatch";
    let asked = order_in(Reserved).shop(shop).drive();
    assert_eq!(asked.payment().unwrap().desired, PaymentDesired::Authorized);
    let driven = order_in(Reserved).shop(shop).payment(PaymentPhase::Authorized).drive();
    assert_eq!(driven.phases, [Paid]);
    assert_eq!(driven.payment(), None, "the money is taken when there is a label");
    assert!(driven.shipment().is_some());
}

#[test]
fn a_declined_payment_waits_for_the_customer_and_the_hold_gets_a_time() {
    let mut case = order_in(Reserved).payment(PaymentPhase::Declined);
    case.payment.as_mut().unwrap().status.as_mut().unwrap().message = Some("The card has no funds.".into());
    let driven = case.drive();
    assert_eq!(driven.phases, [AwaitingPayment]);
    assert_eq!(driven.reason(), "PaymentDeclined");
    assert!(driven.status().message.as_ref().unwrap().starts_with("The card has no funds."));
    assert!(driven.told.iter().any(|tell| tell.reason == "PaymentDeclined"));
    let expires = driven.reservation().unwrap().expires_at.as_ref().unwrap();
    assert_eq!(expires.0, at(24 * 3600));
}

#[test]
fn a_payment_that_the_customer_must_confirm_waits_for_them() {
    let driven = order_in(Reserved).payment(PaymentPhase::ActionRequired).drive();
    assert_eq!((driven.phase(), driven.reason()), (AwaitingPayment, "ActionRequired"));
    assert!(driven.reservation().unwrap().expires_at.is_some());
    assert_eq!(driven.payment(), None);
}

#[test]
fn without_a_method_it_waits_for_one_and_charges_nothing() {
    let driven = order_in(Reserved).edited(|spec| spec.payment = None).drive();
    assert_eq!((driven.phase(), driven.reason()), (AwaitingPayment, "MethodMissing"));
    assert_eq!(driven.payment(), None);
    assert!(driven.reservation().unwrap().expires_at.is_some());
}

#[test]
fn an_unknown_payment_stays_and_is_neither_charged_again_nor_released() {
    let driven = order_in(Reserved).payment(PaymentPhase::Unknown).drive();
    assert_eq!((driven.phase(), driven.reason()), (Reserved, "PaymentUnknown"));
    assert!(driven.wants_nothing());
    assert_eq!(driven.condition("Paid"), ("Unknown".into(), "Unknown".into()));
    let known = driven.case.clone().payment(PaymentPhase::Captured).drive();
    assert_eq!(known.phases, [Paid]);
    assert_eq!(known.reason(), "", "what was said of the wait is not said any more");
    let never = driven.case.payment(PaymentPhase::Declined).drive();
    assert_eq!((never.phase(), never.reason()), (AwaitingPayment, "PaymentDeclined"));
}

#[test]
fn a_booked_label_alone_does_not_ship() {
    let driven = order_in(Paid).shipment(ShipmentPhase::Booked).drive();
    assert_eq!(driven.phases, []);
    assert!(driven.wants_nothing());
}

#[test]
fn goods_on_their_way_make_it_shipped_however_far_they_are() {
    for phase in [ShipmentPhase::InTransit, ShipmentPhase::OutForDelivery, ShipmentPhase::Exception] {
        let driven = order_in(Paid).shipment(phase).drive();
        assert_eq!(driven.phases, [Shipped], "{phase:?}");
    }
}

#[test]
fn a_problem_on_the_way_is_told_and_passes() {
    let driven = order_in(Shipped).shipment(ShipmentPhase::Exception).drive();
    assert_eq!((driven.phase(), driven.reason()), (Shipped, "ShipmentProblem"));
    let driven = driven.case.shipment(ShipmentPhase::OutForDelivery).drive();
    assert_eq!((driven.phase(), driven.reason()), (Shipped, "InTransit"));
}

#[test]
fn delivered_and_committed_goods_complete_it() {
    let waits = order_in(Shipped).shipment(ShipmentPhase::Delivered).drive();
    assert_eq!((waits.phase(), waits.reason()), (Shipped, "CommittingStock"));
    let driven =
        order_in(Shipped).reservation(ReservationPhase::Committed).shipment(ShipmentPhase::Delivered).drive();
    assert_eq!(driven.phases, [Completed]);
    assert_eq!(driven.condition("Finished"), ("True".into(), "Completed".into()));
    assert!(driven.wants_nothing());
}

#[test]
fn the_stock_is_committed_by_command_once_that_is_overdue() {
    let early = order_in(Shipped).at(9).drive();
    assert_eq!(early.reservation(), None);
    assert_eq!(early.case.decide().look_again, Some(at(10)));
    let late = order_in(Shipped).at(10).drive();
    assert_eq!(late.reservation().unwrap().desired, ReservationDesired::Committed);
    assert_eq!(late.phase(), Shipped);
}

#[test]
fn with_complete_on_dispatch_it_is_completed_at_once() {
    let shop = "completeOn: Dispatch";
    let driven = order_in(Paid)
        .shop(shop)
        .reservation(ReservationPhase::Committed)
        .shipment(ShipmentPhase::InTransit)
        .drive();
    assert_eq!(driven.phases, [Shipped, Completed]);
    let waits = order_in(Paid).shop(shop).shipment(ShipmentPhase::InTransit).drive();
    assert_eq!((waits.phases.as_slice(), waits.reason()), (&[Shipped][..], "CommittingStock"));
}

#[test]
fn a_refused_parcel_gives_money_and_goods_back() {
    let driven = order_in(Paid).shipment(ShipmentPhase::Rejected).drive();
    assert_eq!(driven.phases, [Compensating]);
    assert_eq!(driven.payment().unwrap().desired, PaymentDesired::Refunded);
    let driven = driven.case.payment(PaymentPhase::Refunded).drive();
    assert_eq!(driven.reservation().unwrap().desired, ReservationDesired::Released);
    let driven = driven.case.reservation(ReservationPhase::Released).drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[Failed][..], "ShippingFailed"));
}

#[test]
fn a_lost_parcel_is_refunded_and_its_goods_stay_gone() {
    let driven = order_in(Shipped).shipment(ShipmentPhase::Lost).drive();
    assert_eq!(driven.phases, [Compensating]);
    assert_eq!(driven.shipment(), None);
    let driven = driven.case.payment(PaymentPhase::Refunded).drive();
    assert_eq!(driven.reservation().unwrap().desired, ReservationDesired::Committed);
    let driven = driven.case.reservation(ReservationPhase::Committed).drive();
    assert_eq!((driven.phase(), driven.reason()), (Failed, "ShippingFailed"));
}

#[test]
fn a_returned_parcel_is_refunded_and_its_goods_are_put_back() {
    let driven =
        order_in(Shipped).reservation(ReservationPhase::Committed).shipment(ShipmentPhase::Returned).drive();
    let driven = driven.case.payment(PaymentPhase::Refunded).drive();
    assert_eq!(driven.reservation().unwrap().desired, ReservationDesired::Released);
    let driven = driven.case.reservation(ReservationPhase::Released).drive();
    assert_eq!((driven.phase(), driven.reason()), (Failed, "ShippingFailed"));
}

#[test]
fn all_transitions_passed_while_nobody_looked_are_named_with_consecutive_numbers() {
    let driven = order()
        .unasked()
        .reservation(ReservationPhase::Committed)
        .payment(PaymentPhase::Captured)
        .shipment(ShipmentPhase::Delivered)
        .drive();
    assert_eq!(driven.phases, [Placed, Reserved, Paid, Shipped, Completed]);
    let sequences: Vec<i64> = driven.status().history.iter().map(|entry| entry.sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5]);
    assert_eq!(driven.status().sequence, 5);
}

#[test]
fn goods_lost_while_nobody_looked_were_shipped_first() {
    let driven = order_in(Paid).shipment(ShipmentPhase::Lost).drive();
    assert_eq!(driven.phases, [Shipped, Compensating]);
}

#[test]
fn only_the_last_twenty_transitions_are_told() {
    let mut case = order_in(Placed);
    let status = case.status.as_mut().unwrap();
    let first = status.history[0].clone();
    status.history = (1..=20).map(|sequence| resources::HistoryEntry { sequence, ..first.clone() }).collect();
    status.sequence = 20;
    let driven = case.reservation(ReservationPhase::Held).drive();
    let told: Vec<i64> = driven.status().history.iter().map(|entry| entry.sequence).collect();
    assert_eq!(told, (2..=21).collect::<Vec<i64>>());
}

#[test]
fn an_answer_to_an_older_wish_counts_for_nothing_but_a_parcel_that_has_left() {
    let stale = |mut case: super::builders::Case| {
        for generation in [
            case.reservation.as_mut().map(|child| &mut child.metadata.generation),
            case.payment.as_mut().map(|child| &mut child.metadata.generation),
            case.shipment.as_mut().map(|child| &mut child.metadata.generation),
        ]
        .into_iter()
        .flatten()
        {
            *generation = Some(7);
        }
        case.drive().phases
    };
    assert_eq!(stale(order_in(Placed).reservation(ReservationPhase::Held)), []);
    assert_eq!(stale(order_in(Reserved).payment(PaymentPhase::Declined)), []);
    assert_eq!(stale(order_in(Paid).shipment(ShipmentPhase::Rejected)), []);
    let mut moved = order_in(Paid).shipment(ShipmentPhase::InTransit);
    moved.shipment.as_mut().unwrap().metadata.generation = Some(7);
    assert_eq!(moved.drive().phases, [Shipped]);
}

#[test]
fn a_fenced_undo_is_above_every_attempt_that_the_schema_admits() {
    let highest = |definition: k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition| {
        let schema = definition.spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
        schema.properties.unwrap()["spec"].properties.clone().unwrap()["attempt"].maximum
    };
    let of = |kind: &str| resources::definitions().into_iter().find(|it| it.spec.names.kind == kind).unwrap();
    assert_eq!(highest(of("Payment")), Some(f64::from(EVERY_ATTEMPT)));
    assert_eq!(highest(of("Shipment")), Some(f64::from(EVERY_ATTEMPT)));
}

#[test]
fn a_label_for_an_address_that_was_changed_in_time_is_voided_and_booked_anew() {
    let moved = order_in(Paid)
        .shipment(ShipmentPhase::Booked)
        .edited(|spec| "2 New Road".clone_into(&mut spec.shipping_address.line1));
    let driven = moved.drive();
    assert_eq!((driven.phases.as_slice(), driven.reason()), (&[][..], "AddressChanged"));
    assert_eq!(driven.shipment().unwrap().desired, ShipmentDesired::Cancelled);
    let driven = driven.case.shipment(ShipmentPhase::Cancelled).drive();
    let booked = driven.shipment().unwrap();
    assert_eq!((booked.attempt, booked.shipping_address.line1.as_str()), (2, "2 New Road"));
}
