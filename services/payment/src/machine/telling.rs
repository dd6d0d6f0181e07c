//! What must be told of a change.

use jiff::Timestamp;
use resources::PaymentPhase;

use super::summary::summarize;
use super::words::{charged_again, given_back, refund_refused};
use super::{Attempt, Payment, Refusal, Step, Summary, next_step};

/// What must be told of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Telling {
    /// An event.
    pub event: Option<News>,
    /// A report to the resource.
    pub report: bool,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// What is shown.
    Shown,
    /// Money of this attempt moved, or was refused to, while the phase that is shown stays what it was.
    Aside {
        /// The attempt.
        attempt: u32,
        /// Captured, Refunded, or Failed.
        phase: PaymentPhase,
    },
}

/// Shows the state after a change, numbers it, and says what must be told.
///
/// A status write costs, so that `Pending` is reported only when the command is repeated (`answer`), and a new generation
/// alone only once nothing is left to be done about it: until then, the outcome will answer it.
pub fn settle(payment: &mut Payment, before: Option<&Payment>, answer: bool, now: Timestamp) -> Telling {
    let summary = summarize(payment);
    let known = before.filter(|before| before.revision > 0);
    let changed = known.is_none_or(|before| before.shown != summary);
    let same_child = known.is_some_and(|before| before.child == payment.child);
    let pending = summary.phase == PaymentPhase::Pending;
    let event = news(known, payment, &summary);
    payment.shown = summary;
    if changed || !same_child || event.is_some() {
        payment.revision += 1;
    }
    let at_rest = match next_step(payment, now) {
        Step::Nothing | Step::WaitUntil(_) => true,
        Step::Do(_) => false,
    };
    let untold = payment.told_revision != payment.revision;
    let report = payment.child.is_some() && (answer || (!pending && untold && (changed || at_rest)));
    if report {
        payment.told_revision = payment.revision;
    }
    Telling { event, report }
}

/// Another phase, or the same of another attempt, is told; so is money that moves meanwhile.
fn news(known: Option<&Payment>, payment: &Payment, shown: &Summary) -> Option<News> {
    let event = (shown.phase != PaymentPhase::Pending).then_some(News::Shown);
    let Some(before) = known else { return event };
    let asked_again = (before.shown.phase, shown.phase) == (PaymentPhase::Failed, PaymentPhase::Captured);
    let event = event.filter(|_| !asked_again);
    if (before.shown.phase, before.shown.attempt) != (shown.phase, shown.attempt) && event.is_some() {
        return event;
    }
    payment.attempts.iter().find_map(|attempt| {
        let phase = moved(before.attempt(attempt.number), attempt)?;
        // A person is told of it by the phase.
        let told = phase == PaymentPhase::Failed && shown.phase == PaymentPhase::Failed;
        (!told).then_some(News::Aside { attempt: attempt.number, phase })
    })
}

fn moved(before: Option<&Attempt>, attempt: &Attempt) -> Option<PaymentPhase> {
    let (captured, refunded, refused) = before
        .map_or((0, 0, false), |before| (before.captured, before.refunded, before.refund_refusal.is_some()));
    if attempt.refunded < refunded || (attempt.refund_refusal.is_some() && !refused) {
        Some(PaymentPhase::Failed)
    } else if attempt.refunded > refunded {
        Some(PaymentPhase::Refunded)
    } else if attempt.captured > captured {
        Some(PaymentPhase::Captured)
    } else {
        None
    }
}

impl News {
    /// The phase that the event is of, and, of what is not shown, its words and the attempt.
    #[must_use]
    pub fn told(self, payment: &Payment) -> (PaymentPhase, Option<(Refusal, &Attempt)>) {
        let Self::Aside { attempt, phase } = self else { return (payment.shown.phase, None) };
        let aside = payment.attempt(attempt).map(|attempt| {
            let words = match phase {
                PaymentPhase::Refunded => given_back(attempt),
                PaymentPhase::Failed => refund_refused(attempt),
                PaymentPhase::Pending
                | PaymentPhase::Authorized
                | PaymentPhase::Captured
                | PaymentPhase::ActionRequired
                | PaymentPhase::Declined
                | PaymentPhase::Unknown
                | PaymentPhase::Voided => charged_again(attempt),
            };
            (words, attempt)
        });
        (phase, aside)
    }
}
