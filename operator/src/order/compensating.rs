//! `Compensating`: what was done is undone, in the order label, money, goods; each undo is wanted even where nothing is
//! known to be done, since an effect may be on its way, and each answer is waited for.

use resources::{
    OrderPhase, PaymentDesired, PaymentPhase, ReservationDesired, ReservationPhase, ShipmentPhase,
};

use super::draft::Draft;
use super::plan::{Effect, Move, Rest, Step};

/// How far the undoing of one branch is.
enum Branch {
    /// Nothing is left of it, for certain.
    Done,
    /// Wanted, or to be wanted by this effect, and not answered yet.
    Open(Option<Effect>),
    /// It failed for good.
    Failed(String),
    /// It is too late: the goods are on their way.
    Refused,
}

pub(crate) fn compensating(draft: &mut Draft<'_>) -> Step {
    let Some(compensation) = draft.status.compensation.clone() else {
        return Move::to(OrderPhase::Stuck, Some("CompensationUnknown"), "It is not recorded how this was to end.");
    };
    match label(draft) {
        Branch::Done => {}
        Branch::Refused => {
            return Move::to(
                OrderPhase::Shipped,
                Some("CancelRefused"),
                "The parcel is on its way and cannot be stopped: send it back once it is there.",
            );
        }
        Branch::Open(effect) => {
            return Rest::wanting(effect).because(&compensation.reason, "The label is being voided.").step();
        }
        Branch::Failed(why) => return Move::to(OrderPhase::Stuck, Some("CancelFailed"), why),
    }
    let money = money(draft);
    let goods_before_money = matches!(money, Branch::Failed(_));
    match money {
        Branch::Done | Branch::Refused | Branch::Failed(_) => {}
        Branch::Open(effect) => {
            return Rest::wanting(effect)
                .because(&compensation.reason, "The payment is being voided or given back.")
                .step();
        }
    }
    match goods(draft) {
        Branch::Done | Branch::Refused => {}
        Branch::Open(effect) => {
            let rest = Rest::wanting(effect);
            return if goods_before_money {
                rest.because("RefundFailed", REFUND_FAILED).step()
            } else {
                rest.because(&compensation.reason, "The goods are being put back.").step()
            };
        }
        Branch::Failed(why) => return Move::to(OrderPhase::Stuck, Some("ReleaseFailed"), why),
    }
    if goods_before_money {
        let why = draft.payment().and_then(|payment| payment.message).unwrap_or(REFUND_FAILED);
        return Move::to(OrderPhase::Stuck, Some("RefundFailed"), why);
    }
    Move::to(compensation.target, Some(&compensation.reason), super::words::ended(draft, &compensation))
}

const REFUND_FAILED: &str = "The money could not be given back: a person has to do it at the provider.";

fn label(draft: &Draft<'_>) -> Branch {
    let Some(shipment) = draft.shipment() else { return Branch::Open(Some(draft.cancel_label())) };
    match shipment.latest {
        Some(ShipmentPhase::Lost | ShipmentPhase::Returned | ShipmentPhase::Rejected) => return Branch::Done,
        Some(
            ShipmentPhase::InTransit
            | ShipmentPhase::OutForDelivery
            | ShipmentPhase::Exception
            | ShipmentPhase::Delivered,
        ) => return Branch::Refused,
        Some(ShipmentPhase::Pending | ShipmentPhase::Booked | ShipmentPhase::Cancelled) | None => {}
    }
    if shipment.is_wanted() {
        return Branch::Open(Some(draft.cancel_label()));
    }
    match shipment.answer {
        Some(ShipmentPhase::Cancelled) => Branch::Done,
        Some(_) | None => Branch::Open(asked_again(draft.situation.shipment).then(|| draft.cancel_label())),
    }
}

fn money(draft: &Draft<'_>) -> Branch {
    let Some(payment) = draft.payment() else {
        return Branch::Open(Some(draft.payment_to(PaymentDesired::Cancelled)));
    };
    if payment.is_wanted() {
        let desired = match payment.latest {
            Some(PaymentPhase::Captured) => PaymentDesired::Refunded,
            Some(_) | None => PaymentDesired::Cancelled,
        };
        return Branch::Open(Some(draft.payment_to(desired)));
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
        | None => Branch::Open(
            asked_again(draft.situation.payment).then(|| draft.payment_to(PaymentDesired::Cancelled)),
        ),
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
        return Branch::Open(Some(draft.reservation_to(desired)));
    };
    if reservation.answer == Some(wanted) {
        return Branch::Done;
    }
    if reservation.spec.desired != desired {
        return Branch::Open(Some(draft.reservation_to(desired)));
    }
    Branch::Open(asked_again(draft.situation.reservation).then(|| draft.reservation_to(desired)))
}

/// A child that exists at its service alone is asked for again by the effect: no watch tells of it.
fn asked_again<C: kube::Resource>(child: Option<&C>) -> bool {
    child.is_some_and(|child| child.meta().uid.is_none())
}
