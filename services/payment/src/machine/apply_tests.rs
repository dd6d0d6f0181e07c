//! What answers mean, row by row of the table.

use std::time::Duration;

use resources::PaymentDesired::{Authorized, Cancelled, Captured};
use resources::PaymentPhase;

use super::fixtures::{World, command, gave_back, intent, interrupted, lost, shows, unavailable};
use super::{Call, Entry, News, Observation, Refusal, Stage, Step, Telling};
use crate::provider::{Intent, IntentStatus, ProviderError};

const CREATED: (Call, IntentStatus) = (Call::Create, IntentStatus::RequiresConfirmation);

fn created(desired: resources::PaymentDesired) -> World {
    World::after(desired, &[(CREATED.0, shows(CREATED.1))])
}

fn declined(intent: Option<Intent>) -> Observation {
    let refusal = Refusal::new("insufficient_funds", "Your card has insufficient funds.");
    ProviderError::Declined { refusal, intent: intent.map(Box::new) }.into()
}

fn refused(reason: &str, intent: Option<Intent>) -> Observation {
    let refusal = Refusal::new(reason, "No.");
    ProviderError::Refused { refusal, intent: intent.map(Box::new) }.into()
}

fn phase(world: &World) -> PaymentPhase {
    world.payment().shown.phase
}

fn reason(world: &World) -> Option<&str> {
    world.payment().shown.reason.as_deref()
}

#[test]
fn a_charge_is_an_intent_made_then_confirmed() {
    let mut world = created(Captured);
    world.answer(Call::Confirm, shows(IntentStatus::Succeeded));
    assert_eq!(world.entries(), [Entry::IntentCreated, Entry::Captured]);
    assert_eq!(world.ledger[1].round, Some(0));
    assert_eq!(world.payment().shown.reference.as_deref(), Some("pi_1"));
    assert_eq!(world.step(), Step::Nothing);
}

#[test]
fn a_promise_is_captured_when_it_is_wished() {
    let mut world = created(Authorized);
    world.answer(Call::Confirm, shows(IntentStatus::RequiresCapture));
    assert_eq!((phase(&world), world.step()), (PaymentPhase::Authorized, Step::Nothing));
    world.command(&command(2, Captured, 1));
    world.answer(Call::Capture, shows(IntentStatus::Succeeded));
    assert_eq!(world.entries(), [Entry::IntentCreated, Entry::Authorized, Entry::Captured]);
}

#[test]
fn a_promise_that_cannot_be_captured_is_a_decline_and_is_let_go_when_undone() {
    let mut world = created(Authorized);
    world.answer(Call::Confirm, shows(IntentStatus::RequiresCapture));
    world.command(&command(2, Captured, 1));
    world.answer(
        Call::Capture,
        refused("charge_expired_for_capture", Some(intent(IntentStatus::RequiresCapture))),
    );
    assert_eq!((phase(&world), world.step()), (PaymentPhase::Declined, Step::Nothing));
    world.command(&command(3, Cancelled, 1));
    world.answer(Call::Cancel, shows(IntentStatus::Canceled));
    assert_eq!(phase(&world), PaymentPhase::Voided);
}

#[test]
fn a_decline_says_why_and_is_at_rest() {
    let mut world = created(Captured);
    let mut inside = intent(IntentStatus::RequiresPaymentMethod);
    inside.refusal = Some(Refusal::new("insufficient_funds", "Your card has insufficient funds."));
    world.answer(Call::Confirm, declined(Some(inside)));
    assert_eq!((phase(&world), reason(&world)), (PaymentPhase::Declined, Some("insufficient_funds")));
    assert_eq!(world.step(), Step::Nothing);
    let mut world = created(Captured);
    world.answer(Call::Confirm, declined(None));
    assert_eq!((phase(&world), reason(&world)), (PaymentPhase::Declined, Some("insufficient_funds")));
    let mut world = World::after(Captured, &[(Call::Create, refused("resource_missing", None))]);
    assert_eq!((phase(&world), reason(&world)), (PaymentPhase::Declined, Some("resource_missing")));
    world.command(&command(2, Cancelled, 1));
    world.answer(Call::Void, Observation::NoIntent);
    assert_eq!(phase(&world), PaymentPhase::Voided);
}

