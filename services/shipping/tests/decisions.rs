//! What is done next, and what an answer means: tables on the pure core.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use resources::ShipmentPhase::{self, *};
use shipping::observe::{Advance, Asked, Observation, apply};
use shipping::parcel::{Parcel, Step, next_step};
use support::*;

fn phases(advance: &Advance) -> Vec<ShipmentPhase> {
    advance.changes.iter().map(|change| change.phase).collect()
}

fn refused(message: &str) -> Observation {
    Observation::CancelRefused { message: message.to_owned(), tracker: None }
}

fn booked_parcel() -> Parcel {
    observed(&begun(&after(&[deliver(1, 1)])), &booked(&["pre_transit"]), 0).parcel
}

/// A booking call is under way since second 0.
fn begun(parcel: &Parcel) -> Parcel {
    let mut parcel = parcel.clone();
    parcel.begin_booking(at(0), &POLICY);
    parcel
}

fn travelling(statuses: &[&str]) -> Parcel {
    observed(&begun(&after(&[deliver(1, 1)])), &booked(statuses), 0).parcel
}

#[test]
fn a_wish_for_delivery_is_booked_and_not_reported_until_there_is_an_outcome() {
    let parcel = after(&[deliver(1, 1)]);
    assert_eq!(next_step(&parcel, at(0)), Step::Book);
    assert!(!parcel.is_answered() && !parcel.has_something_to_say());
    assert_eq!(parcel.reference(), "order-1");
    let advance = observed(&begun(&parcel), &booked(&["pre_transit"]), 0);
    assert_eq!(phases(&advance), [Booked]);
    let status = advance.parcel.status();
    assert_eq!((status.phase, status.revision, status.observed_generation), (Some(Booked), 1, Some(1)));
    assert_eq!(status.tracking_number.as_deref(), Some("SC1"));
    assert_eq!(status.reference.as_deref(), Some("shp_1"));
    assert_eq!(status.estimated_delivery.map(|time| time.0), Some(at(5)));
    assert!(advance.report);
    assert_eq!(next_step(&advance.parcel, at(0)), Step::WaitUntil(at(30)));
    assert_eq!(next_step(&advance.parcel, at(30)), Step::Track);

    let mut since_the_clock_was_set_back = advance.parcel.clone();
    since_the_clock_was_set_back.forget_a_time_out_of_reach(at(0), &POLICY);
    assert_eq!(since_the_clock_was_set_back, advance.parcel);
    since_the_clock_was_set_back.forget_a_time_out_of_reach(at(-1), &POLICY);
    assert_eq!(next_step(&since_the_clock_was_set_back, at(-1)), Step::Track);
}

#[test]
fn every_phase_passed_is_told_and_the_last_is_reported() {
    for (statuses, passed) in [
        (vec!["pre_transit", "in_transit", "delivered"], vec![Booked, InTransit, Delivered]),
        (vec!["pre_transit", "in_transit", "failure", "error"], vec![Booked, InTransit, Exception, Lost]),
        (
            vec!["pre_transit", "in_transit", "failure", "out_for_delivery", "delivered"],
            vec![Booked, InTransit, Exception, OutForDelivery, Delivered],
        ),
        (vec!["pre_transit", "in_transit", "return_to_sender"], vec![Booked, InTransit, Returned]),
        (
            vec!["pre_transit", "in_transit", "failure", "in_transit"],
            vec![Booked, InTransit, Exception, InTransit],
        ),
        (vec!["pre_transit", "delivered"], vec![Booked, InTransit, Delivered]),
        (vec!["pre_transit", "cancelled"], vec![Booked, Cancelled]),
        (vec!["pre_transit", "unknown"], vec![Booked]),
    ] {
        let advance = observed(&begun(&after(&[deliver(1, 1)])), &booked(&statuses), 0);
        assert_eq!(phases(&advance), passed, "{statuses:?}");
        assert_eq!(advance.parcel.phase.as_ref(), passed.last());
        assert_eq!(advance.parcel.revision, i64::try_from(passed.len()).unwrap());
        let revisions: Vec<i64> = advance.changes.iter().map(|change| change.revision).collect();
        assert!(revisions.is_sorted() && revisions.windows(2).all(|pair| pair[0] != pair[1]));
    }
}

#[test]
fn the_same_tracker_told_again_changes_nothing() {
    let parcel = travelling(&["pre_transit", "in_transit"]);
    let advance = observed(&parcel, &Observation::Tracked(tracker(&["pre_transit", "in_transit"])), 40);
    assert!(advance.changes.is_empty() && advance.details.is_empty() && !advance.report);
    assert_eq!(advance.parcel.status(), parcel.status());
}

