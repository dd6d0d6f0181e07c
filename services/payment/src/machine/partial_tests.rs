//! Parts of the money that are given back.

use resources::PaymentDesired::{Cancelled, Captured};
use resources::PaymentPhase;

use super::fixtures::{World, command, eur, gave_back, lost, shows};
use super::{Call, Entry, News, Observation, Part, PartError, PartState, Refusal, Stage, Step};
use crate::provider::{IntentStatus, ProviderError, Refund, RefundState};

fn paid() -> World {
    World::after(
        Captured,
        &[
            (Call::Create, shows(IntentStatus::RequiresConfirmation)),
            (Call::Confirm, shows(IntentStatus::Succeeded)),
        ],
    )
}

fn give(world: &mut World, amount: &str, why: &str) -> Result<Part, PartError> {
    let now = world.now;
    world.payment.as_mut().unwrap().give_back_part(eur(amount), "ada@example.com", why, false, now)
}

fn part(id: &str, amount: i64, state: RefundState) -> Observation {
    Observation::Refund(Refund { id: id.into(), amount, state })
}

fn refusal() -> Refusal {
    Refusal::new("do_not_honor", "No.")
}

fn refunded(world: &World) -> i64 {
    world.payment().shown.refunded.minor_units()
}

#[test]
fn a_part_is_given_back_and_the_order_stays_paid() {
    let mut world = paid();
    assert_eq!(give(&mut world, "5.00", "a scratch"), Ok(Part::Number(1)));
    let told = world.answer(Call::RefundPart(1), part("re_1", 500, RefundState::Succeeded));
    assert_eq!(told.event, Some(News::Aside { attempt: 1, phase: PaymentPhase::Refunded }));
    let (_, aside) = told.event.unwrap().told(world.payment());
    assert_eq!(aside.unwrap().0.message, "5.00 EUR of the 31.80 EUR of pi_1 are given back in all.");
    assert_eq!((world.payment().shown.phase, refunded(&world)), (PaymentPhase::Captured, 500));
    assert_eq!((world.step(), world.entries()[2..].to_vec()), (Step::Nothing, vec![Entry::Refunded]));
}

#[test]
fn the_same_amount_and_words_are_the_same_wish_and_more_than_is_left_is_refused() {
    let mut world = paid();
    assert_eq!(give(&mut world, "31.80", "all of it"), Ok(Part::Whole));
    assert_eq!(give(&mut world, "20.00", "a scratch"), Ok(Part::Number(1)));
    assert_eq!(give(&mut world, "20.00", "a scratch"), Ok(Part::Number(1)));
    assert_eq!(give(&mut world, "20.00", "a dent"), Err(PartError::TooMuch(eur("11.80"))));
    world.answer(Call::RefundPart(1), part("re_1", 2000, RefundState::Succeeded));
    assert_eq!(give(&mut world, "11.81", "a dent"), Err(PartError::TooMuch(eur("11.80"))));
    assert_eq!(give(&mut world, "0.00", "nothing"), Err(PartError::TooMuch(eur("11.80"))));
    assert_eq!(give(&mut world, "11.80", "a dent"), Ok(Part::Whole));
    let dollars = "1.00 USD".parse().unwrap();
    let now = world.now;
    let other = world.payment.as_mut().unwrap().give_back_part(dollars, "ada", "dollars", false, now);
    assert_eq!(other, Err(PartError::Currency(eur("1.00").currency())));
    assert_eq!(world.payment().partials.len(), 1);
}

#[test]
fn nothing_is_given_back_of_what_was_not_taken_or_is_undone() {
    let mut world = World::after(Captured, &[(Call::Create, shows(IntentStatus::RequiresConfirmation))]);
    assert_eq!(give(&mut world, "1.00", "early"), Err(PartError::NothingKept));
    let mut world = paid();
    world.command(&command(2, Cancelled, 1));
    assert_eq!(give(&mut world, "1.00", "late"), Err(PartError::Undone));
    assert_eq!(give(&mut world, "31.80", "late"), Err(PartError::Undone), "all of it, by another wish");
    world.answer(Call::Refund, gave_back("re_1"));
    assert_eq!(give(&mut world, "1.00", "late"), Err(PartError::GivenBack));
}

