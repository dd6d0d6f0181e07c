//! The hold on the goods: certain before anything rests on it.

use resources::{OrderPhase, ReservationDesired, ReservationPhase};

use super::draft::Draft;
use super::plan::{Effect, Move, Rest, Step};

/// Goes on by `then` once the hold is certain: it expires no more, and inventory has said so.
pub(crate) fn with_firm_hold(draft: &Draft<'_>, then: impl FnOnce() -> Step) -> Step {
    if let Some(step) = released_by_hand(draft) {
        return step;
    }
    let Some(reservation) = draft.reservation() else {
        return securing(Some(draft.hold(None)));
    };
    if let Some(effect) = firming(draft) {
        return securing(Some(effect));
    }
    match reservation.answer {
        Some(ReservationPhase::Held | ReservationPhase::Committed) => then(),
        Some(ReservationPhase::Insufficient | ReservationPhase::Expired | ReservationPhase::Released) => {
            out_of_stock()
        }
        Some(ReservationPhase::Pending) | None => securing(None),
    }
}

/// Has the hold expire no more, where it still would: also past the wait for the customer, as a late decision on that
/// wait may have set the time again.
pub(crate) fn firming(draft: &Draft<'_>) -> Option<Effect> {
    let reservation = draft.reservation()?;
    let held = reservation.spec.desired == ReservationDesired::Held;
    (held && reservation.spec.expires_at.is_some()).then(|| draft.hold(None))
}

/// The goods were given up at the reservation itself, which is never taken back.
pub(crate) fn released_by_hand(draft: &Draft<'_>) -> Option<Step> {
    let reservation = draft.reservation()?;
    let released = reservation.spec.desired == ReservationDesired::Released
        || reservation.answer == Some(ReservationPhase::Released);
    released.then(|| {
        Move::compensate(
            OrderPhase::Failed,
            "StockReleased",
            "The goods were released by hand, so the order ends.",
        )
    })
}

pub(crate) fn out_of_stock() -> Step {
    Move::compensate(
        OrderPhase::Failed,
        "OutOfStock",
        "The goods were held for a time, were sold meanwhile, and cannot be had again. Nothing is kept of a payment.",
    )
}

fn securing(effect: Option<Effect>) -> Step {
    Rest::wanting(effect)
        .because("SecuringStock", "The goods are being made certain before the payment goes on.")
        .step()
}