#[test]
fn only_new_steps_are_handed_over_to_be_stored() {
    let parcel = travelling(&["pre_transit", "in_transit"]);
    let advance =
        observed(&parcel, &Observation::Tracked(tracker(&["pre_transit", "in_transit", "delivered"])), 40);
    assert_eq!(advance.details, [detail("delivered", 2)]);
    assert_eq!(phases(&advance), [Delivered]);
    assert_eq!(next_step(&advance.parcel, at(1000)), Step::Nothing);
}

#[test]
fn a_step_told_late_does_not_move_the_parcel_back_but_an_end_counts() {
    let mut late = tracker(&[]);
    let parcel = travelling(&["pre_transit", "in_transit", "failure"]);
    late.details = vec![detail("out_for_delivery", 1)];
    assert_eq!(observed(&parcel, &Observation::Tracked(late.clone()), 40).parcel.phase, Some(Exception));
    late.details = vec![detail("delivered", 1)];
    assert_eq!(observed(&parcel, &Observation::Tracked(late), 40).parcel.phase, Some(Delivered));
}

#[test]
fn a_refusal_of_the_address_is_final_for_the_attempt() {
    let refusal =
        Observation::BookingRefused { reason: "AddressUndeliverable".into(), message: "No.".into() };
    let advance = observed(&begun(&after(&[deliver(1, 1)])), &refusal, 0);
    let status = advance.parcel.status();
    assert_eq!(status.phase, Some(Rejected));
    assert_eq!(
        (status.reason.as_deref(), status.message.as_deref()),
        (Some("AddressUndeliverable"), Some("No."))
    );
    assert_eq!(next_step(&advance.parcel, at(0)), Step::Nothing);
    let undone = received(Some(&advance.parcel), &cancel(1, 2)).parcel;
    assert_eq!((undone.phase, undone.observed_generation), (Some(Cancelled), Some(2)));
    let again = received(Some(&advance.parcel), &deliver(2, 2)).parcel;
    assert_eq!((again.phase, next_step(&again, at(0))), (None, Step::Book));
}

#[test]
fn what_was_never_asked_for_is_cancelled_for_certain_without_the_carrier() {
    for commands in [vec![cancel(1, 1)], vec![deliver(1, 1), cancel(1, 2)], vec![cancel(0, 1)]] {
        let parcel = after(&commands);
        assert_eq!(parcel.phase, Some(Cancelled), "{commands:?}");
        assert!(parcel.is_answered());
        assert_eq!(next_step(&parcel, at(0)), Step::Nothing);
    }
}

#[test]
fn a_command_that_comes_after_its_cancellation_finds_a_tombstone() {
    for commands in [
        vec![cancel(1, 2), deliver(1, 1)],
        vec![cancel(1, 1), deliver(1, 2)],
        vec![cancel(2, 1), deliver(1, 2)],
        vec![cancel(2, 1), deliver(2, 2)],
        vec![cancel(0, 1), deliver(1, 2)],
    ] {
        let parcel = after(&commands);
        assert_eq!(next_step(&parcel, at(0)), Step::Nothing, "{commands:?}");
        assert_eq!(parcel.phase, Some(Cancelled));
    }
}

#[test]
fn a_tombstone_holds_for_another_child_of_the_same_order() {
    let mut late = deliver(1, 7);
    late.uid = Some("child-2".into());
    let parcel = received(Some(&after(&[cancel(1, 3)])), &late).parcel;
    assert_eq!((parcel.phase, parcel.uid.as_deref()), (Some(Cancelled), Some("child-2")));
    assert_eq!(parcel.observed_generation, Some(7), "the new child is answered");
}

#[test]
fn a_greater_attempt_goes_on_after_a_cancellation() {
    let parcel = after(&[cancel(1, 1), deliver(2, 2)]);
    assert_eq!((parcel.attempt, parcel.phase), (2, None));
    assert_eq!(next_step(&parcel, at(0)), Step::Book);
    assert_eq!(parcel.reference(), "order-1/2");
}

#[test]
fn an_older_generation_is_ignored_and_a_newer_address_is_booked() {
    let mut moved = deliver(1, 2);
    moved.spec.shipping_address.line1 = "2 Other Street".into();
    let parcel = after(&[deliver(1, 1), moved, deliver(1, 1)]);
    assert_eq!(parcel.booking_request().address.line1, "2 Other Street");
    assert!(!received(Some(&parcel), &deliver(1, 1)).accepted);
}

