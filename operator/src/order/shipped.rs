//! `Shipped`: the carrier has the goods.

use std::time::Duration;

use jiff::Timestamp;
use resources::{
    CompleteOn, OrderPhase, PaymentDesired, ReservationDesired, ReservationPhase, Settled, ShipmentPhase,
};

use super::draft::Draft;
use super::plan::{Effect, Move, Rest, Step};
use super::view::is_direct;
use super::words::{CANCEL_REFUSED, CANCEL_REFUSED_REASON};

/// How long inventory may take to hear of `order.shipped` before it is commanded.
const COMMIT_WITHIN: Duration = Duration::from_secs(10);

pub(crate) fn shipped(draft: &mut Draft<'_>) -> Step {
    let Some(shipment) = draft.shipment() else {
        // The child is gone; the carrier's word is still to be had.
        return travelling(draft, [draft.book(1)]).step();
    };
    if let Some(phase @ (ShipmentPhase::Lost | ShipmentPhase::Returned)) = shipment.latest
        && !dispatched_is_enough(draft)
    {
        return lost(phase);
    }
    if let Some(message) = arrived(draft) {
        return completed(draft, message);
    }
    let asked_again = is_direct(draft.situation.shipment).then(|| draft.book(shipment.spec.attempt));
    let rest = travelling(draft, asked_again);
    if shipment.latest == Some(ShipmentPhase::Exception) {
        let why = shipment.message.unwrap_or("The carrier reports a problem with the parcel.");
        return rest.because("ShipmentProblem", format!("{why} The carrier is working on it.")).step();
    }
    if draft.spec().cancel.is_some() || draft.is_deleted() {
        return rest.meanwhile(CANCEL_REFUSED_REASON, CANCEL_REFUSED).step();
    }
    rest.meanwhile("InTransit", "The carrier has the goods.").step()
}

fn dispatched_is_enough(draft: &Draft<'_>) -> bool {
    draft.situation.policy.complete_on == CompleteOn::Dispatch
}

/// Why nothing more is to be waited for from the carrier, in words; `None` while there is.
pub(crate) fn arrived(draft: &Draft<'_>) -> Option<&'static str> {
    let by_the_carrier = match draft.shipment().and_then(|shipment| shipment.latest) {
        Some(ShipmentPhase::Delivered) => Some("The customer has the goods. Thank you."),
        Some(
            ShipmentPhase::InTransit
            | ShipmentPhase::OutForDelivery
            | ShipmentPhase::Exception
            | ShipmentPhase::Lost
            | ShipmentPhase::Returned,
        ) => dispatched_is_enough(draft).then_some("The carrier has the goods, which completes the order."),
        Some(
            ShipmentPhase::Pending
            | ShipmentPhase::Booked
            | ShipmentPhase::Rejected
            | ShipmentPhase::Cancelled,
        )
        | None => None,
    };
    by_the_carrier.or_else(|| {
        draft.is_settled(Settled::Parcel).then_some("The goods have arrived, as a person has made certain.")
    })
}

/// On the way: the ledger is brought up to it, and a wish to stop is answered.
fn travelling(draft: &Draft<'_>, effects: impl IntoIterator<Item = Effect>) -> Rest {
    let (commit, look_again) = commit(draft);
    let wanted = effects.into_iter().chain(commit).chain(refusal(draft)).chain(goodwill(draft));
    Rest::wanting(wanted).until(look_again)
}

/// The money goes back at a person's wish; the goods stay where they are. Where the payment is gone, as in a namespace that
/// goes, it is undone by the order id.
pub(crate) fn goodwill(draft: &Draft<'_>) -> Option<Effect> {
    let undone = draft.status.compensation.is_some();
    let Some(payment) = draft.payment() else {
        let wanted = draft.wants_refund() && !undone && draft.is_recorded();
        return wanted.then(|| draft.payment_to(PaymentDesired::Refunded));
    };
    let asked_directly = is_direct(draft.situation.payment) && !payment.is_void();
    let desired = match (payment.is_wanted(), draft.wants_refund()) {
        (true, true) => PaymentDesired::Refunded,
        (false, _) if draft.is_undo_asked_again() || (asked_directly && !undone) => payment.spec.desired,
        (true, false) | (false, _) => return None,
    };
    draft.is_recorded().then(|| draft.payment_to(desired))
}

/// An Event says once why a wish to stop changes nothing; the generation tells whether it was said.
fn refusal(draft: &Draft<'_>) -> Option<Effect> {
    let wished = draft.spec().cancel.is_some() || draft.is_deleted();
    (wished && draft.is_edited()).then(|| super::words::cancel_refused(OrderPhase::Shipped))
}

fn lost(phase: ShipmentPhase) -> Step {
    let message = if phase == ShipmentPhase::Returned {
        "The parcel came back; the money goes back to the customer."
    } else {
        "The carrier has lost the parcel; the money goes back to the customer."
    };
    Move::compensate(OrderPhase::Failed, "ShippingFailed", message)
}

/// Completed once the ledger says that the goods have left.
fn completed(draft: &Draft<'_>, message: &str) -> Step {
    if draft.reservation().and_then(|reservation| reservation.latest) == Some(ReservationPhase::Committed) {
        return Move::to(OrderPhase::Completed, None, message);
    }
    travelling(draft, [])
        .meanwhile("CommittingStock", "The goods are there; the stock ledger is being brought up to it.")
        .step()
}

/// The command to commit the stock, when inventory has not done so on `order.shipped`; or when to look again.
fn commit(draft: &Draft<'_>) -> (Option<Effect>, Option<Timestamp>) {
    let commit = || Some(draft.reservation_to(ReservationDesired::Committed));
    let Some(reservation) = draft.reservation() else { return (commit(), None) };
    if reservation.latest == Some(ReservationPhase::Committed) {
        return (None, None);
    }
    if reservation.spec.desired != ReservationDesired::Held {
        return (is_direct(draft.situation.reservation).then(commit).flatten(), None);
    }
    let overdue = draft.due(COMMIT_WITHIN);
    if draft.is_past(overdue) { (commit(), None) } else { (None, overdue) }
}
