//! The ends: nothing may be left of an order that ended without goods, and in time it is archived.

use std::time::Duration;

use resources::{
    OrderPhase, PaymentDesired, PaymentPhase, ReservationDesired, ReservationPhase, Settled, ShipmentPhase,
};

use super::draft::Draft;
use super::plan::{Effect, Rest, Step};
use super::shipped::goodwill;
use super::words;

pub(crate) fn finished(draft: &mut Draft<'_>, phase: OrderPhase) -> Step {
    let mut effects = leftovers(draft, phase);
    effects.extend(refusal(draft, phase));
    effects.extend(goodwill(draft));
    let open = is_open(draft, phase);
    let due = archive_due(draft);
    let failed = draft.payment().is_some_and(|payment| payment.answer == Some(PaymentPhase::Failed));
    if failed && !draft.is_settled(Settled::Money) && !draft.is_undo_asked_again() {
        // Money that came late and could not be given back: a person is needed, and the resource stays for them to see.
        let told = draft.status.reason.as_deref() == Some(words::REFUND_FAILED_REASON);
        effects.extend((!told).then(words::refund_failed));
        return Rest::wanting(effects).because(words::REFUND_FAILED_REASON, words::REFUND_FAILED).step();
    }
    if !open && draft.is_recorded() && (draft.is_deleted() || draft.is_past(due)) {
        effects.push(Effect::Archive);
        return Rest::wanting(effects).step();
    }
    let rest = Rest::wanting(effects).until(due);
    if draft.wants_refund() {
        let (reason, message) = words::goodwill(draft);
        return rest.because(reason, message).step();
    }
    rest.step()
}

fn archive_due(draft: &Draft<'_>) -> Option<jiff::Timestamp> {
    let ttl = match draft.spec().ttl_seconds_after_finished {
        Some(seconds) => Duration::from_secs(seconds.unsigned_abs()),
        None => draft.situation.policy.ttl_after_finished,
    };
    let ended = draft.status.completion_time.as_ref()?.0;
    ended.checked_add(ttl).ok()
}

/// A late leader may have made a child after the order had ended: it is undone like any other.
fn leftovers(draft: &Draft<'_>, phase: OrderPhase) -> Vec<Effect> {
    if phase == OrderPhase::Completed {
        return Vec::new();
    }
    let mut effects = Vec::new();
    let lost = draft.shipment().and_then(|shipment| shipment.latest) == Some(ShipmentPhase::Lost);
    if let Some(shipment) = draft.shipment()
        && shipment.is_wanted()
        && !shipment.latest.is_some_and(|latest| latest.has_left() || latest == ShipmentPhase::Rejected)
    {
        effects.push(draft.cancel_label());
    }
    if draft.payment().is_some_and(|payment| payment.is_wanted()) {
        effects.push(draft.payment_to(PaymentDesired::Cancelled));
    }
    if let Some(reservation) = draft.reservation()
        && reservation.spec.desired == ReservationDesired::Held
        && reservation.latest != Some(ReservationPhase::Insufficient)
        && !lost
    {
        effects.push(draft.reservation_to(ReservationDesired::Released));
    }
    effects
}

/// True while money, goods or label are undecided: then the resource stays, for a person to see.
fn is_open(draft: &Draft<'_>, phase: OrderPhase) -> bool {
    let money = !draft.is_settled(Settled::Money)
        && draft.payment().is_some_and(|payment| {
            !matches!(payment.answer, Some(PaymentPhase::Voided | PaymentPhase::Refunded))
        });
    if phase == OrderPhase::Completed {
        let gone = draft.payment().is_none() && !draft.is_settled(Settled::Money);
        return draft.wants_refund() && (money || gone);
    }
    let goods = draft.reservation().is_some_and(|reservation| {
        !matches!(
            reservation.answer,
            Some(ReservationPhase::Released | ReservationPhase::Insufficient | ReservationPhase::Committed)
        )
    });
    let label = draft.shipment().is_some_and(|shipment| {
        let ended = matches!(
            shipment.latest,
            Some(
                ShipmentPhase::Delivered
                    | ShipmentPhase::Lost
                    | ShipmentPhase::Returned
                    | ShipmentPhase::Rejected
            )
        );
        !ended && shipment.answer != Some(ShipmentPhase::Cancelled) && !draft.is_settled(Settled::Parcel)
    });
    money || goods || label
}

/// An Event says once why a wish to stop changes nothing; the generation tells whether it was said.
fn refusal(draft: &Draft<'_>, phase: OrderPhase) -> Option<Effect> {
    let wished = draft.spec().cancel.is_some() && phase != OrderPhase::Cancelled;
    (wished && draft.is_edited()).then(|| words::cancel_refused(phase))
}
