//! What the status says besides the phase: conditions and the columns for people who list orders.

use events::TraceParent;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use resources::{
    ConditionStatus, OrderPhase, OrderStatus, PaymentPhase, ReservationPhase, condition, find_condition,
    set_condition,
};

use super::decide::Situation;
use super::view::{PaymentView, ReservationView, ShipmentView};

/// Completes `status` from what is observed.
pub(crate) fn complete(status: &mut OrderStatus, situation: &Situation<'_>) {
    let generation = situation.order.metadata.generation;
    status.observed_generation = generation;
    if status.order_id.is_none() {
        status.order_id = Some(situation.id.to_owned());
        status.trace_id = Some(TraceParent::of_order(situation.id).trace_id().to_owned());
    }
    let payment = situation.payment.map(PaymentView::of);
    // Of a payment whose object is gone, as in a namespace that goes, what was known last stays true; so it does where a report
    // was heard that the object does not show yet, and is not remembered any more.
    let tells_nothing = situation.payment.is_none_or(|payment| payment.status.is_none());
    let known_before = tells_nothing.then(|| known(&status.conditions, "Paid")).flatten();
    if known_before.is_none() {
        status.payment =
            payment.and_then(|payment| payment.of_attempt).map(|phase| phase.as_str().to_owned());
    }
    let shipment_status = situation.shipment.and_then(|shipment| shipment.status.as_ref());
    status.tracking = shipment_status.and_then(|shipment| shipment.tracking_number.clone());
    super::letters::tell(status, situation, at(situation.now));
    let Some(phase) = status.phase else { return };
    let claims = [
        accepted(phase, status),
        stock_reserved(phase, situation.reservation.map(ReservationView::of)),
        known_before.unwrap_or_else(|| paid(payment)),
        shipped(phase, situation.shipment.map(ShipmentView::of)),
        finished(phase, status),
    ];
    for Claim { type_, holds, reason, message } in claims {
        let new = condition(type_, holds, &reason, &message, generation, at(situation.now));
        set_condition(&mut status.conditions, new);
    }
}

/// Conditions carry whole seconds.
fn at(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

struct Claim {
    type_: &'static str,
    holds: ConditionStatus,
    reason: String,
    message: String,
}

fn claim(type_: &'static str, holds: ConditionStatus, reason: &str, message: &str) -> Claim {
    Claim { type_, holds, reason: reason.to_owned(), message: message.to_owned() }
}

/// What was said before.
fn known(conditions: &[Condition], type_: &'static str) -> Option<Claim> {
    let known = find_condition(conditions, type_)?;
    let holds = match known.status.as_str() {
        "True" => ConditionStatus::True,
        "False" => ConditionStatus::False,
        _ => ConditionStatus::Unknown,
    };
    Some(claim(type_, holds, &known.reason, &known.message))
}

fn accepted(phase: OrderPhase, status: &OrderStatus) -> Claim {
    if phase == OrderPhase::Rejected {
        let reason = status.reason.as_deref().unwrap_or("Rejected");
        return claim("Accepted", ConditionStatus::False, reason, "The order was refused.");
    }
    if status.total.is_none() {
        return claim(
            "Accepted",
            ConditionStatus::False,
            "NotQuoted",
            "The order ended before it was quoted.",
        );
    }
    claim("Accepted", ConditionStatus::True, "Quoted", "Every line has a price.")
}

fn stock_reserved(phase: OrderPhase, reservation: Option<ReservationView<'_>>) -> Claim {
    let latest = reservation.and_then(|reservation| reservation.latest);
    match latest {
        Some(ReservationPhase::Held) => {
            claim("StockReserved", ConditionStatus::True, "Held", "The goods are set aside.")
        }
        Some(ReservationPhase::Committed) => {
            claim("StockReserved", ConditionStatus::True, "Committed", "The goods have left the house.")
        }
        Some(ReservationPhase::Insufficient) => {
            claim("StockReserved", ConditionStatus::False, "OutOfStock", "At least one article is short.")
        }
        Some(ReservationPhase::Released) => {
            claim("StockReserved", ConditionStatus::False, "Released", "No goods are held.")
        }
        Some(ReservationPhase::Expired) => {
            claim("StockReserved", ConditionStatus::False, "Expired", "The goods were held for a time only.")
        }
        Some(ReservationPhase::Pending) | None if phase == OrderPhase::Placed => {
            claim("StockReserved", ConditionStatus::Unknown, "Waiting", "Inventory has not answered yet.")
        }
        Some(ReservationPhase::Pending) | None => {
            claim("StockReserved", ConditionStatus::False, "NotHeld", "No goods are held.")
        }
    }
}

fn paid(payment: Option<PaymentView<'_>>) -> Claim {
    let Some(phase) = payment.and_then(|payment| payment.of_attempt) else {
        return claim("Paid", ConditionStatus::False, "NotPaid", "Nothing was charged.");
    };
    let (holds, message) = match phase {
        PaymentPhase::Captured => (ConditionStatus::True, "The money is taken."),
        PaymentPhase::Authorized => (ConditionStatus::True, "The money is promised and taken on dispatch."),
        PaymentPhase::Unknown => {
            (ConditionStatus::Unknown, "The provider is asked whether the money was taken.")
        }
        PaymentPhase::Pending => (ConditionStatus::False, "The provider has not answered yet."),
        PaymentPhase::ActionRequired => {
            (ConditionStatus::False, "The customer has to confirm with their bank.")
        }
        PaymentPhase::Declined => (ConditionStatus::False, "The provider declined."),
        PaymentPhase::Voided => (ConditionStatus::False, "Nothing was charged, and nothing can be any more."),
        PaymentPhase::Refunded => (ConditionStatus::False, "The money went back to the customer."),
        PaymentPhase::Failed => (ConditionStatus::Unknown, "The money could not be given back."),
    };
    claim("Paid", holds, phase.as_str(), message)
}

fn shipped(phase: OrderPhase, shipment: Option<ShipmentView<'_>>) -> Claim {
    match shipment.and_then(|shipment| shipment.latest) {
        Some(latest) if latest.has_left() => {
            claim("Shipped", ConditionStatus::True, latest.as_str(), "The carrier has taken the goods.")
        }
        Some(latest) => claim("Shipped", ConditionStatus::False, latest.as_str(), "The goods have not left."),
        None if phase.is_finished() => {
            claim("Shipped", ConditionStatus::False, "NotShipped", "The goods were never sent.")
        }
        None => claim("Shipped", ConditionStatus::False, "NotBooked", "No parcel is booked yet."),
    }
}

fn finished(phase: OrderPhase, status: &OrderStatus) -> Claim {
    let message = status.message.as_deref().unwrap_or("The order is under way.");
    if phase.is_finished() {
        return claim("Finished", ConditionStatus::True, phase.as_str(), message);
    }
    claim("Finished", ConditionStatus::False, phase.as_str(), "The order is under way.")
}
