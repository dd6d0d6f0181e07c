//! Refunds that are refused, that take their time, and that fail after they have arrived.

use std::time::Duration;

use resources::PaymentDesired::{Cancelled, Captured};
use resources::PaymentPhase;

use super::fixtures::{World, came_back, command, gave_back, gives_back, intent, shows, unavailable};
use super::{Call, Entry, News, Observation, Refusal, Stage, Step, Telling};
use crate::provider::{Intent, IntentStatus, Keys, ProviderError};

fn refused() -> Observation {
    ProviderError::Declined { refusal: Refusal::new("do_not_honor", "No."), intent: None }.into()
}

/// Taken, and to be given back.
fn undone() -> World {
    let mut world = World::after(
        Captured,
        &[
            (Call::Create, shows(IntentStatus::RequiresConfirmation)),
            (Call::Confirm, shows(IntentStatus::Succeeded)),
        ],
    );
    world.command(&command(2, Cancelled, 1));
    world
}

fn phase(world: &World) -> PaymentPhase {
    world.payment().shown.phase
}

fn refunded(world: &World) -> i64 {
    world.payment().shown.refunded.minor_units()
}

#[test]
fn a_refund_on_its_way_is_asked_about_until_it_has_arrived() {
    let mut world = undone();
    world.answer(Call::Refund, gives_back("re_1"));
    assert_eq!((phase(&world), refunded(&world)), (PaymentPhase::Captured, 0));
    assert_eq!(world.payment().shown.reason.as_deref(), Some("refund_pending"));
    let waited = world.waits();
    assert!(waited >= Duration::from_secs(5));
    world.answer(Call::RetrieveRefund, unavailable());
    world.answer(Call::RetrieveRefund, gives_back("re_1"));
    assert!(world.waits() > waited, "less and less often");
    assert_eq!(world.answer(Call::RetrieveRefund, gave_back("re_1")).event, Some(News::Shown));
    assert_eq!(
        (phase(&world), refunded(&world), world.step()),
        (PaymentPhase::Refunded, 3180, Step::Nothing)
    );
    assert_eq!(world.entries()[2..], [Entry::RefundPending, Entry::Refunded]);
}

#[test]
fn a_webhook_makes_a_refund_on_its_way_be_asked_about_at_once() {
    let mut world = undone();
    world.answer(Call::Refund, gives_back("re_1"));
    world.hear(1);
    assert!(matches!(world.step(), Step::Do(act) if act.call == Call::RetrieveRefund));
    world.answer(Call::RetrieveRefund, gave_back("re_1"));
    assert_eq!(phase(&world), PaymentPhase::Refunded);
    assert_eq!(world.ledger.last().unwrap().event_id.as_deref(), Some("evt_2"));
    assert_eq!(world.payment().attempts[0].asked, None);
}

#[test]
fn a_refund_on_its_way_that_fails_leaves_the_money_taken() {
    let mut world = undone();
    world.answer(Call::Refund, gives_back("re_1"));
    world.answer(Call::RetrieveRefund, came_back("re_1"));
    assert_eq!((phase(&world), refunded(&world), world.step()), (PaymentPhase::Failed, 0, Step::Nothing));
    assert_eq!(world.entries()[2..], [Entry::RefundPending, Entry::RefundRefused], "none had arrived");
}

#[test]
fn a_refund_that_fails_after_it_arrived_is_taken_back_in_the_ledger_and_made_anew() {
    let mut world = undone();
    world.answer(Call::Refund, gave_back("re_1"));
    world.hear(1);
    assert_eq!(
        world.answer(Call::RetrieveRefund, came_back("re_1")),
        Telling { event: Some(News::Shown), report: true }
    );
    assert_eq!((phase(&world), refunded(&world)), (PaymentPhase::Failed, 0));
    let booked = world.ledger.last().unwrap();
    assert_eq!((booked.entry, booked.amount.minor_units()), (Entry::RefundFailed, 3180));
    assert_eq!(booked.reference.as_deref(), Some("re_1"));
    assert_eq!(world.step(), Step::Nothing, "until it is asked for again");
    world.command(&command(2, Cancelled, 1));
    world.answer(Call::Refund, gave_back("re_2"));
    assert_eq!((phase(&world), refunded(&world)), (PaymentPhase::Refunded, 3180));
    assert_eq!(world.entries()[2..], [Entry::Refunded, Entry::RefundFailed, Entry::Refunded]);
}

#[test]
fn news_of_a_failure_that_came_before_the_answer_are_asked_about_after_it() {
    let mut world = undone();
    let act = world.next_act();
    world.hear(1);
    let payment = world.payment.as_mut().unwrap();
    super::apply(payment, act, gave_back("re_1"), None, world.now);
    world.answer(Call::RetrieveRefund, came_back("re_1"));
    assert_eq!(phase(&world), PaymentPhase::Failed);
}