#[test]
fn an_outage_is_waited_out_and_never_called_a_decline() {
    let mut world = World::after(Captured, &[(Call::Create, unavailable())]);
    assert_eq!(world.waits(), Duration::from_millis(500));
    for _ in 0..30 {
        world.answer(Call::Create, interrupted());
        assert_eq!(phase(&world), PaymentPhase::Pending);
    }
    assert_eq!(world.waits(), Duration::from_secs(60));
    world.answer(Call::Create, shows(IntentStatus::RequiresConfirmation));
    world.answer(Call::Confirm, unavailable());
    world.answer(Call::Confirm, shows(IntentStatus::Succeeded));
    assert_eq!((phase(&world), reason(&world)), (PaymentPhase::Captured, None));
}

#[test]
fn after_a_5xx_on_the_confirmation_the_provider_is_asked_before_it_is_repeated() {
    let mut world = created(Captured);
    world.answer(Call::Confirm, interrupted());
    world.answer(Call::Retrieve, interrupted());
    world.answer(Call::Retrieve, shows(IntentStatus::RequiresConfirmation));
    assert_eq!(phase(&world), PaymentPhase::Pending);
    let waited = world.waits();
    world.answer(Call::Confirm, interrupted());
    world.answer(Call::Retrieve, shows(IntentStatus::RequiresConfirmation));
    assert!(world.waits() > waited, "it is no progress");
    world.answer(Call::Confirm, interrupted());
    world.answer(Call::Retrieve, shows(IntentStatus::Succeeded));
    assert_eq!(world.entries(), [Entry::IntentCreated, Entry::Captured]);
}

#[test]
fn a_lost_answer_is_unknown_and_asked_for_until_it_is_known() {
    let mut world = created(Captured);
    assert_eq!(world.answer(Call::Confirm, lost()), Telling { event: Some(News::Shown), report: true });
    assert_eq!((phase(&world), reason(&world)), (PaymentPhase::Unknown, Some("no_answer")));
    assert_eq!(world.waits(), Duration::from_secs(2), "long enough to be seen");
    world.answer(Call::Retrieve, lost());
    world.answer(Call::Retrieve, shows(IntentStatus::Processing));
    assert_eq!((phase(&world), reason(&world)), (PaymentPhase::Unknown, Some("processing")));
    world.answer(Call::Retrieve, shows(IntentStatus::Succeeded));
    assert_eq!(world.entries(), [Entry::IntentCreated, Entry::Unknown, Entry::Captured]);
}

#[test]
fn a_confirmation_that_never_arrived_is_cancelled_before_it_is_called_declined() {
    let mut world = created(Captured);
    world.answer(Call::Confirm, lost());
    world.answer(Call::Retrieve, shows(IntentStatus::RequiresConfirmation));
    assert_eq!(phase(&world), PaymentPhase::Unknown, "it may still arrive");
    world.answer(Call::Cancel, lost());
    world.answer(Call::Cancel, shows(IntentStatus::Canceled));
    assert_eq!((phase(&world), reason(&world)), (PaymentPhase::Declined, Some("not_charged")));
    assert_eq!(world.step(), Step::Nothing);
}

#[test]
fn a_confirmation_that_arrives_before_the_cancel_counts() {
    let mut world = created(Captured);
    world.answer(Call::Confirm, lost());
    world.answer(Call::Retrieve, shows(IntentStatus::RequiresConfirmation));
    world.answer(
        Call::Cancel,
        refused("payment_intent_unexpected_state", Some(intent(IntentStatus::Succeeded))),
    );
    assert_eq!((phase(&world), reason(&world)), (PaymentPhase::Captured, None));
}

#[test]
fn a_lost_create_is_repeated_and_looked_for_when_undone() {
    let mut world = World::after(Captured, &[(Call::Create, lost())]);
    assert_eq!(phase(&world), PaymentPhase::Pending, "an unconfirmed intent takes no money");
    world.command(&command(2, Cancelled, 1));
    world.answer(Call::Create, shows(IntentStatus::RequiresConfirmation));
    world.answer(Call::Cancel, shows(IntentStatus::Canceled));
    assert_eq!(phase(&world), PaymentPhase::Voided);
}

#[test]
fn a_wait_that_a_clock_ahead_has_begun_is_over_when_the_clock_is_set_back() {
    let mut world = World::after(Captured, &[(Call::Create, unavailable())]);
    let Step::WaitUntil(next) = world.step() else { panic!("{:?}", world.step()) };
    for (hours, waits) in [(1, true), (2, false)] {
        world.now = next.checked_sub(Duration::from_secs(hours * 3600)).unwrap();
        assert_eq!(matches!(world.step(), Step::WaitUntil(_)), waits, "{hours} h before");
    }
}