#[test]
fn a_booking_that_may_be_under_way_is_looked_for_before_it_counts_as_cancelled() {
    let parcel = received(Some(&begun(&after(&[deliver(1, 1)]))), &cancel(1, 2)).parcel;
    assert_eq!(next_step(&parcel, at(1)), Step::LookUp);
    let advance = observed(&parcel, &Observation::NotFound, 1);
    assert_eq!(next_step(&advance.parcel, at(1)), Step::WaitUntil(at(2)), "it may still come about");
    let advance = observed(&parcel, &Observation::NotFound, 20);
    assert_eq!(phases(&advance), [Cancelled]);
    assert_eq!(advance.parcel.observed_generation, Some(2));
}

#[test]
fn a_booking_that_was_found_is_made_void() {
    let parcel = received(Some(&begun(&after(&[deliver(1, 1)]))), &cancel(1, 2)).parcel;
    let advance = observed(&parcel, &booked(&["pre_transit"]), 1);
    assert_eq!(next_step(&advance.parcel, at(1)), Step::Cancel);
    assert_eq!(advance.parcel.status().observed_generation, None, "the wish to cancel is not answered yet");
    let advance = observed(&advance.parcel, &Observation::Voided, 2);
    assert_eq!((phases(&advance), advance.parcel.observed_generation), (vec![Cancelled], Some(2)));
    assert_eq!(next_step(&advance.parcel, at(100)), Step::Nothing);
}

#[test]
fn a_call_that_ended_is_looked_up_once_and_a_lost_one_until_it_cannot_come_about() {
    let asked = begun(&after(&[deliver(1, 1)]));
    for (ended, phase) in [(true, Some(Cancelled)), (false, None)] {
        let failed = observed(&asked, &Observation::BookingFailed { ended }, 0).parcel;
        assert_eq!(next_step(&failed, at(0)), Step::Book, "it is repeated with the same key");
        let undone = received(Some(&failed), &cancel(1, 2)).parcel;
        assert_eq!(next_step(&undone, at(1)), Step::LookUp);
        assert_eq!(observed(&undone, &Observation::NotFound, 1).parcel.phase, phase, "ended: {ended}");
    }
}

#[test]
fn a_label_is_refunded_before_it_is_cancelled() {
    let parcel = received(Some(&booked_parcel()), &cancel(1, 2)).parcel;
    assert_eq!((parcel.phase, parcel.is_answered()), (Some(Booked), false));
    assert_eq!(next_step(&parcel, at(0)), Step::Cancel);
    assert_eq!(observed(&parcel, &Observation::Voided, 0).parcel.phase, Some(Cancelled));
}

#[test]
fn a_cancellation_that_comes_too_late_is_refused_and_the_parcel_travels_on() {
    let parcel = received(Some(&booked_parcel()), &cancel(1, 2)).parcel;
    let advance = observed(&parcel, &refused("picked up"), 3);
    assert_eq!(phases(&advance), [InTransit]);
    let status = advance.parcel.status();
    assert!(status.cancel_refused);
    assert_eq!((status.phase, status.observed_generation), (Some(InTransit), Some(2)));
    assert_eq!(next_step(&advance.parcel, at(33)), Step::Track);
    let told = Observation::Tracked(tracker(&["pre_transit", "in_transit", "delivered"]));
    let advance = observed(&advance.parcel, &told, 40);
    assert_eq!(phases(&advance), [Delivered]);
    assert!(advance.parcel.cancel_refused);
}

#[test]
fn goods_on_their_way_refuse_a_cancellation_without_asking_the_carrier() {
    for statuses in [
        vec!["pre_transit", "in_transit"],
        vec!["pre_transit", "in_transit", "failure"],
        vec!["pre_transit", "in_transit", "delivered"],
        vec!["pre_transit", "in_transit", "return_to_sender"],
        vec!["pre_transit", "in_transit", "error"],
    ] {
        let before = travelling(&statuses);
        let parcel = received(Some(&before), &cancel(1, 2)).parcel;
        assert!(parcel.cancel_refused && parcel.is_answered(), "{statuses:?}");
        assert_eq!((parcel.phase, parcel.observed_generation), (before.phase, Some(2)));
        assert!(parcel.revision > before.revision, "another status has another number");
        assert_ne!(next_step(&parcel, at(1000)), Step::Cancel);
    }
}

