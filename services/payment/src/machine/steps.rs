//! What to do next.

use std::time::Duration;

use jiff::Timestamp;
use resources::PaymentDesired;

use super::refunds::WHILE_REFUNDING;
use super::{Attempt, Payment, Stage};

/// Providers forget idempotency keys after a day: before that, an intent of an old attempt is looked for.
const KEYS_LAST: Duration = Duration::from_secs(23 * 3600);
/// How long "there is none" is believed.
const SEARCH_LASTS: Duration = Duration::from_secs(3600);

/// No wait is longer. A time further ahead was computed by a clock that was wrong, and is now.
const LONGEST_WAIT: Duration = WHILE_REFUNDING.maximum;

fn is_due(next_at: Timestamp, now: Timestamp) -> bool {
    now >= next_at || now.checked_add(LONGEST_WAIT).is_ok_and(|furthest| next_at > furthest)
}

/// What is wanted of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Its money is to be taken.
    Take,
    /// Its money is to be promised.
    Promise,
    /// It is to keep no money and never take any.
    Undo,
}

/// What to do next about an order's money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until something is heard.
    Nothing,
    /// Nothing before this.
    WaitUntil(Timestamp),
    /// Ask this of the provider.
    Do(Act),
}

/// A call about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Act {
    /// The attempt.
    pub attempt: u32,
    /// The call.
    pub call: Call,
}

/// What is asked of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Make an unconfirmed intent.
    Create,
    /// Look for an intent whose id was lost.
    Search,
    /// Charge, or promise.
    Confirm,
    /// Take what was promised.
    Capture,
    /// Make certain that nothing is ever taken.
    Cancel,
    /// Give back what was taken.
    Refund,
    /// Ask by id.
    Retrieve,
    /// Ask by the refund's id.
    RetrieveRefund,
    /// Give a part of what was taken back, by its number.
    RefundPart(u32),
    /// Ask by the id of a part's refund.
    RetrievePart(u32),
    /// Nothing: there is no intent, so that it is void for certain.
    Void,
}

impl Call {
    /// True when it brings money nearer, instead of finding out what is.
    const fn begins(self) -> bool {
        match self {
            Self::Create | Self::Confirm | Self::Capture => true,
            Self::Search
            | Self::Cancel
            | Self::Refund
            | Self::Retrieve
            | Self::RetrieveRefund
            | Self::RefundPart(_)
            | Self::RetrievePart(_)
            | Self::Void => false,
        }
    }

    /// The name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Search => "search",
            Self::Confirm => "confirm",
            Self::Capture => "capture",
            Self::Cancel => "cancel",
            Self::Refund => "refund",
            Self::Retrieve => "retrieve",
            Self::RetrieveRefund => "retrieve_refund",
            Self::RefundPart(_) => "refund_part",
            Self::RetrievePart(_) => "retrieve_part",
            Self::Void => "void",
        }
    }
}

impl Payment {
    /// What is wanted of `attempt`.
    #[must_use]
    pub fn goal(&self, attempt: &Attempt) -> Goal {
        let undone = self.undone_attempt.is_some_and(|undone| attempt.number <= undone);
        if undone || attempt.is_stray() || attempt.number != self.wish.attempt {
            return Goal::Undo;
        }
        match self.wish.desired {
            PaymentDesired::Captured => Goal::Take,
            PaymentDesired::Authorized => Goal::Promise,
            PaymentDesired::Cancelled | PaymentDesired::Refunded => Goal::Undo,
        }
    }
}