#[test]
fn once_the_key_may_be_forgotten_the_intent_is_looked_for_first() {
    let mut world = World::after(Captured, &[(Call::Create, lost())]);
    world.now = world.now.checked_add(Duration::from_secs(24 * 3600)).unwrap();
    world.answer(Call::Search, Observation::NoIntent);
    world.answer(Call::Create, unavailable());
    world.answer(Call::Create, unavailable());
    world.now = world.now.checked_add(Duration::from_secs(2 * 3600)).unwrap();
    world.answer(Call::Search, shows(IntentStatus::RequiresConfirmation));
    assert_eq!(world.next_act().call, Call::Confirm);
}

#[test]
fn a_key_that_is_taken_leads_to_the_intent_that_has_it() {
    let mut world = World::after(Captured, &[(Call::Create, ProviderError::KeyTaken("used".into()).into())]);
    world.answer(Call::Search, shows(IntentStatus::Succeeded));
    assert_eq!(phase(&world), PaymentPhase::Captured);
    let mut other = intent(IntentStatus::RequiresConfirmation);
    other.amount = super::fixtures::eur("1.00");
    let mut world = World::after(Captured, &[(Call::Create, Observation::Intent(other))]);
    assert_eq!(reason(&world), Some("amount_mismatch"), "another amount is never confirmed");
    world.command(&command(2, Cancelled, 1));
    assert_eq!(world.next_act().call, Call::Cancel);
}

#[test]
fn the_customer_acts_and_the_provider_is_asked_now_and_then() {
    let mut world = created(Captured);
    let mut waiting = intent(IntentStatus::RequiresAction);
    waiting.action_url = Some("https://bank.example/1".into());
    world.answer(Call::Confirm, Observation::Intent(waiting.clone()));
    assert_eq!(phase(&world), PaymentPhase::ActionRequired);
    assert_eq!(world.payment().shown.action_url.as_deref(), Some("https://bank.example/1"));
    assert_eq!(world.waits(), Duration::from_secs(30));
    let revision = world.payment().revision;
    for _ in 0..10 {
        world.answer(Call::Retrieve, Observation::Intent(waiting.clone()));
    }
    assert_eq!(world.waits(), Duration::from_secs(600));
    assert_eq!(world.payment().revision, revision, "nothing new, nothing told");
    world.answer(Call::Retrieve, shows(IntentStatus::Succeeded));
    assert_eq!(phase(&world), PaymentPhase::Captured);
    assert_eq!(world.payment().shown.action_url, None);
}

#[test]
fn undoing_what_waits_for_the_customer_does_not_wait() {
    let mut world = created(Captured);
    world.answer(Call::Confirm, shows(IntentStatus::RequiresAction));
    let before = world.now;
    world.command(&command(2, Cancelled, 1));
    world.answer(Call::Cancel, shows(IntentStatus::Canceled));
    assert_eq!((phase(&world), world.now), (PaymentPhase::Voided, before));
}

#[test]
fn an_unknown_payment_is_undone_only_once_it_is_known() {
    let mut world = created(Captured);
    world.answer(Call::Confirm, lost());
    world.command(&command(2, Cancelled, 1));
    world.answer(Call::Retrieve, shows(IntentStatus::Processing));
    assert_eq!(phase(&world), PaymentPhase::Unknown);
    let told = world.answer(Call::Retrieve, shows(IntentStatus::Succeeded));
    assert!(told.event.is_some(), "the ledger took it, so it is told");
    world.answer(Call::Refund, gave_back("re_1"));
    assert_eq!(phase(&world), PaymentPhase::Refunded);
    assert_eq!(world.entries(), [Entry::IntentCreated, Entry::Unknown, Entry::Captured, Entry::Refunded]);
}

