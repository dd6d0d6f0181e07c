//! What is shown of an order's money.

use money::Money;
use resources::PaymentPhase;

use super::words::{charged_again, refund_pending, refund_refused};
use super::{Attempt, Goal, Payment, Refusal, Stage};

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

    /// With these words, unless it has some.
    fn or_because(self, words: &Refusal) -> Self {
        if self.reason.is_some() { self } else { self.because(Some(words)) }
    }

    fn because(mut self, refusal: Option<&Refusal>) -> Self {
        self.reason = refusal.map(|refusal| refusal.reason.clone());
        self.message = refusal.map(|refusal| refusal.message.clone());
        self
    }
}

/// What is to be shown of the present state.
pub(super) fn summarize(payment: &Payment) -> Summary {
    let mut summary = if payment.wish.is_undo() { undoing(payment) } else { wanting(payment) };
    summary.captured = payment.captured();
    summary.refunded = payment.refunded();
    summary
}

fn of(payment: &Payment, phase: PaymentPhase) -> Summary {
    Summary::of_phase(phase, payment.wish.attempt, payment.wish.amount)
}

/// The attempts whose money is to be given back, and was refused to be.
fn refused(payment: &Payment) -> impl Iterator<Item = &Attempt> {
    let stuck = |attempt: &&Attempt| attempt.holds_money() && attempt.refund_refusal.is_some();
    payment.attempts.iter().filter(stuck).filter(|attempt| payment.goal(attempt) == Goal::Undo)
}

fn failed(payment: &Payment, attempt: &Attempt) -> Summary {
    let mut summary = of(payment, PaymentPhase::Failed).because(Some(&refund_refused(attempt)));
    summary.reference.clone_from(&attempt.intent);
    summary
}

/// Strays count for as long as they hold money.
fn undoing(payment: &Payment) -> Summary {
    if let Some(attempt) = refused(payment).next() {
        return failed(payment, attempt);
    }
    if payment.keeps_nothing() {
        let refunded = payment.attempts.iter().rev().find(|attempt| attempt.stage == Stage::Refunded);
        let phase = if refunded.is_some() { PaymentPhase::Refunded } else { PaymentPhase::Voided };
        let mut summary = of(payment, phase);
        summary.reference = refunded.or(payment.attempts.last()).and_then(|attempt| attempt.intent.clone());
        return summary;
    }
    let open = payment
        .attempts
        .iter()
        .find(|attempt| if attempt.is_stray() { attempt.holds_money() } else { !attempt.is_undone() });
    match open {
        Some(stray) if stray.is_stray() => {
            let shown = of_attempt(payment, stray);
            Summary { attempt: payment.wish.attempt, ..shown.or_because(&charged_again(stray)) }
        }
        Some(attempt) => of_attempt(payment, attempt),
        None => of(payment, PaymentPhase::Voided),
    }
}

/// The wanted attempt's, whatever becomes of the others: while nothing of it is taken, an earlier one that cannot be undone
/// is told in its place, since it keeps this one from beginning.
fn wanting(payment: &Payment) -> Summary {
    let wanted = payment.attempt(payment.wish.attempt);
    let holds = |attempt: &&Attempt| matches!(attempt.stage, Stage::Captured | Stage::Authorized);
    if let Some(attempt) = wanted.filter(holds) {
        let shown = of_attempt(payment, attempt);
        return match (
            refused(payment).next(),
            payment.attempts.iter().find(|other| is_given_back(payment, other)),
        ) {
            (Some(refused), _) => shown.or_because(&refund_refused(refused)),
            (None, Some(other)) => shown.or_because(&charged_again(other)),
            (None, None) => shown,
        };
    }
    if let Some(attempt) = refused(payment).find(|attempt| !attempt.is_stray()) {
        return failed(payment, attempt);
    }
    let older_open = payment
        .attempts
        .iter()
        .any(|attempt| payment.goal(attempt) == Goal::Undo && !attempt.is_stray() && !attempt.is_undone());
    match wanted {
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

fn is_given_back(payment: &Payment, attempt: &Attempt) -> bool {
    attempt.holds_money() && payment.goal(attempt) == Goal::Undo
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
        PaymentPhase::Captured if attempt.stage == Stage::Refunding => {
            summary.because(Some(&outage.cloned().unwrap_or_else(|| refund_pending(attempt))))
        }
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
        // On its way back is not given back.
        Stage::Captured | Stage::Refunding => PaymentPhase::Captured,
        // Ended without money and without our wish: for whoever waits for it, that is a refusal.
        Stage::Declined | Stage::Void => PaymentPhase::Declined,
        Stage::Refunded => PaymentPhase::Refunded,
    }
}
