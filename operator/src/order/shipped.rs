//! `Shipped`: the carrier has the goods.

use std::time::Duration;

use resources::{CompleteOn, OrderPhase, ReservationDesired, ReservationPhase, ShipmentPhase};

use super::draft::Draft;
use super::plan::{Effect, Move, Rest, Step};

/// How long inventory may take to hear of `order.shipped` before it is commanded.
const COMMIT_WITHIN: Duration = Duration::from_secs(10);

pub(crate) fn shipped(draft: &mut Draft<'_>) -> Step {
    let Some(phase) = draft.shipment().and_then(|shipment| shipment.latest) else {
        return Rest::default().step();
    };
    let dispatched_is_enough = draft.situation.policy.complete_on == CompleteOn::Dispatch;
    let goods = match phase {
        ShipmentPhase::Lost | ShipmentPhase::Returned => return lost(phase),
        ShipmentPhase::Delivered => Some("The customer has the goods. Thank you."),
        ShipmentPhase::Exception if !dispatched_is_enough => None,
        ShipmentPhase::InTransit | ShipmentPhase::OutForDelivery | ShipmentPhase::Exception => {
            dispatched_is_enough.then_some("The carrier has the goods, which completes the order.")
        }
        ShipmentPhase::Pending | ShipmentPhase::Booked | ShipmentPhase::Rejected | ShipmentPhase::Cancelled => None,
    };
    match goods {
        Some(message) => with_committed_stock(draft, || Move::to(OrderPhase::Completed, None, message)),
        None if phase == ShipmentPhase::Exception => {
            let why = draft.shipment().and_then(|shipment| shipment.message);
            let why = why.unwrap_or("The carrier reports a problem with the parcel.");
            Rest::wanting(refusal(draft)).because("ShipmentProblem", format!("{why} The carrier is working on it.")).step()
        }
        None if draft.spec().cancel.is_some() || draft.is_deleted() => Rest::wanting(refusal(draft))
            .because("CancelRefused", "The parcel is on its way and cannot be stopped: send it back once it is there.")
            .step(),
        None => Rest::default().because("InTransit", "The carrier has the goods.").step(),
    }
}

/// An Event says once why a wish to stop changes nothing.
fn refusal(draft: &Draft<'_>) -> Option<Effect> {
    let wished = draft.spec().cancel.is_some() || draft.is_deleted();
    let told = draft.status.reason.as_deref() == Some("CancelRefused");
    (wished && !told).then(|| super::words::cancel_refused(OrderPhase::Shipped))
}

fn lost(phase: ShipmentPhase) -> Step {
    let message = match phase {
        ShipmentPhase::Returned => "The parcel came back; the money goes back to the customer.",
        _ => "The carrier has lost the parcel; the money goes back to the customer.",
    };
    Move::compensate(OrderPhase::Failed, "ShippingFailed", message)
}

/// Goes on by `then` once the ledger says that the goods have left.
pub(crate) fn with_committed_stock(draft: &Draft<'_>, then: impl FnOnce() -> Step) -> Step {
    let Some(reservation) = draft.reservation() else { return then() };
    if reservation.latest == Some(ReservationPhase::Committed) {
        return then();
    }
    let overdue = draft.due(COMMIT_WITHIN);
    let commanded = reservation.spec.desired != ReservationDesired::Held;
    let effects =
        (draft.is_past(overdue) && !commanded).then(|| draft.reservation_to(ReservationDesired::Committed));
    Rest::wanting(effects)
        .until(overdue.filter(|_| !commanded))
        .because("CommittingStock", "The goods are there; the stock ledger is being brought up to it.")
        .step()
}
