//! `Compensating`: what was done is undone, in the order label, money, goods; each undo is wanted even where nothing is
//! known to be done, since an effect may be on its way, and each answer is waited for.

use resources::{
    OrderPhase, PaymentDesired, PaymentPhase, ReservationDesired, ReservationPhase, Settled, ShipmentPhase,
};

use super::draft::Draft;
use super::paid::once_taken;
use super::plan::{Effect, Move, Rest, Step};
use super::view::is_direct;
use super::words::{CANCEL_REFUSED, CANCEL_REFUSED_REASON, REFUND_FAILED, REFUND_FAILED_REASON};

/// How far the undoing of one branch is.
enum Branch {
    /// Nothing is left of it, for certain.
    Done,
    /// Wanted, or to be wanted by this effect, and not answered yet.
    Open(Option<Box<Effect>>),
    /// It failed for good.
    Failed(String),
    /// It is too late: the goods are on their way.
    Refused,
}

fn open(effect: Effect) -> Branch {
    Branch::Open(Some(Box::new(effect)))
}

fn open_if(asked_again: bool, effect: impl FnOnce() -> Effect) -> Branch {
    if asked_again { open(effect()) } else { Branch::Open(None) }
}

pub(crate) fn compensating(draft: &mut Draft<'_>) -> Step {
    let Some(compensation) = draft.status.compensation.clone() else {
        return Move::to(
            OrderPhase::Stuck,
            Some("CompensationUnknown"),
            "It is not recorded how this was to end.",
        );
    };
    // Nothing is undone before the resource tells that it is being undone.
    let wanting = |effect: Option<Box<Effect>>| {
        Rest::wanting(effect.filter(|_| draft.is_recorded()).map(|effect| *effect))
    };
    let rest = |effect, message: &str| wanting(effect).meanwhile(&compensation.reason, message).step();
    match label(draft) {
        Branch::Done => {}
        Branch::Refused => return once_taken(draft, cancel_refused),
        Branch::Open(effect) => return rest(effect, "The label is being voided."),
        Branch::Failed(why) => return Move::to(OrderPhase::Stuck, Some("CancelFailed"), why),
    }
    let refund_failed = match money(draft) {
        Branch::Done | Branch::Refused => None,
        Branch::Failed(why) => Some(why),
        Branch::Open(effect) => {
            return rest(effect, "The payment is being voided or given back.");
        }
    };
    match (goods(draft), refund_failed) {
        (Branch::Open(effect), None) => rest(effect, "The goods are being put back."),
        // That the money needs a person holds up nothing else.
        (Branch::Open(effect), Some(_)) => {
            wanting(effect).because(REFUND_FAILED_REASON, REFUND_FAILED).step()
        }
        (Branch::Done | Branch::Refused | Branch::Failed(_), Some(why)) => {
            Move::to(OrderPhase::Stuck, Some(REFUND_FAILED_REASON), why)
        }
        (Branch::Failed(why), None) => Move::to(OrderPhase::Stuck, Some("ReleaseFailed"), why),
        (Branch::Done | Branch::Refused, None) => {
            let message = super::words::ended(draft, &compensation);
            Move::to(compensation.target, Some(&compensation.reason), message)
        }
    }
}

fn cancel_refused() -> Step {
    Move::to(OrderPhase::Shipped, Some(CANCEL_REFUSED_REASON), CANCEL_REFUSED)
}

impl Draft<'_> {
    /// The branch whose undo is waited for; none when it is that of the goods, or none.
    pub(crate) fn open_undo(&self) -> Option<Settled> {
        let waits = |branch| match branch {
            Branch::Open(_) | Branch::Failed(_) => true,
            Branch::Done | Branch::Refused => false,
        };
        if waits(label(self)) {
            return Some(Settled::Parcel);
        }
        waits(money(self)).then_some(Settled::Money)
    }
}

fn label(draft: &Draft<'_>) -> Branch {
    let Some(shipment) = draft.shipment() else { return open(draft.cancel_label()) };
    match shipment.latest {
        Some(ShipmentPhase::Lost | ShipmentPhase::Returned) => return Branch::Done,
        Some(
            ShipmentPhase::InTransit
            | ShipmentPhase::OutForDelivery
            | ShipmentPhase::Exception
            | ShipmentPhase::Delivered,
        ) => return Branch::Refused,
        Some(
            ShipmentPhase::Pending
            | ShipmentPhase::Booked
            | ShipmentPhase::Rejected
            | ShipmentPhase::Cancelled,
        )
        | None => {}
    }
    if shipment.answer == Some(ShipmentPhase::Rejected) || draft.is_settled(Settled::Parcel) {
        return Branch::Done;
    }
    if shipment.is_wanted() {
        return open(draft.cancel_label());
    }
    match shipment.answer {
        Some(ShipmentPhase::Cancelled) => Branch::Done,
        Some(_) | None => open_if(is_direct(draft.situation.shipment), || draft.cancel_label()),
    }
}

fn money(draft: &Draft<'_>) -> Branch {
    if draft.is_settled(Settled::Money) {
        return Branch::Done;
    }
    let Some(payment) = draft.payment() else {
        return open(draft.payment_to(PaymentDesired::Cancelled));
    };
    if draft.is_undo_asked_again() {
        return open(draft.payment_to(payment.spec.desired));
    }
    if payment.is_wanted() {
        let desired = match payment.latest {
            Some(PaymentPhase::Captured) => PaymentDesired::Refunded,
            Some(_) | None => PaymentDesired::Cancelled,
        };
        return open(draft.payment_to(desired));
    }
    match payment.answer {
        Some(PaymentPhase::Voided | PaymentPhase::Refunded) => Branch::Done,
        Some(PaymentPhase::Failed) => Branch::Failed(payment.message.unwrap_or(REFUND_FAILED).to_owned()),
        Some(
            PaymentPhase::Pending
            | PaymentPhase::Authorized
            | PaymentPhase::Captured
            | PaymentPhase::ActionRequired
            | PaymentPhase::Declined
            | PaymentPhase::Unknown,
        )
        | None => open_if(is_direct(draft.situation.payment), || draft.payment_to(PaymentDesired::Cancelled)),
    }
}

fn goods(draft: &Draft<'_>) -> Branch {
    let lost = draft.shipment().and_then(|shipment| shipment.latest) == Some(ShipmentPhase::Lost);
    // Lost goods have left the house for good: the ledger says so. All others are free again, or back on the shelf.
    let (desired, wanted) = if lost {
        (ReservationDesired::Committed, ReservationPhase::Committed)
    } else {
        (ReservationDesired::Released, ReservationPhase::Released)
    };
    let Some(reservation) = draft.reservation() else {
        return open(draft.reservation_to(desired));
    };
    if reservation.answer == Some(wanted) {
        return Branch::Done;
    }
    if reservation.spec.desired != desired {
        return open(draft.reservation_to(desired));
    }
    open_if(is_direct(draft.situation.reservation), || draft.reservation_to(desired))
}
