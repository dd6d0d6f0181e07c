//! `Reserved`: the goods are held, the money is asked for.

use resources::{OrderPhase, PaymentPhase};

use super::draft::Draft;
use super::hold::with_firm_hold;
use super::plan::{Move, Rest, Step};
use super::view::PaymentView;

pub(crate) fn reserved(draft: &mut Draft<'_>) -> Step {
    let payment = draft.payment();
    if let Some(step) = payment.filter(PaymentView::is_wanted).and_then(|payment| after_answer(&payment)) {
        return step;
    }
    if let Some(step) = draft.stop_wish() {
        return step;
    }
    let next_attempt = match payment {
        None => 1,
        Some(payment) if payment.is_wanted() => return waiting(payment.answer),
        // The last attempt is void for certain: this is the next one.
        Some(payment) if payment.is_void() => payment.spec.attempt + 1,
        Some(_) => {
            return Rest::default()
                .because("PaymentChanging", "The last payment is being voided before the new one is made.")
                .step();
        }
    };
    let Some(method) = draft.spec().payment.as_ref().and_then(|payment| payment.method.as_deref()) else {
        return method_missing();
    };
    if draft.is_suspended() {
        return Rest::default()
            .because(
                "Suspended",
                "The order is suspended: the goods are held, the payment waits until it is resumed.",
            )
            .step();
    }
    with_firm_hold(draft, || {
        if draft.pays_first() || draft.is_recorded() {
            return Rest::wanting([draft.charge(method, next_attempt)]).step();
        }
        // A further attempt is told apart from the one that failed by the phase: it is written first.
        Rest::default().step()
    })
}

impl Draft<'_> {
    /// True when the goods have just been reserved, so that no payment went before.
    pub(crate) fn pays_first(&self) -> bool {
        self.came_from() == Some(OrderPhase::Placed)
    }
}

fn method_missing() -> Step {
    Move::to(
        OrderPhase::AwaitingPayment,
        Some("MethodMissing"),
        "The goods are set aside, but no payment method was given: set spec.payment.method.",
    )
}

/// What the provider's answer means; also asked by `AwaitingPayment` of an attempt that came late.
pub(crate) fn after_answer(payment: &PaymentView<'_>) -> Option<Step> {
    match payment.answer? {
        PaymentPhase::Captured | PaymentPhase::Authorized => {
            Some(Move::to(OrderPhase::Paid, None, "The order is paid; a parcel is being booked."))
        }
        PaymentPhase::Declined | PaymentPhase::Voided => {
            Some(declined(payment.message.unwrap_or("The payment provider declined the payment.")))
        }
        PaymentPhase::ActionRequired => Some(Move::to(
            OrderPhase::AwaitingPayment,
            Some("ActionRequired"),
            payment.message.unwrap_or("The customer has to confirm the payment with their bank."),
        )),
        PaymentPhase::Refunded | PaymentPhase::Failed => Some(Move::compensate(
            OrderPhase::Failed,
            "PaymentRefunded",
            "The payment was given back at the provider, so the order ends.",
        )),
        PaymentPhase::Unknown | PaymentPhase::Pending => None,
    }
}

/// The customer has to pay otherwise.
pub(crate) fn declined(why: &str) -> Step {
    Move::to(
        OrderPhase::AwaitingPayment,
        Some("PaymentDeclined"),
        format!("{why} Set another spec.payment.method, or raise spec.payment.retry to try the same again."),
    )
}

/// What an order says while the provider's answer is awaited.
pub(crate) fn waiting(answer: Option<PaymentPhase>) -> Step {
    match answer {
        Some(PaymentPhase::Unknown) => Rest::default()
            .because(
                "PaymentUnknown",
                "The payment provider's answer did not arrive; it is being asked whether the money was taken.",
            )
            .step(),
        _ => Rest::default().step(),
    }
}
