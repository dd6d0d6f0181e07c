//! `AwaitingPayment`: the customer has to do something; the goods are held for them until a time.

use resources::{OrderPhase, PaymentDesired, PaymentPhase, ReservationPhase};

use super::draft::Draft;
use super::hold::{firming, out_of_stock, released_by_hand, with_firm_hold};
use super::plan::{Move, Rest, Step};
use super::view::{PaymentView, ReservationView};

pub(crate) fn awaiting_payment(draft: &mut Draft<'_>) -> Step {
    let payment = draft.payment();
    if let Some(payment) = payment.filter(PaymentView::is_wanted) {
        match payment.answer {
            // The customer has done it after all; the goods must be certain before the order counts as paid.
            Some(PaymentPhase::Captured | PaymentPhase::Authorized) => {
                return with_firm_hold(draft, || {
                    Move::to(OrderPhase::Paid, None, "The order is paid; a parcel is being booked.")
                });
            }
            // Confirming failed: the reason is another one now, and the customer is told so.
            Some(PaymentPhase::Declined | PaymentPhase::Voided)
                if draft.entered_because() == Some("ActionRequired") =>
            {
                return super::reserved::after_answer(&payment).unwrap_or_else(|| Rest::default().step());
            }
            Some(
                PaymentPhase::Declined
                | PaymentPhase::Voided
                | PaymentPhase::ActionRequired
                | PaymentPhase::Unknown
                | PaymentPhase::Refunded
                | PaymentPhase::Failed
                | PaymentPhase::Pending,
            )
            | None => {}
        }
    }
    if let Some(step) = draft.stop_wish() {
        return step;
    }
    if pays_anew(draft, payment) && !draft.is_suspended() {
        return match payment {
            None => with_firm_hold(draft, again),
            Some(payment) if payment.is_wanted() => {
                Rest::wanting(draft.is_recorded().then(|| draft.payment_to(PaymentDesired::Cancelled)))
                    .because(
                        "PaymentChanging",
                        "The last payment is being voided before the new one is made.",
                    )
                    .step()
            }
            Some(payment) => after_void(draft, &payment),
        };
    }
    wait_for_customer(draft)
}

/// True when the order names a payment that was not attempted yet.
fn pays_anew(draft: &Draft<'_>, payment: Option<PaymentView<'_>>) -> bool {
    let wanted = draft.spec().payment.as_ref();
    let Some(method) = wanted.and_then(|wanted| wanted.method.as_deref()) else { return false };
    let retry = wanted.map_or(0, |wanted| wanted.retry);
    let Some(payment) = payment else {
        // Only an order that named no method was not charged yet; otherwise the child is gone, as in a namespace that goes,
        // and only a person's edit asks for another attempt.
        let unnamed =
            draft.status.history.last().and_then(|entry| entry.reason.as_deref()) == Some("MethodMissing");
        return unnamed || draft.is_edited();
    };
    !payment.is_wanted() || payment.spec.method.as_deref() != Some(method) || payment.spec.retry != retry
}

fn after_void(draft: &Draft<'_>, payment: &PaymentView<'_>) -> Step {
    if draft.is_undo_asked_again() {
        return Rest::wanting(draft.is_recorded().then(|| draft.payment_to(payment.spec.desired)))
            .because("PaymentChanging", "The last payment is asked back again before the new one is made.")
            .step();
    }
    match payment.answer {
        Some(PaymentPhase::Voided | PaymentPhase::Refunded) => with_firm_hold(draft, again),
        Some(PaymentPhase::Failed) => Move::to(
            OrderPhase::Stuck,
            Some("PaymentVoidFailed"),
            "The last payment could not be voided or given back: a person has to look at it at the provider.",
        ),
        Some(
            PaymentPhase::Pending
            | PaymentPhase::Authorized
            | PaymentPhase::Captured
            | PaymentPhase::ActionRequired
            | PaymentPhase::Declined
            | PaymentPhase::Unknown,
        )
        | None => Rest::default()
            .because("PaymentChanging", "The last payment is being voided before the new one is made.")
            .step(),
    }
}

fn again() -> Step {
    Move::to(
        OrderPhase::Reserved,
        None,
        "The goods are set aside; payment is being made with the new method.",
    )
}

/// Holds the goods until the customer's time is over.
fn wait_for_customer(draft: &Draft<'_>) -> Step {
    if let Some(step) = released_by_hand(draft) {
        return step;
    }
    let Some(reservation) = draft.reservation() else {
        return Rest::wanting([draft.hold(None)]).step();
    };
    if draft.is_suspended() {
        // Timers stand still: the hold does not run out either. One that has run out is not asked for anew.
        let over = reservation.answer == Some(ReservationPhase::Expired);
        return Rest::wanting(firming(draft).filter(|_| !over)).step();
    }
    let due = draft.due(draft.situation.policy.payment_timeout);
    if draft.is_past(due) {
        return Move::compensate(
            OrderPhase::Failed,
            "PaymentTimeout",
            "The payment did not arrive in time, so the goods go back.",
        );
    }
    if matches!(reservation.answer, Some(ReservationPhase::Insufficient)) {
        return out_of_stock();
    }
    let Some(due) = due else { return Rest::default().step() };
    let held_until_due = |reservation: ReservationView<'_>| {
        reservation.spec.expires_at.as_ref().is_some_and(|at| (at.0.as_second() - due.as_second()).abs() <= 1)
    };
    let effects = (!held_until_due(reservation)).then(|| draft.hold(Some(due)));
    Rest::wanting(effects).until(Some(due)).step()
}