#[test]
fn a_part_whose_answer_is_lost_is_asked_for_again_before_the_rest_goes_back() {
    let mut world = paid();
    give(&mut world, "5.00", "a scratch").unwrap();
    world.answer(Call::RefundPart(1), lost());
    world.command(&command(2, Cancelled, 1));
    assert!(matches!(world.step(), Step::WaitUntil(_)), "the whole refund waits for the part");
    world.answer(Call::RefundPart(1), part("re_1", 500, RefundState::Succeeded));
    world.answer(Call::Refund, gave_back("re_2"));
    assert_eq!((world.payment().shown.phase, refunded(&world)), (PaymentPhase::Refunded, 3180));
    let booked: Vec<i64> = world.ledger[2..].iter().map(|entry| entry.amount.minor_units()).collect();
    assert_eq!(booked, [500, 2680]);
}

#[test]
fn a_refused_part_can_be_asked_for_again_in_the_same_words() {
    let mut world = paid();
    give(&mut world, "5.00", "a scratch").unwrap();
    world.answer(Call::RefundPart(1), ProviderError::Declined { refusal: refusal(), intent: None }.into());
    assert_eq!(give(&mut world, "5.00", "a scratch"), Ok(Part::Number(2)));
}

#[test]
fn news_of_a_part_that_come_while_it_is_asked_about_are_not_lost() {
    let mut world = paid();
    give(&mut world, "5.00", "a scratch").unwrap();
    let act = world.next_act();
    let now = world.now;
    let payment = world.payment.as_mut().unwrap();
    payment.partials[0].asked = Some("evt_1".into());
    super::apply(payment, act, part("re_1", 500, RefundState::Succeeded), None, now);
    world.answer(Call::RetrievePart(1), part("re_1", 500, RefundState::Failed(refusal())));
    assert_eq!(world.payment().part(1).unwrap().state, PartState::Refused);
    assert_eq!(world.step(), Step::Nothing);
}

#[test]
fn a_part_that_is_refused_leaves_the_money_and_says_why() {
    let mut world = paid();
    give(&mut world, "5.00", "a scratch").unwrap();
    world.answer(Call::RefundPart(1), ProviderError::Declined { refusal: refusal(), intent: None }.into());
    let part = world.payment().part(1).unwrap();
    assert_eq!((part.state, part.refusal.clone()), (PartState::Refused, Some(refusal())));
    assert_eq!((refunded(&world), world.step()), (0, Step::Nothing));
    assert_eq!(world.entries()[2..], [Entry::RefundRefused]);
}

#[test]
fn a_part_that_comes_back_is_taken_back_in_the_ledger() {
    let mut world = paid();
    give(&mut world, "5.00", "a scratch").unwrap();
    world.answer(Call::RefundPart(1), part("re_1", 500, RefundState::Pending));
    assert_eq!(refunded(&world), 0, "on its way is not given back");
    world.answer(Call::RetrievePart(1), part("re_1", 500, RefundState::Succeeded));
    assert_eq!(refunded(&world), 500);
    let now = world.now;
    let known = &mut world.payment.as_mut().unwrap().partials[0];
    (known.asked, known.next_at) = (Some("evt_1".into()), now);
    let told = world.answer(Call::RetrievePart(1), part("re_1", 500, RefundState::Failed(refusal())));
    assert_eq!(told.event, Some(News::Aside { attempt: 1, phase: PaymentPhase::Failed }));
    assert_eq!((refunded(&world), world.step()), (0, Step::Nothing));
    assert_eq!(world.entries()[2..], [Entry::RefundPending, Entry::Refunded, Entry::RefundFailed]);
}

#[test]
fn a_part_that_comes_back_after_everything_was_undone_goes_back_with_another_refund() {
    let mut world = paid();
    give(&mut world, "5.00", "a scratch").unwrap();
    world.answer(Call::RefundPart(1), part("re_1", 500, RefundState::Pending));
    world.command(&command(2, Cancelled, 1));
    world.answer(Call::Refund, gave_back("re_2"));
    assert_eq!(refunded(&world), 3180, "the part counts with it");
    world.answer(Call::RetrievePart(1), part("re_1", 500, RefundState::Failed(refusal())));
    assert_eq!((refunded(&world), world.payment().attempts[0].stage), (2680, Stage::Captured));
    world.answer(Call::Refund, part("re_3", 500, RefundState::Succeeded));
    assert_eq!((world.payment().shown.phase, refunded(&world)), (PaymentPhase::Refunded, 3180));
}
