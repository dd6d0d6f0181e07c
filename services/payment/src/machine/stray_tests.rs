//! Charges that nobody asked for: given back, whatever becomes of the order's own.

use resources::PaymentDesired::{Authorized, Cancelled, Captured};
use resources::PaymentPhase;

use super::fixtures::{World, command, eur, gave_back, intent, shows};
use super::{Call, Entry, FIRST_STRAY, Goal, News, Observation, Refusal, Stage, Step, Telling};
use crate::provider::{Intent, IntentStatus, Keys, ProviderError};

const CAPTURED: Option<News> = Some(News::Aside { attempt: FIRST_STRAY, phase: PaymentPhase::Captured });
const REFUNDED: Option<News> = Some(News::Aside { attempt: FIRST_STRAY, phase: PaymentPhase::Refunded });

fn stray(status: IntentStatus) -> Observation {
    let received = if status == IntentStatus::Succeeded { 500 } else { 0 };
    Observation::Intent(Intent { id: "pi_9".into(), amount: eur("5.00"), received, ..intent(status) })
}

fn captured() -> World {
    World::after(
        Captured,
        &[
            (Call::Create, shows(IntentStatus::RequiresConfirmation)),
            (Call::Confirm, shows(IntentStatus::Succeeded)),
        ],
    )
}

fn money(world: &World) -> (PaymentPhase, i64, i64) {
    let shown = &world.payment().shown;
    (shown.phase, shown.captured.minor_units(), shown.refunded.minor_units())
}

#[test]
fn a_second_charge_of_a_paid_order_goes_back_and_the_first_one_stays() {
    let mut world = captured();
    world.hear_of("pi_9");
    assert_eq!(world.next_act().attempt, FIRST_STRAY);
    assert_eq!(
        world.answer(Call::Retrieve, stray(IntentStatus::Succeeded)),
        Telling { event: CAPTURED, report: true }
    );
    assert_eq!(money(&world), (PaymentPhase::Captured, 3680, 0));
    assert_eq!(world.payment().shown.reason.as_deref(), Some("charged_again"));
    assert_eq!(world.answer(Call::Refund, gave_back("re_9")), Telling { event: REFUNDED, report: true });
    assert_eq!(money(&world), (PaymentPhase::Captured, 3680, 500));
    let shown = &world.payment().shown;
    assert_eq!((shown.attempt, shown.reference.as_deref(), shown.reason.as_deref()), (1, Some("pi_1"), None));
    assert_eq!(world.entries()[2..], [Entry::CapturedAgain, Entry::Refunded]);
    assert_eq!(world.ledger[2].event_id.as_deref(), Some("evt_1"));
    assert_eq!(world.step(), Step::Nothing);
}

#[test]
fn a_charge_after_the_end_goes_back_at_once_and_is_told() {
    let mut world = World::new();
    world.command(&command(1, Cancelled, 100_000));
    assert_eq!(money(&world).0, PaymentPhase::Voided);
    world.hear_of("pi_9");
    assert_eq!(world.answer(Call::Retrieve, stray(IntentStatus::Succeeded)).event, Some(News::Shown));
    assert_eq!(money(&world), (PaymentPhase::Captured, 500, 0));
    assert_eq!(world.answer(Call::Refund, gave_back("re_9")).event, Some(News::Shown));
    assert_eq!(money(&world), (PaymentPhase::Refunded, 500, 500));
    assert_eq!(world.payment().shown.attempt, 100_000, "the attempt that was named");
}

#[test]
fn a_stray_that_cannot_be_given_back_leaves_the_paid_order_paid_and_is_told() {
    let mut world = captured();
    world.hear_of("pi_9");
    world.answer(Call::Retrieve, stray(IntentStatus::Succeeded));
    let refusal = Refusal::new("do_not_honor", "No.");
    let told = world.answer(Call::Refund, ProviderError::Declined { refusal, intent: None }.into());
    assert_eq!(told.event, Some(News::Aside { attempt: FIRST_STRAY, phase: PaymentPhase::Failed }));
    assert_eq!(money(&world), (PaymentPhase::Captured, 3680, 0));
    assert_eq!(world.payment().shown.reason.as_deref(), Some("refund_refused"));
    world.command(&command(1, Captured, 1));
    world.answer(Call::Refund, gave_back("re_9"));
    assert_eq!(money(&world), (PaymentPhase::Captured, 3680, 500));
}

