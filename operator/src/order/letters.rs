//! Messages about the order that could not be handled: the order says so, and what to type.

use resources::{ConditionStatus, OrderStatus, condition, find_condition, set_condition};

use super::decide::Situation;
use super::draft::Draft;
use super::plan::{Effect, Step, Tell};
use crate::child::Child;
use crate::dead_letters::DeadLetter;

/// The condition, and the reason of an order that waits for such a message's answer.
pub(crate) const DEAD_LETTERED: &str = "DeadLettered";

/// An order whose own command is among them says so in place of a reason for the time being.
pub(crate) fn with_dead_letters(draft: &Draft<'_>, step: Step) -> Step {
    let Step::Rest(mut rest) = step else { return step };
    let situation = draft.situation;
    let finished = draft.status.phase.is_none_or(resources::OrderPhase::is_finished);
    let waits = !finished && situation.dead_letters.iter().any(|letter| is_of_a_child(letter, situation));
    let free = rest.routine || rest.because.as_ref().is_none_or(|(reason, _)| reason.ends_with("Overdue"));
    if waits && free && draft.status.phase != Some(resources::OrderPhase::Stuck) {
        rest = rest.because(DEAD_LETTERED, message(situation));
    }
    Step::Rest(rest.and(news(draft)))
}

/// True of a command for a child as it is now, that is not answered.
fn is_of_a_child(letter: &DeadLetter, situation: &Situation<'_>) -> bool {
    waits_for(situation.reservation, letter)
        || waits_for(situation.payment, letter)
        || waits_for(situation.shipment, letter)
}

fn waits_for<C: Child>(child: Option<&C>, letter: &DeadLetter) -> bool {
    let Some(child) = child.filter(|child| !child.is_answered()) else { return false };
    let told = child.meta().uid.as_deref().zip(child.meta().generation);
    told.is_some_and(|(uid, generation)| letter.is_of(uid, generation))
}

/// An Event, when there are some and the condition does not tell yet.
fn news(draft: &Draft<'_>) -> Option<Effect> {
    let letters = draft.situation.dead_letters;
    let told = find_condition(&draft.status.conditions, DEAD_LETTERED)
        .is_some_and(|told| told.status == ConditionStatus::True.as_str());
    let reason = DEAD_LETTERED.to_owned();
    let note = || message(draft.situation);
    (!letters.is_empty() && !told).then(|| Effect::Tell(Tell { warning: true, reason, note: note() }))
}

fn message(situation: &Situation<'_>) -> String {
    let letters = situation.dead_letters;
    let Some(last) = letters.last() else { return String::new() };
    let metadata = &situation.order.metadata;
    let name = metadata.name.as_deref().unwrap_or_default();
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let count =
        if letters.len() == 1 { "A message".to_owned() } else { format!("{} messages", letters.len()) };
    let error: String = last.error.chars().take(300).collect();
    format!(
        "{count} about this order could not be handled, the last one by {}: {}. Put right what is wrong, then type: \
         supercargo dead-letters redrive --order {name} -n {namespace}",
        last.consumer,
        error.trim_end_matches('.')
    )
}

/// Sets the condition while there are some, and takes it back afterwards.
pub(crate) fn tell(status: &mut OrderStatus, situation: &Situation<'_>, at: jiff::Timestamp) {
    let generation = situation.order.metadata.generation;
    let known = find_condition(&status.conditions, DEAD_LETTERED);
    let new = match (situation.dead_letters.is_empty(), known) {
        (true, None) => return,
        (true, Some(known)) if known.status == ConditionStatus::False.as_str() => return,
        (true, Some(_)) => {
            let message = "Every message about this order was handled, or dropped by hand.";
            condition(DEAD_LETTERED, ConditionStatus::False, "Settled", message, generation, at)
        }
        (false, _) => {
            let message = message(situation);
            condition(DEAD_LETTERED, ConditionStatus::True, "NotHandled", &message, generation, at)
        }
    };
    set_condition(&mut status.conditions, new);
}