#[test]
fn a_refused_refund_is_tried_once_for_each_repeated_command_under_another_key() {
    let mut world = undone();
    let keys = Keys { order_id: "o-1", attempt: 1 };
    let mut used = Vec::new();
    for _ in 0..3 {
        used.push(keys.refund(world.payment().attempts[0].refund_refusals));
        world.answer(Call::Refund, refused());
        assert_eq!((phase(&world), world.step()), (PaymentPhase::Failed, Step::Nothing));
        let told = world.command(&command(3, Cancelled, 1));
        assert_eq!(told, Telling { event: None, report: true }, "the present state");
    }
    assert_eq!(used, ["o-1/1/refund", "o-1/1/refund/1", "o-1/1/refund/2"]);
    world.answer(Call::Refund, gave_back("re_by_hand"));
    assert_eq!((phase(&world), refunded(&world)), (PaymentPhase::Refunded, 3180), "as the provider says");
    world.command(&command(2, Cancelled, 1));
    assert_eq!(world.step(), Step::Nothing);
}

#[test]
fn a_refused_refund_of_an_older_attempt_does_not_hide_the_capture_of_the_wanted_one() {
    let mut world = World::after(Captured, &[(Call::Create, shows(IntentStatus::RequiresConfirmation))]);
    world.answer(Call::Confirm, shows(IntentStatus::RequiresAction));
    world.command(&command(2, Captured, 2));
    world.answer(Call::Cancel, shows(IntentStatus::Canceled));
    let second = |status| Observation::Intent(Intent { id: "pi_2".into(), ..intent(status) });
    world.answer(Call::Create, second(IntentStatus::RequiresConfirmation));
    world.answer(Call::Confirm, second(IntentStatus::Succeeded));
    world.hear(1);
    let told = world.answer(Call::Retrieve, shows(IntentStatus::Succeeded));
    assert_eq!(told.event, Some(News::Aside { attempt: 1, phase: PaymentPhase::Captured }));
    assert_eq!(phase(&world), PaymentPhase::Captured, "not Pending");
    let told = world.answer(Call::Refund, refused());
    assert_eq!(
        told,
        Telling { event: Some(News::Aside { attempt: 1, phase: PaymentPhase::Failed }), report: true }
    );
    let shown = &world.payment().shown;
    assert_eq!(
        (shown.phase, shown.attempt, shown.reason.as_deref()),
        (PaymentPhase::Captured, 2, Some("refund_refused"))
    );
    assert!(shown.message.as_deref().unwrap().contains("pi_1"), "{shown:?}");
    assert_eq!(shown.reference.as_deref(), Some("pi_2"));
    let (event, aside) = told.event.unwrap().told(world.payment());
    assert_eq!((event, aside.unwrap().0.reason.as_str()), (PaymentPhase::Failed, "refund_refused"));
    world.command(&command(3, Cancelled, 2));
    assert_eq!(phase(&world), PaymentPhase::Failed, "once nothing is to be kept, it counts");
    world.answer(Call::Refund, gave_back("re_1"));
    world.answer(Call::Refund, gave_back("re_2"));
    assert_eq!((phase(&world), refunded(&world)), (PaymentPhase::Refunded, 6360));
}

#[test]
fn a_refused_refund_that_keeps_the_wanted_attempt_from_beginning_is_told_in_its_place() {
    let mut world = undone();
    world.answer(Call::Refund, refused());
    world.command(&command(3, Captured, 2));
    world.answer(Call::Refund, refused());
    assert_eq!((phase(&world), world.step()), (PaymentPhase::Failed, Step::Nothing));
    assert_eq!(world.payment().attempt(2).unwrap().stage, Stage::Planned);
}

#[test]
fn a_further_wish_to_undo_is_open_until_the_provider_answers_and_tells_no_capture_twice() {
    let mut world = undone();
    world.answer(Call::Refund, gives_back("re_1"));
    world.answer(Call::RetrieveRefund, came_back("re_1"));
    assert_eq!(phase(&world), PaymentPhase::Failed);
    let told = world.command(&command(3, Cancelled, 1));
    assert_eq!(
        (phase(&world), told.event),
        (PaymentPhase::Captured, None),
        "refused no more, not given back yet"
    );
    world.answer(Call::Refund, gives_back("re_2"));
    assert_eq!(
        world.answer(Call::RetrieveRefund, came_back("re_2")).event,
        Some(News::Shown),
        "refused once more"
    );
    assert_eq!((phase(&world), world.step()), (PaymentPhase::Failed, Step::Nothing));
}

#[test]
fn a_repeated_wish_is_asked_again_and_stays_refused_meanwhile() {
    let mut world = undone();
    world.answer(Call::Refund, gives_back("re_1"));
    world.answer(Call::RetrieveRefund, came_back("re_1"));
    let known = world.payment().child.clone().unwrap().generation;
    world.command(&command(known, Cancelled, 1));
    assert_eq!(phase(&world), PaymentPhase::Failed);
    assert!(matches!(world.step(), Step::Do(act) if act.call == Call::Refund));
}