#[test]
fn a_promise_that_nobody_asked_for_is_let_go_and_an_empty_one_is_left_behind() {
    for status in
        [IntentStatus::RequiresCapture, IntentStatus::RequiresAction, IntentStatus::RequiresConfirmation]
    {
        let mut world = captured();
        let revision = world.payment().revision;
        world.hear_of("pi_9");
        world.answer(Call::Retrieve, stray(status));
        world.answer(Call::Cancel, stray(IntentStatus::Canceled));
        assert_eq!(world.payment().attempts[1].stage, Stage::Void);
        assert_eq!(world.payment().revision, revision, "nothing moved, nothing is told");
    }
}

#[test]
fn the_wanted_attempt_does_not_wait_for_a_stray() {
    let mut world = World::after(Captured, &[]);
    world.hear_of("pi_9");
    world.answer(Call::Retrieve, ProviderError::Unavailable("429".into()).into());
    assert_eq!(world.next_act().attempt, 1);
    world.answer(Call::Create, shows(IntentStatus::RequiresConfirmation));
    world.answer(Call::Confirm, shows(IntentStatus::Succeeded));
    assert_eq!(world.ledger.last().unwrap().entry, Entry::Captured);
    world.answer(Call::Retrieve, stray(IntentStatus::Succeeded));
    world.answer(Call::Refund, gave_back("re_9"));
    assert_eq!(money(&world), (PaymentPhase::Captured, 3680, 500));
}

#[test]
fn strays_are_numbered_beyond_all_attempts_and_never_wanted() {
    let mut world = World::after(Authorized, &[]);
    world.hear_of("pi_8");
    world.hear_of("pi_9");
    world.hear_of("pi_9");
    let numbers: Vec<u32> = world.payment().attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [1, FIRST_STRAY, FIRST_STRAY + 1]);
    assert_eq!(world.payment().goal(&world.payment().attempts[2]), Goal::Undo);
    world.command(&command(2, Cancelled, 1));
    assert_eq!(world.payment().undone_attempt, Some(1), "strays do not count");
    world.command(&command(3, Captured, 2));
    assert!(world.payment().attempt(2).is_some());
    let keys = Keys { order_id: "o-1", attempt: FIRST_STRAY };
    assert_eq!(keys.refund(0), "o-1/1000000/refund");
}

#[test]
fn a_charge_of_another_amount_that_a_search_finds_is_none_of_the_attempts() {
    let lost = ProviderError::KeyTaken("used".into()).into();
    let mut world = World::after(Captured, &[(Call::Create, lost)]);
    let Observation::Intent(other) = stray(IntentStatus::Succeeded) else { unreachable!() };
    world.answer(Call::Search, Observation::Found(vec![other]));
    assert_eq!(world.payment().attempts[0].intent, None);
    world.answer(Call::Retrieve, stray(IntentStatus::Succeeded));
    world.answer(Call::Refund, gave_back("re_9"));
    assert_eq!(world.next_act().call, Call::Create);
}

#[test]
fn of_two_charges_that_a_search_finds_one_is_the_attempts_and_the_other_goes_back() {
    let lost = ProviderError::KeyTaken("used".into()).into();
    let mut world = World::after(Captured, &[(Call::Create, lost)]);
    let twin = Intent { id: "pi_2".into(), ..intent(IntentStatus::Succeeded) };
    world.answer(Call::Search, Observation::Found(vec![twin.clone(), intent(IntentStatus::Succeeded)]));
    assert_eq!(world.payment().attempts[0].intent.as_deref(), Some("pi_1"));
    world.answer(Call::Retrieve, Observation::Intent(twin));
    world.answer(Call::Refund, gave_back("re_2"));
    assert_eq!(money(&world), (PaymentPhase::Captured, 6360, 3180));
}

#[test]
fn a_stray_of_another_currency_is_given_back_and_adds_up_in_the_ledger_alone() {
    let mut world = captured();
    world.hear_of("pi_9");
    let amount = "5.00 USD".parse().unwrap();
    let dollars = Intent { id: "pi_9".into(), amount, received: 500, ..intent(IntentStatus::Succeeded) };
    assert_eq!(world.answer(Call::Retrieve, Observation::Intent(dollars)).event, CAPTURED);
    assert_eq!(world.answer(Call::Refund, gave_back("re_9")).event, REFUNDED);
    assert_eq!(money(&world), (PaymentPhase::Captured, 3180, 0));
    assert_eq!(world.ledger.last().unwrap().amount, amount);
}