#[test]
fn a_refund_that_is_refused_is_a_failure_until_it_is_asked_for_again() {
    let mut world = created(Captured);
    world.answer(Call::Confirm, shows(IntentStatus::Succeeded));
    world.command(&command(2, Cancelled, 1));
    world.answer(Call::Refund, unavailable());
    world.answer(Call::Refund, declined(None));
    assert_eq!((phase(&world), reason(&world)), (PaymentPhase::Failed, Some("refund_refused")));
    assert_eq!(world.step(), Step::Nothing, "a person is needed");
    let told = world.command(&command(2, Cancelled, 1));
    assert_eq!(told, Telling { event: None, report: true });
    assert_eq!(phase(&world), PaymentPhase::Failed);
    world.answer(Call::Refund, declined(None));
    assert_eq!(world.payment().attempts[0].refund_refusals, 2);
    world.command(&command(3, Cancelled, 1));
    world.answer(Call::Refund, gave_back("re_by_hand"));
    assert_eq!(phase(&world), PaymentPhase::Refunded);
    let refunded = world.ledger.last().unwrap();
    assert_eq!((refunded.entry, refunded.amount), (Entry::Refunded, super::fixtures::eur("31.80")));
}

#[test]
fn a_second_capture_is_booked_as_such_and_given_back_at_once() {
    let mut world = created(Captured);
    world.answer(Call::Confirm, shows(IntentStatus::RequiresAction));
    world.command(&command(2, Captured, 2));
    world.answer(Call::Cancel, shows(IntentStatus::Canceled));
    let second = |status| Observation::Intent(Intent { id: "pi_2".into(), ..intent(status) });
    world.answer(Call::Create, second(IntentStatus::RequiresConfirmation));
    world.answer(Call::Confirm, second(IntentStatus::Succeeded));
    world.payment.as_mut().unwrap().attempts[0].asked = Some("evt_1".into());
    world.answer(Call::Retrieve, shows(IntentStatus::Succeeded));
    let booked = world.ledger.last().unwrap();
    assert_eq!((booked.entry, booked.event_id.as_deref()), (Entry::CapturedAgain, Some("evt_1")));
    world.answer(Call::Refund, gave_back("re_1"));
    let shown = &world.payment().shown;
    assert_eq!(shown.phase, PaymentPhase::Captured);
    assert_eq!((shown.captured.minor_units(), shown.refunded.minor_units()), (6360, 3180));
    assert_eq!(world.step(), Step::Nothing);
}

#[test]
fn news_that_come_while_the_provider_is_asked_are_asked_about_again() {
    let mut world = created(Captured);
    world.answer(Call::Confirm, shows(IntentStatus::RequiresAction));
    let act = world.next_act();
    let payment = world.payment.as_mut().unwrap();
    payment.attempts[0].asked = Some("evt_1".into());
    super::apply(payment, act, shows(IntentStatus::RequiresAction), None, world.now);
    assert_eq!(payment.attempts[0].asked.as_deref(), Some("evt_1"));
    world.answer(Call::Retrieve, shows(IntentStatus::Succeeded));
    assert_eq!(world.payment().attempts[0].asked, None);
    assert_eq!(world.ledger.last().unwrap().event_id.as_deref(), Some("evt_1"));
}

#[test]
fn news_of_an_intent_that_is_not_known_are_looked_for_once() {
    let mut world = World::after(Captured, &[(Call::Create, refused("resource_missing", None))]);
    world.payment.as_mut().unwrap().attempts[0].asked = Some("evt_1".into());
    world.answer(Call::Search, Observation::NoIntent);
    assert_eq!((phase(&world), world.step()), (PaymentPhase::Declined, Step::Nothing));
    world.payment.as_mut().unwrap().attempts[0].asked = Some("evt_2".into());
    world.answer(Call::Search, shows(IntentStatus::Succeeded));
    assert_eq!(phase(&world), PaymentPhase::Captured);
}

#[test]
fn a_lost_capture_that_did_not_happen_is_made_again_a_little_later() {
    let mut world = created(Authorized);
    world.answer(Call::Confirm, shows(IntentStatus::RequiresCapture));
    world.command(&command(2, Captured, 1));
    world.answer(Call::Capture, lost());
    assert_eq!(phase(&world), PaymentPhase::Unknown);
    world.answer(Call::Retrieve, shows(IntentStatus::RequiresCapture));
    assert_eq!(phase(&world), PaymentPhase::Authorized);
    assert!(world.waits() > Duration::ZERO);
    world.answer(Call::Capture, shows(IntentStatus::Succeeded));
    assert_eq!(phase(&world), PaymentPhase::Captured);
}

#[test]
fn every_stage_is_read_as_it_was_written() {
    for stage in Stage::ALL {
        assert_eq!(Stage::parse(stage.as_str()), Some(stage));
    }
    assert_eq!(Stage::parse("lent"), None);
}