#[test]
fn the_next_attempt_waits_until_the_label_before_it_is_void() {
    let parcel = received(Some(&booked_parcel()), &deliver(2, 2)).parcel;
    assert_eq!((parcel.attempt, next_step(&parcel, at(0))), (1, Step::Cancel));
    let advance = observed(&parcel, &Observation::Voided, 1);
    assert_eq!((advance.parcel.attempt, advance.parcel.phase), (2, None));
    assert_eq!(next_step(&advance.parcel, at(1)), Step::Book);
    let kept = observed(&parcel, &refused("picked up"), 1).parcel;
    assert_eq!((kept.attempt, kept.wished_attempt, kept.cancel_refused), (1, 1, true));
    let back = observed(
        &kept,
        &Observation::Tracked(tracker(&["pre_transit", "in_transit", "return_to_sender"])),
        9,
    );
    assert_eq!(next_step(&back.parcel, at(9)), Step::Nothing, "a refused attempt does not come up later");
}

#[test]
fn lost_goods_may_be_sent_again_and_delivered_ones_may_not() {
    let lost = travelling(&["pre_transit", "in_transit", "error"]);
    assert_eq!(next_step(&received(Some(&lost), &deliver(2, 2)).parcel, at(0)), Step::Book);
    let delivered = travelling(&["pre_transit", "in_transit", "delivered"]);
    assert_eq!(next_step(&received(Some(&delivered), &deliver(2, 2)).parcel, at(0)), Step::Nothing);
}

#[test]
fn a_wish_without_a_resource_is_taken_and_leaves_the_resource_known() {
    let mut direct = cancel(0, 0);
    direct.uid = None;
    let parcel = received(Some(&booked_parcel()), &direct).parcel;
    assert_eq!(next_step(&parcel, at(0)), Step::Cancel, "attempt 0 undoes whatever there is");
    assert_eq!((parcel.uid.as_deref(), parcel.generation), (Some("child-1"), 1));
}

#[test]
fn a_label_that_a_lost_call_brought_about_after_all_is_made_void() {
    let parcel =
        observed(&begun(&after(&[deliver(1, 1)])), &Observation::BookingFailed { ended: true }, 0).parcel;
    let cancelled =
        observed(&received(Some(&parcel), &cancel(1, 2)).parcel, &Observation::NotFound, 30).parcel;
    let stray = observed(&cancelled, &booked(&["pre_transit"]), 31);
    assert_eq!((stray.parcel.phase, next_step(&stray.parcel, at(31))), (Some(Cancelled), Step::Cancel));
    assert_eq!(next_step(&observed(&stray.parcel, &Observation::Voided, 32).parcel, at(32)), Step::Nothing);
}

#[test]
fn an_answer_to_another_attempt_changes_nothing() {
    let parcel = after(&[cancel(1, 1), deliver(2, 2)]);
    let advance = apply(&parcel, Asked { attempt: 1, at: at(0) }, &booked(&["pre_transit"]), &POLICY, at(0));
    assert_eq!(advance.parcel, parcel);
}

#[test]
fn a_hint_that_comes_while_the_carrier_is_asked_stays_due() {
    let mut parcel = booked_parcel();
    parcel.track_at = Some(at(41));
    let advance = observed(&parcel, &Observation::Tracked(tracker(&["pre_transit"])), 40);
    assert_eq!(next_step(&advance.parcel, at(41)), Step::Track);
}

#[test]
fn a_hint_that_comes_before_the_booking_is_answered_is_followed_after_it() {
    let mut parcel = begun(&after(&[deliver(1, 1)]));
    parcel.track_at = Some(at(3));
    let advance = observed(&parcel, &booked(&["pre_transit"]), 9);
    assert_eq!(next_step(&advance.parcel, at(9)), Step::Track);
}

#[test]
fn an_outage_is_said_once_and_forgotten_with_the_outcome() {
    let parcel = begun(&after(&[deliver(1, 1)]));
    let away = Observation::Away { message: "The carrier is away.".into() };
    let advance = observed(&parcel, &away, 1);
    let status = advance.parcel.status();
    assert_eq!((status.phase, status.reason.as_deref()), (Some(Pending), Some("CarrierUnavailable")));
    assert!(advance.report && status.observed_generation.is_none());
    assert!(!observed(&advance.parcel, &away, 2).report);
    let status = observed(&advance.parcel, &booked(&["pre_transit"]), 3).parcel.status();
    assert_eq!((status.phase, status.reason, status.message), (Some(Booked), None, None));
}
