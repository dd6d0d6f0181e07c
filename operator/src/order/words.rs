//! Sentences that a customer service agent can read out.

use resources::{Compensation, OrderPhase, RepairAction, RepairOutcome, Settled};

use super::draft::Draft;
use super::plan::{Effect, Tell};

/// Why an order that was undone has ended.
pub(crate) fn ended(draft: &Draft<'_>, compensation: &Compensation) -> String {
    let refunded = draft
        .situation
        .payment
        .and_then(|payment| payment.status.as_ref())
        .and_then(|status| status.refunded);
    let money = match refunded {
        Some(refunded) if !refunded.is_zero() => format!("{refunded} went back to the customer."),
        Some(_) | None => "The customer was charged nothing.".to_owned(),
    };
    let money = if draft.is_settled(Settled::Money) { settled_by_hand(draft) } else { money };
    let why = match compensation.reason.as_str() {
        "CancelRequested" => match &draft.spec().cancel {
            Some(cancel) => format!("Cancelled: {}.", cancel.reason.trim_end_matches('.')),
            None => "Cancelled.".to_owned(),
        },
        "Deleted" => "Cancelled, as the order was deleted.".to_owned(),
        "OutOfStock" => "The goods could not be had any more.".to_owned(),
        "PaymentTimeout" => "The payment did not arrive in time.".to_owned(),
        "ShippingFailed" => "The goods could not be delivered.".to_owned(),
        "StockReleased" => "The goods were released by hand.".to_owned(),
        "RefundRequested" => "The order was undone at the shop's wish.".to_owned(),
        "Repaired" => "The order could not be carried out.".to_owned(),
        "PaymentRefunded" => "The payment was given back at the provider.".to_owned(),
        other => format!("The order could not be carried out ({other})."),
    };
    format!("{why} {money}")
}

/// What a person has made certain of, and why.
fn settled_by_hand(draft: &Draft<'_>) -> String {
    let skips = draft.status.repairs.iter().rev();
    let skip = skips
        .filter(|repair| repair.action == RepairAction::Skip && repair.outcome == RepairOutcome::Taken)
        .map(|repair| format!(" by {}: {}", repair.by, repair.reason));
    let skip = skip.into_iter().next().unwrap_or_default();
    format!("The money was settled by hand{}.", skip.trim_end_matches('.'))
}

/// How far the goodwill of an ended order is.
pub(crate) fn goodwill(draft: &Draft<'_>) -> (&'static str, &'static str) {
    match draft.kept() {
        Some(_) if draft.is_settled(Settled::Money) => {
            ("Refunded", "The money was settled by hand; the goods stay.")
        }
        Some(_) => ("Refunding", "The money is on its way back to the customer, at the shop's wish."),
        None => ("Refunded", "The money went back to the customer, at the shop's wish; the goods stay."),
    }
}

impl Draft<'_> {
    /// What is said of an order that needs a person, with what that person may type.
    pub(crate) fn with_ways_out(&self, message: &str) -> String {
        let metadata = &self.situation.order.metadata;
        let name = metadata.name.as_deref().unwrap_or_default();
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        format!(
            "{} When what was wrong is put right: supercargo order retry {name} -n {namespace}. All ways out: docs/repair.md.",
            message.trim_end()
        )
    }
}

/// Why an order needs a person for its money.
pub(crate) const REFUND_FAILED_REASON: &str = "RefundFailed";
/// The same as a sentence.
pub(crate) const REFUND_FAILED: &str = "The money could not be given back; it is tried again from time to time, or a person does it at the provider.";

/// Money that came after the end could not be given back.
pub(crate) fn refund_failed() -> Effect {
    let (reason, note) = (REFUND_FAILED_REASON.to_owned(), REFUND_FAILED.to_owned());
    Effect::Tell(Tell { warning: true, reason, note })
}

/// Why an order goes on that somebody wants to stop.
pub(crate) const CANCEL_REFUSED_REASON: &str = "CancelRefused";
/// The same as a sentence.
pub(crate) const CANCEL_REFUSED: &str =
    "The parcel is on its way and cannot be stopped: send it back once it is there.";