/// What to do next. Parts that are to go back come first: what is left is given back after them. Then come attempts to be undone,
/// and the wanted one does not go on until they keep nothing for certain; for strays it does not wait: they are no attempts of
/// the order.
#[must_use]
pub fn next_step(payment: &Payment, now: Timestamp) -> Step {
    let mut wait: Option<Timestamp> = None;
    for part in &payment.partials {
        match part.call() {
            Some(call) if is_due(part.next_at, now) => return Step::Do(Act { attempt: part.attempt, call }),
            Some(_) => wait = Some(wait.map_or(part.next_at, |at| at.min(part.next_at))),
            None => {}
        }
    }
    let mut free = true;
    for attempt in payment.attempts.iter().filter(|attempt| payment.goal(attempt) == Goal::Undo) {
        let call = call_for(attempt, Goal::Undo, now);
        let after_part = call == Some(Call::Refund) && payment.awaits_part(attempt.number);
        match call.filter(|_| !after_part) {
            Some(call) if is_due(attempt.next_at, now) => {
                return Step::Do(Act { attempt: attempt.number, call });
            }
            Some(_) => wait = Some(wait.map_or(attempt.next_at, |at| at.min(attempt.next_at))),
            None => {}
        }
        free &= attempt.is_stray() || (call.is_none() && attempt.is_undone());
    }
    let wanted = payment.attempts.iter().find(|attempt| payment.goal(attempt) != Goal::Undo);
    let next = wanted.and_then(|attempt| Some((attempt, call_for(attempt, payment.goal(attempt), now)?)));
    match next.filter(|(_, call)| free || !call.begins()) {
        Some((attempt, call)) if is_due(attempt.next_at, now) => {
            Step::Do(Act { attempt: attempt.number, call })
        }
        Some((attempt, _)) => Step::WaitUntil(wait.map_or(attempt.next_at, |at| at.min(attempt.next_at))),
        None => wait.map_or(Step::Nothing, Step::WaitUntil),
    }
}

/// The call that brings an attempt nearer to its goal, due at its `next_at`.
fn call_for(attempt: &Attempt, goal: Goal, now: Timestamp) -> Option<Call> {
    let call = call_by_stage(attempt, goal, now)?;
    // News of an intent whose id is not known: it is looked for.
    let unknown = call == Call::Retrieve && attempt.intent.is_none();
    Some(if unknown { Call::Search } else { call })
}

fn call_by_stage(attempt: &Attempt, goal: Goal, now: Timestamp) -> Option<Call> {
    let asked = attempt.asked.is_some();
    // What was never met is asked for by the order id.
    let ask = if attempt.intent.is_some() { Call::Retrieve } else { Call::Search };
    match (goal, attempt.stage) {
        // Money that comes after the end is asked about too.
        (_, Stage::Void) => asked.then_some(ask),
        (_, Stage::Refunding) => Some(Call::RetrieveRefund),
        (_, Stage::Refunded) => (asked && attempt.refund.is_some()).then_some(Call::RetrieveRefund),
        (_, Stage::Unknown | Stage::Checking) => Some(Call::Retrieve),
        (_, Stage::Uncharged) => Some(Call::Cancel),
        (Goal::Take | Goal::Promise, Stage::Planned) => Some(create_or_search(attempt, now)),
        (Goal::Undo, Stage::Planned) if attempt.create_lost || attempt.must_search => {
            Some(create_or_search(attempt, now))
        }
        (Goal::Undo, Stage::Planned) => Some(Call::Void),
        (Goal::Undo, Stage::Created | Stage::ActionRequired | Stage::Authorized) => Some(Call::Cancel),
        (Goal::Undo, Stage::Declined) => {
            Some(if attempt.intent.is_some() { Call::Cancel } else { Call::Void })
        }
        (Goal::Undo, Stage::Captured) => {
            (attempt.refund_refusal.is_none() || attempt.refund_retry).then_some(Call::Refund)
        }
        (Goal::Take | Goal::Promise, Stage::Created) => {
            Some(if asked { Call::Retrieve } else { Call::Confirm })
        }
        (Goal::Take | Goal::Promise, Stage::ActionRequired) => Some(Call::Retrieve),
        (Goal::Take, Stage::Authorized) => Some(if asked { Call::Retrieve } else { Call::Capture }),
        (Goal::Promise, Stage::Authorized) | (Goal::Take | Goal::Promise, Stage::Declined) => {
            asked.then_some(ask)
        }
        (Goal::Take | Goal::Promise, Stage::Captured) => None,
    }
}

/// True once the provider may have forgotten the idempotency keys of what began at that time.
pub(super) fn may_be_forgotten(began: Timestamp, now: Timestamp) -> bool {
    is_older(began, KEYS_LAST, now)
}

fn is_older(at: Timestamp, age: Duration, now: Timestamp) -> bool {
    at.checked_add(age).is_ok_and(|end| now >= end)
}

/// A lost create is repeated under its key. Once the key may be forgotten, or is taken, the intent is looked for first.
fn create_or_search(attempt: &Attempt, now: Timestamp) -> Call {
    let searched = attempt.searched_at.is_some_and(|at| !is_older(at, SEARCH_LASTS, now));
    let old = may_be_forgotten(attempt.planned_at, now);
    if attempt.must_search || (old && !searched) { Call::Search } else { Call::Create }
}
