//! The decision about an order: pure, with time passed in.
//!
//! Starting from the status, the phase's own function says to go on or to rest; going on is repeated until an order rests,
//! so that every transition is named, also those passed while nobody looked. Facts come before wishes: what services have
//! reported is followed first, then a wish to stop; so a decision that is made again after a crash passes the same way.

use std::cell::Cell;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use resources::{
    FINALIZER, HistoryEntry, Order, OrderPhase, OrderStatus, Payment, RepairAction, Shipment,
    StockReservation, find_condition,
};

use super::awaiting_payment::awaiting_payment;
use super::compensating::compensating;
use super::deadline::{settle_timers, with_deadline};
use super::draft::Draft;
use super::finished::finished;
use super::letters::{DEAD_LETTERED, with_dead_letters};
use super::paid::paid;
use super::placed::{placed, unquoted};
use super::plan::{Decision, Effect, Move, Plan, Rest, Step, Transition, Urgency};
use super::quotation::Quotation;
use super::repair::{Judged, judge_next};
use super::reserved::reserved;
use super::shipped::{arrived, shipped};
use super::stuck::stuck;
use super::{report, words};
use crate::announce;
use crate::dead_letters::DeadLetter;
use crate::policy::Policy;

/// No path through the phases, with every request of people, is longer: more would be a defect, and rests instead of
/// running for ever.
const MOST_STEPS: usize = 24;
/// How many transitions the resource tells.
const HISTORY: usize = 20;

/// Everything that a decision rests on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The order as the API server has it.
    pub order: &'a Order,
    /// The order id.
    pub id: &'a str,
    /// The status to go on from: the order's, or a newer one that is announced and not written yet.
    pub status: &'a OrderStatus,
    /// Its reservation.
    pub reservation: Option<&'a StockReservation>,
    /// Its payment.
    pub payment: Option<&'a Payment>,
    /// Its shipment.
    pub shipment: Option<&'a Shipment>,
    /// What catalog, accounts and orders say, once they were asked.
    pub quotation: Option<&'a Quotation>,
    /// Who asks for what is asked of it by annotation, and not judged yet.
    pub askers: &'a [(RepairAction, String)],
    /// The messages about it that could not be handled.
    pub dead_letters: &'a [DeadLetter],
    /// The policy of its namespace.
    pub policy: &'a Policy,
    /// The time.
    pub now: Timestamp,
}

/// What is to be done about an order.
#[must_use]
pub fn decide(situation: &Situation<'_>) -> Decision {
    let mut draft = Draft { situation, status: situation.status.clone(), is_awaited: Cell::new(false) };
    let mut transitions = Vec::new();
    let mut asked = Vec::new();
    settle_timers(&mut draft);
    for _ in 0..MOST_STEPS {
        let step = match draft.status.phase {
            None => unquoted(&mut draft),
            Some(phase) => step_in(phase, &mut draft),
        };
        match with_dead_letters(&draft, with_deadline(&draft, step)) {
            Step::Ask => return Decision::Ask,
            Step::Go(next) => transitions.push(go(&mut draft, next)),
            // Facts come before wishes: people are heard once the order rests.
            Step::Rest(rest) => match judge_next(&mut draft) {
                Some(Judged { next, effects }) => {
                    asked.extend(effects);
                    transitions.extend(next.map(|next| go(&mut draft, next)));
                }
                None => return Decision::Act(Box::new(conclude(draft, transitions, rest.and(asked)))),
            },
        }
    }
    Decision::Act(Box::new(conclude(draft, transitions, Rest::wanting(asked))))
}

/// What `phase` says to do.
pub(crate) fn step_in(phase: OrderPhase, draft: &mut Draft<'_>) -> Step {
    match phase {
        OrderPhase::Placed => placed(draft),
        OrderPhase::Reserved => reserved(draft),
        OrderPhase::AwaitingPayment => awaiting_payment(draft),
        OrderPhase::Paid => paid(draft),
        OrderPhase::Shipped => shipped(draft),
        OrderPhase::Compensating => compensating(draft),
        OrderPhase::Stuck => stuck(draft),
        OrderPhase::Completed | OrderPhase::Rejected | OrderPhase::Failed | OrderPhase::Cancelled => {
            finished(draft, phase)
        }
    }
}