/// A wish to stop came too late.
pub(crate) fn cancel_refused(phase: OrderPhase) -> Effect {
    let note = if phase == OrderPhase::Shipped {
        CANCEL_REFUSED.to_owned()
    } else {
        format!("The order is {phase} already: cancelling it changes nothing.")
    };
    Effect::Tell(Tell { warning: true, reason: CANCEL_REFUSED_REASON.to_owned(), note })
}

/// What people who look at the resource are told of a transition: refusals, failures and compensation only.
pub(crate) fn tell(phase: OrderPhase, reason: Option<&str>, message: &str) -> Option<Tell> {
    let (warning, default) = match phase {
        OrderPhase::Rejected => (true, "Rejected"),
        OrderPhase::Failed => (true, "Failed"),
        OrderPhase::Stuck => (true, "Stuck"),
        OrderPhase::Compensating => (false, "Compensating"),
        OrderPhase::Cancelled => (false, "Cancelled"),
        OrderPhase::AwaitingPayment => (false, "AwaitingPayment"),
        OrderPhase::Shipped if reason == Some("CancelRefused") => (true, "CancelRefused"),
        OrderPhase::Placed
        | OrderPhase::Reserved
        | OrderPhase::Paid
        | OrderPhase::Shipped
        | OrderPhase::Completed => return None,
    };
    Some(Tell { warning, reason: reason.unwrap_or(default).to_owned(), note: message.to_owned() })
}

/// What an order says of itself when it goes on in its phase after a rest.
pub(crate) fn goes_on(phase: OrderPhase) -> &'static str {
    match phase {
        OrderPhase::Placed => "The order is placed; the goods are being set aside.",
        OrderPhase::Reserved => "The goods are set aside; payment is being made.",
        OrderPhase::AwaitingPayment => {
            "The payment has not been made: set another spec.payment.method, or raise spec.payment.retry."
        }
        OrderPhase::Paid => "The order is paid; a parcel is being booked.",
        OrderPhase::Shipped => "The carrier has the goods.",
        OrderPhase::Compensating => "What was done for the order is being undone.",
        OrderPhase::Stuck => "The order needs a person to look at it.",
        OrderPhase::Completed | OrderPhase::Rejected | OrderPhase::Failed | OrderPhase::Cancelled => {
            "The order has ended."
        }
    }
}

/// What an order says of itself when a phase takes too long; none where its own stage knows better.
pub(crate) fn overdue(draft: &Draft<'_>, phase: OrderPhase) -> Option<(&'static str, &'static str)> {
    match phase {
        OrderPhase::Placed => {
            Some(("StockOverdue", "Inventory has not answered in time; it is asked again and again."))
        }
        OrderPhase::Reserved => {
            Some(("PaymentOverdue", "Payment has not answered in time; it is asked again and again."))
        }
        OrderPhase::Paid if !draft.has_label() => Some((
            "BookingOverdue",
            "The carrier has not given a label in time; it is asked again and again.",
        )),
        OrderPhase::Paid => Some(("DispatchOverdue", "The carrier has not collected the goods in time.")),
        OrderPhase::Shipped => Some(("DeliveryOverdue", "The carrier has not delivered in time.")),
        OrderPhase::Compensating => {
            Some(("UndoOverdue", "Undoing takes longer than it should; it is tried again and again."))
        }
        // The customer's time is the stage's own; a person's has no end.
        OrderPhase::AwaitingPayment
        | OrderPhase::Completed
        | OrderPhase::Rejected
        | OrderPhase::Failed
        | OrderPhase::Cancelled
        | OrderPhase::Stuck => None,
    }
}

/// An Event for a reason that somebody should look at, when it is said for the first time.
pub(crate) fn alarm(draft: &Draft<'_>, reason: &str, message: &str) -> Option<Effect> {
    let news = draft.status.reason.as_deref() != Some(reason);
    let alarming = reason.ends_with("Overdue") || reason == "PaymentUnknown";
    let tell = Tell { warning: true, reason: reason.to_owned(), note: message.to_owned() };
    (news && alarming).then_some(Effect::Tell(tell))
}
