//! What is said about outcomes that the provider has no words for.

use money::Money;

use super::{Attempt, Refusal};

pub(super) fn no_answer() -> Refusal {
    Refusal::new(
        "no_answer",
        "The payment provider's answer did not arrive. The provider is asked until it is known whether money was taken.",
    )
}

pub(super) fn processing() -> Refusal {
    Refusal::new("processing", "The payment provider is still working on this payment.")
}

pub(super) fn not_charged() -> Refusal {
    Refusal::new("not_charged", "The payment did not reach the provider and nothing was taken. Try again.")
}

pub(super) fn declined_without_words() -> Refusal {
    Refusal::new("declined", "The payment was declined and nothing was taken.")
}

pub(super) fn refund_refused(attempt: &Attempt) -> Refusal {
    let words = attempt.refund_refusal.as_ref().map_or("", |refusal| refusal.message.as_str());
    let message = format!(
        "The provider refuses to give the money of {} back: {words} Give it back by hand, or have it tried again.",
        name(attempt)
    );
    Refusal::new("refund_refused", &message)
}

pub(super) fn refund_pending(attempt: &Attempt) -> Refusal {
    let refund = attempt.refund.as_deref().unwrap_or("the refund");
    let message =
        format!("The money is on its way back ({refund}); the provider is asked until it has arrived.");
    Refusal::new("refund_pending", &message)
}

pub(super) fn charged_again(attempt: &Attempt) -> Refusal {
    let message = format!(
        "Another charge of this order, {} of {}, is given back: nobody asked for it.",
        name(attempt),
        attempt.amount
    );
    Refusal::new("charged_again", &message)
}

pub(super) fn given_back(attempt: &Attempt) -> Refusal {
    if attempt.kept() > 0 {
        let part = Money::from_minor_units(attempt.refunded, attempt.amount.currency());
        let message = format!("{part} of the {} of {} are given back in all.", attempt.amount, name(attempt));
        return Refusal::new("given_back_in_part", &message);
    }
    Refusal::new("given_back", &format!("The {} of {} are given back.", attempt.amount, name(attempt)))
}

fn name(attempt: &Attempt) -> &str {
    attempt.intent.as_deref().unwrap_or("unknown")
}