/// Makes the transition in the draft.
fn go(draft: &mut Draft<'_>, next: Move) -> Transition {
    let Move { phase, reason, message, compensation } = next;
    let now = draft.now();
    let message = if phase == OrderPhase::Stuck { draft.with_ways_out(&message) } else { message };
    let status = &mut draft.status;
    status.sequence += 1;
    status.phase = Some(phase);
    status.reason.clone_from(&reason);
    status.message = Some(message.chars().take(1024).collect());
    status.waiting_since = Some(MicroTime(now));
    status.waited_milliseconds = None;
    if compensation.is_some() {
        status.compensation = compensation;
    } else if phase == OrderPhase::Shipped {
        // A refused cancellation is over.
        status.compensation = None;
    }
    status.start_time.get_or_insert(Time(now));
    status.completion_time = phase.is_finished().then_some(Time(now));
    status.history.push(HistoryEntry {
        at: MicroTime(now),
        sequence: status.sequence,
        phase,
        reason: reason.clone(),
    });
    if status.history.len() > HISTORY {
        status.history.remove(0);
    }
    let tell = words::tell(phase, reason.as_deref(), &message);
    Transition { data: announce::transition(draft.situation, &draft.status), tell }
}

fn conclude(mut draft: Draft<'_>, transitions: Vec<Transition>, rest: Rest) -> Plan {
    let Rest { because, routine: _, mut effects, look_again } = rest;
    if let Some((reason, message)) = because {
        effects.extend(words::alarm(&draft, &reason, &message));
        draft.status.reason = Some(reason);
        draft.status.message = Some(message.chars().take(1024).collect());
    } else if let Some(entry) =
        draft.status.history.last().filter(|entry| entry.reason != draft.status.reason)
    {
        // What was said of a rest that is over is not said any more.
        draft.status.reason.clone_from(&entry.reason);
        draft.status.message = Some(words::goes_on(entry.phase).to_owned());
    }
    let situation = draft.situation;
    if draft.timers_stand_still() {
        settle_timers(&mut draft);
    }
    // A time that has passed was judged now.
    let look_again = look_again.filter(|at| *at > situation.now);
    let urgency = urgency(&draft, &transitions);
    let mut status = draft.status;
    report::complete(&mut status, situation);
    let urgency = if urgency == Urgency::Unchanged && Some(&status) != situation.order.status.as_ref() {
        Urgency::Cosmetic
    } else {
        urgency
    };
    let keeps = situation
        .order
        .metadata
        .finalizers
        .as_ref()
        .is_some_and(|all| all.iter().any(|one| one == FINALIZER));
    let goes = effects.contains(&Effect::Archive);
    if !keeps && !goes && situation.order.metadata.deletion_timestamp.is_none() {
        effects.insert(0, Effect::AddFinalizer);
    }
    Plan { transitions, effects, status, urgency, look_again }
}

/// How soon the draft must be in the resource. What people wait for, or must see, is never left out.
fn urgency(draft: &Draft<'_>, transitions: &[Transition]) -> Urgency {
    let written = draft.situation.order.status.as_ref();
    let moved =
        !transitions.is_empty() || written.map_or(0, |status| status.sequence) != draft.status.sequence;
    let soon = if may_be_overtaken(draft) { Urgency::Soon } else { Urgency::Now };
    if moved {
        return soon;
    }
    let answered =
        written.and_then(|status| status.observed_generation) == draft.situation.order.metadata.generation;
    let repaired = written.is_some_and(|status| status.repairs != draft.status.repairs);
    let lettered = |status: &OrderStatus| {
        find_condition(&status.conditions, DEAD_LETTERED)
            .map(|told| told.status == "True")
            .unwrap_or_default()
    };
    let same_reason = written.is_some_and(|status| {
        status.reason == draft.status.reason && lettered(status) != draft.situation.dead_letters.is_empty()
    });
    match (answered && !repaired, same_reason) {
        (true, true) => Urgency::Unchanged,
        (true, false) => soon,
        (false, _) => Urgency::Now,
    }
}

/// True in the phases that a successor may overtake before they are written.
fn may_be_overtaken(draft: &Draft<'_>) -> bool {
    let routine = match draft.status.phase {
        Some(OrderPhase::Placed | OrderPhase::Paid) => true,
        // Once the goods are there the order waits for the stock ledger alone, which waits for this write to be told.
        Some(OrderPhase::Shipped) => arrived(draft).is_none(),
        // A further attempt waits for it to be written.
        Some(OrderPhase::Reserved) => draft.pays_first(),
        Some(
            OrderPhase::AwaitingPayment
            | OrderPhase::Completed
            | OrderPhase::Rejected
            | OrderPhase::Failed
            | OrderPhase::Cancelled
            | OrderPhase::Compensating
            | OrderPhase::Stuck,
        )
        | None => false,
    };
    // That nobody knows whether money was taken is to be seen, however soon it is known.
    let unknown = draft.status.reason.as_deref() == Some("PaymentUnknown");
    routine && !unknown && !draft.is_suspended() && !draft.is_awaited.get()
}
