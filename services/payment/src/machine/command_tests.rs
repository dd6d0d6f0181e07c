//! Commands: fencing, the tombstone, and when they are answered.

use resources::PaymentDesired::{Authorized, Cancelled, Captured, Refunded};
use resources::PaymentPhase;

use super::fixtures::{World, at, command, gave_back, shows};
use super::{Call, Child, News, Stage, Step, Telling};
use crate::provider::IntentStatus;

const SILENT: Telling = Telling { event: None, report: false };

fn captured() -> World {
    World::after(
        Captured,
        &[
            (Call::Create, shows(IntentStatus::RequiresConfirmation)),
            (Call::Confirm, shows(IntentStatus::Succeeded)),
        ],
    )
}

#[test]
fn a_wish_is_not_reported_as_pending_its_outcome_is() {
    let mut world = World::new();
    assert_eq!(world.command(&command(1, Captured, 1)), SILENT);
    assert_eq!(world.payment().shown.phase, PaymentPhase::Pending);
    assert_eq!(world.answer(Call::Create, shows(IntentStatus::RequiresConfirmation)), SILENT);
    let told = world.answer(Call::Confirm, shows(IntentStatus::Succeeded));
    assert_eq!(told, Telling { event: Some(News::Shown), report: true });
    assert_eq!(world.payment().shown.phase, PaymentPhase::Captured);
    assert_eq!(world.step(), Step::Nothing);
}

#[test]
fn a_void_before_its_charge_keeps_the_charge_from_ever_happening() {
    let mut world = World::new();
    let told = world.command(&command(2, Cancelled, 1));
    assert_eq!(told, Telling { event: Some(News::Shown), report: true });
    assert_eq!(world.payment().shown.phase, PaymentPhase::Voided);
    for late in [command(1, Captured, 1), command(3, Captured, 1), {
        let mut other = command(1, Authorized, 1);
        other.uid = Some("uid-2".into());
        other
    }] {
        world.command(&late);
        assert_eq!(world.step(), Step::Nothing);
        assert_eq!(world.payment().shown.phase, PaymentPhase::Voided);
    }
    world.command(&{
        let mut next = command(2, Captured, 2);
        next.uid = Some("uid-2".into());
        next
    });
    assert_eq!(world.next_act().call, Call::Create);
}

#[test]
fn an_older_generation_is_only_answered() {
    let mut world = captured();
    world.command(&command(5, Captured, 1));
    let told = world.command(&command(2, Cancelled, 1));
    assert_eq!(told, Telling { event: None, report: true });
    assert_eq!(world.payment().child, Some(Child { uid: "uid-1".into(), generation: 5 }));
    assert_eq!(world.step(), Step::Nothing);
}

#[test]
fn a_repeated_command_is_answered_with_the_same_revision_and_makes_work_due() {
    let mut world = World::new();
    world.command(&command(1, Captured, 1));
    world.answer(Call::Create, super::fixtures::unavailable());
    assert!(matches!(world.step(), Step::WaitUntil(_)));
    let revision = world.payment().revision;
    assert_eq!(world.command(&command(1, Captured, 1)), Telling { event: None, report: true });
    assert_eq!(world.payment().revision, revision);
    assert_eq!(world.payment().shown.reason.as_deref(), Some("provider_unavailable"));
    assert!(matches!(world.step(), Step::Do(_)), "due now");
}

#[test]
fn a_new_generation_of_what_is_true_already_is_answered_at_once_without_an_event() {
    let mut world = captured();
    let revision = world.payment().revision;
    assert_eq!(world.command(&command(2, Captured, 1)), Telling { event: None, report: true });
    assert_eq!(world.payment().revision, revision + 1);
}

#[test]
fn what_was_taken_is_given_back_when_it_is_undone_whatever_the_attempt_named() {
    for (desired, attempt) in [(Cancelled, 1), (Refunded, 1), (Cancelled, 0)] {
        let mut world = captured();
        assert_eq!(world.command(&command(2, desired, attempt)), SILENT, "the outcome will answer it");
        world.answer(Call::Refund, gave_back("re_1"));
        let shown = &world.payment().shown;
        assert_eq!(shown.phase, PaymentPhase::Refunded);
        assert_eq!(
            (shown.captured, shown.refunded),
            (super::fixtures::eur("31.80"), super::fixtures::eur("31.80"))
        );
        assert_eq!(world.payment().undone_attempt, Some(1));
    }
}

#[test]
fn a_next_attempt_waits_until_the_earlier_one_is_void_for_certain() {
    let mut world = World::after(Captured, &[(Call::Create, shows(IntentStatus::RequiresConfirmation))]);
    world.command(&command(2, Captured, 2));
    assert_eq!(world.payment().shown.reason.as_deref(), Some("earlier_attempt"));
    let act = world.next_act();
    assert_eq!((act.attempt, act.call), (1, Call::Cancel));
    world.answer(Call::Cancel, shows(IntentStatus::Canceled));
    let act = world.next_act();
    assert_eq!((act.attempt, act.call), (2, Call::Create));
}

#[test]
fn attempts_only_rise() {
    let mut world = World::new();
    world.command(&command(1, Captured, 2));
    let mut other = command(1, Captured, 1);
    other.uid = Some("uid-2".into());
    world.command(&other);
    assert_eq!(world.payment().wish.attempt, 2);
    assert_eq!(world.payment().attempts.len(), 1);
}

#[test]
fn without_a_child_there_is_nobody_to_report_to() {
    let mut world = World::new();
    let mut direct = command(0, Cancelled, 0);
    direct.uid = None;
    assert_eq!(world.command(&direct), Telling { event: Some(News::Shown), report: false });
    assert_eq!(world.command(&direct), SILENT);
    assert_eq!(world.payment().shown.phase, PaymentPhase::Voided);
}

#[test]
fn a_direct_wish_leaves_the_child_that_is_known() {
    let mut world = captured();
    let mut direct = command(0, Cancelled, 0);
    direct.uid = None;
    world.command(&direct);
    assert_eq!(world.payment().child, Some(Child { uid: "uid-1".into(), generation: 1 }));
    assert_eq!(world.next_act().call, Call::Refund);
}

#[test]
fn a_charge_without_a_method_is_declined() {
    let mut world = World::new();
    let mut without = command(1, Captured, 1);
    without.spec.method = None;
    assert_eq!(world.command(&without), Telling { event: Some(News::Shown), report: true });
    assert_eq!(world.payment().shown.phase, PaymentPhase::Declined);
    assert_eq!(world.payment().shown.reason.as_deref(), Some("method_missing"));
}

#[test]
fn an_attempt_that_was_never_begun_is_void_without_asking_anyone() {
    let mut world = World::new();
    world.command(&command(1, Captured, 1));
    world.command(&command(2, Cancelled, 1));
    world.answer(Call::Void, super::Observation::NoIntent);
    assert_eq!(world.payment().shown.phase, PaymentPhase::Voided);
    assert_eq!(world.payment().attempts[0].stage, Stage::Void);
    assert_eq!(world.now, at(0));
}
