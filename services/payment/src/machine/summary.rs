//! What is shown of an order's money, and what must be told of a change.

use jiff::Timestamp;
use money::Money;
use resources::PaymentPhase;

use super::{Attempt, Goal, Payment, Refusal, Stage, Step, next_step};

/// What is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// What has come true.
    pub phase: PaymentPhase,
    /// The attempt that the phase is of.
    pub attempt: u32,
    /// How much was taken, over all attempts.
    pub captured: Money,
    /// How much of it was given back.
    pub refunded: Money,
    /// One word for machines.
    pub reason: Option<String>,
    /// A sentence for people.
    pub message: Option<String>,
    /// The provider's id.
    pub reference: Option<String>,
    /// Where the customer confirms.
    pub action_url: Option<String>,
}

impl Summary {
    /// A phase of which nothing else is known.
    #[must_use]
    pub fn of_phase(phase: PaymentPhase, attempt: u32, amount: Money) -> Self {
        let nothing = Money::zero(amount.currency());
        Self {
            phase,
            attempt,
            captured: nothing,
            refunded: nothing,
            reason: None,
            message: None,
            reference: None,
            action_url: None,
        }
    }

    fn because(mut self, refusal: Option<&Refusal>) -> Self {
        self.reason = refusal.map(|refusal| refusal.reason.clone());
        self.message = refusal.map(|refusal| refusal.message.clone());
        self
    }

    /// True when the other is the same event: told twice, it would be a second one of the same.
    fn same_event(&self, other: &Self) -> bool {
        let key = |summary: &Self| (summary.phase, summary.attempt, summary.captured, summary.refunded);
        key(self) == key(other)
    }
}

/// What must be told of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Telling {
    /// An event, of the phase.
    pub event: bool,
    /// A report to the resource.
    pub report: bool,
}

/// Shows the state after a change, numbers it, and says what must be told.
///
/// A status write costs, so that `Pending` is reported only when the command is repeated (`answer`), and a new generation
/// alone only once nothing is left to be done about it: until then, the outcome will answer it.
pub fn settle(payment: &mut Payment, before: Option<&Payment>, answer: bool, now: Timestamp) -> Telling {
    let summary = summarize(payment);
    let known = before.filter(|before| before.revision > 0);
    let changed = known.is_none_or(|before| before.shown != summary);
    let same_event = known.is_some_and(|before| before.shown.same_event(&summary));
    let same_child = known.is_some_and(|before| before.child == payment.child);
    let pending = summary.phase == PaymentPhase::Pending;
    payment.shown = summary;
    if changed || !same_child {
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
    Telling { event: !pending && !same_event, report }
}

/// What is to be shown of the present state.
fn summarize(payment: &Payment) -> Summary {
    let refused = payment
        .attempts
        .iter()
        .find(|attempt| attempt.stage == Stage::Captured && attempt.refund_refusal.is_some());
    let mut summary = match refused.filter(|attempt| payment.goal(attempt) == Goal::Undo) {
        Some(attempt) => failed(payment, attempt),
        None if payment.wish.is_undo() => undoing(payment),
        None => wanting(payment),
    };
    summary.captured = payment.captured();
    summary.refunded = payment.refunded();
    summary
}

fn of(payment: &Payment, phase: PaymentPhase) -> Summary {
    Summary::of_phase(phase, payment.wish.attempt, payment.wish.amount)
}

fn failed(payment: &Payment, attempt: &Attempt) -> Summary {
    let words = attempt.refund_refusal.as_ref().map_or("", |refusal| refusal.message.as_str());
    let intent = attempt.intent.as_deref().unwrap_or("unknown");
    let message = format!(
        "The provider refuses to give the money of {intent} back: {words} Give it back by hand, or have it tried again."
    );
    let mut summary =
        of(payment, PaymentPhase::Failed).because(Some(&Refusal::new("refund_refused", &message)));
    summary.reference.clone_from(&attempt.intent);
    summary
}

fn undoing(payment: &Payment) -> Summary {
    if payment.keeps_nothing() {
        let refunded = payment.attempts.iter().rev().find(|attempt| attempt.stage == Stage::Refunded);
        let phase = if refunded.is_some() { PaymentPhase::Refunded } else { PaymentPhase::Voided };
        let mut summary = of(payment, phase);
        summary.reference = refunded.or(payment.attempts.last()).and_then(|attempt| attempt.intent.clone());
        return summary;
    }
    let open =
        payment.attempts.iter().find(|attempt| !matches!(attempt.stage, Stage::Void | Stage::Refunded));
    open.map_or_else(|| of(payment, PaymentPhase::Voided), |attempt| of_attempt(payment, attempt))
}

fn wanting(payment: &Payment) -> Summary {
    let older_open = payment.attempts.iter().any(|attempt| {
        payment.goal(attempt) == Goal::Undo && !matches!(attempt.stage, Stage::Void | Stage::Refunded)
    });
    match payment.attempt(payment.wish.attempt) {
        _ if older_open => of(payment, PaymentPhase::Pending).because(Some(&Refusal::new(
            "earlier_attempt",
            "An earlier attempt is made void before this one begins.",
        ))),
        Some(attempt) => of_attempt(payment, attempt),
        None => of(payment, PaymentPhase::Declined).because(Some(&Refusal::new(
            "method_missing",
            "There is no payment method to charge: choose one.",
        ))),
    }
}

fn of_attempt(payment: &Payment, attempt: &Attempt) -> Summary {
    let refusal = attempt.refusal.as_ref();
    let outage = Refusal::new(
        "provider_unavailable",
        "The payment provider cannot be reached at the moment; it is tried again until it can.",
    );
    let outage = attempt.outage.is_some().then_some(&outage);
    let phase = phase_of(attempt);
    let mut summary = Summary::of_phase(phase, attempt.number, payment.wish.amount);
    // While it is pending nothing is told, and a new intent is not worth a write.
    if phase != PaymentPhase::Pending {
        summary.reference.clone_from(&attempt.intent);
    }
    match phase {
        PaymentPhase::Pending | PaymentPhase::Authorized | PaymentPhase::Captured => summary.because(outage),
        PaymentPhase::Unknown => summary.because(refusal.or(outage)),
        PaymentPhase::ActionRequired => {
            summary.action_url.clone_from(&attempt.action_url);
            summary.because(Some(&Refusal::new(
                "authentication_required",
                "Your bank asks you to confirm this payment.",
            )))
        }
        PaymentPhase::Declined => {
            let ended =
                Refusal::new("canceled", "The payment was cancelled at the provider; nothing was taken.");
            summary.because(Some(refusal.unwrap_or(&ended)))
        }
        PaymentPhase::Voided | PaymentPhase::Refunded | PaymentPhase::Failed => summary,
    }
}

fn phase_of(attempt: &Attempt) -> PaymentPhase {
    match attempt.stage {
        Stage::Planned | Stage::Created | Stage::Checking => PaymentPhase::Pending,
        Stage::Unknown | Stage::Uncharged => PaymentPhase::Unknown,
        Stage::ActionRequired => PaymentPhase::ActionRequired,
        Stage::Authorized => PaymentPhase::Authorized,
        Stage::Captured => PaymentPhase::Captured,
        // Ended without money and without our wish: for whoever waits for it, that is a refusal.
        Stage::Declined | Stage::Void => PaymentPhase::Declined,
        Stage::Refunded => PaymentPhase::Refunded,
    }
}
