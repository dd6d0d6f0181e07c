//! `Paid`: a parcel is booked; with `OnDispatch` the money is taken when there is a label.

use resources::{OrderPhase, PaymentDesired, PaymentPhase, ShipmentPhase};

use super::draft::Draft;
use super::plan::{Effect, Move, Rest, Step};
use super::view::{PaymentView, ShipmentView};

pub(crate) fn paid(draft: &mut Draft<'_>) -> Step {
    let shipment = draft.shipment();
    if let Some(step) = shipment.filter(ShipmentView::is_wanted).and_then(|shipment| after_report(draft, &shipment)) {
        return step;
    }
    if let Some(step) = draft.stop_wish() {
        return step;
    }
    let next_booking = match shipment {
        None => 1,
        Some(shipment) if shipment.is_wanted() => return take_money(draft, shipment.answer),
        Some(shipment) => match capture_refused(draft) {
            Some(why) => return back_to_payment(draft, &shipment, why),
            // The label of an earlier payment is void: the goods are booked again.
            None => shipment.spec.attempt + 1,
        },
    };
    if draft.is_suspended() {
        return Rest::default()
            .because("Suspended", "The order is suspended: it is paid, the parcel waits until it is resumed.")
            .step();
    }
    Rest::wanting([draft.book(next_booking)]).step()
}

/// What the carrier's report means for a paid order.
fn after_report(draft: &Draft<'_>, shipment: &ShipmentView<'_>) -> Option<Step> {
    match shipment.latest? {
        ShipmentPhase::InTransit
        | ShipmentPhase::OutForDelivery
        | ShipmentPhase::Exception
        | ShipmentPhase::Delivered
        | ShipmentPhase::Lost
        | ShipmentPhase::Returned => Some(after_dispatch(draft)),
        ShipmentPhase::Rejected | ShipmentPhase::Cancelled => {
            let why = shipment.message.unwrap_or("The carrier does not take the parcel.");
            Some(Move::compensate(
                OrderPhase::Failed,
                "ShippingFailed",
                format!("{why} The money goes back to the customer."),
            ))
        }
        ShipmentPhase::Booked | ShipmentPhase::Pending => None,
    }
}

/// The carrier has the goods: shipped, once the money is taken.
fn after_dispatch(draft: &Draft<'_>) -> Step {
    let captured = draft.payment().and_then(|payment| payment.answer) == Some(PaymentPhase::Captured);
    if captured {
        return Move::to(OrderPhase::Shipped, None, "The carrier has the goods.");
    }
    match capture_refused(draft) {
        Some(why) => Move::to(
            OrderPhase::Stuck,
            Some("DispatchedUnpaid"),
            format!("The carrier has the goods, but the money could not be taken: {why} A person has to decide."),
        ),
        None => Rest::wanting(capture(draft)).step(),
    }
}

/// Takes the promised money once there is a label.
fn take_money(draft: &Draft<'_>, shipment: Option<ShipmentPhase>) -> Step {
    if shipment != Some(ShipmentPhase::Booked) {
        return Rest::default().step();
    }
    if capture_refused(draft).is_some() {
        return Rest::wanting([draft.cancel_label()])
            .because("PaymentDeclined", "The promised money could not be taken; the label is being voided.")
            .step();
    }
    Rest::wanting(capture(draft)).step()
}

fn capture(draft: &Draft<'_>) -> Option<Effect> {
    let payment = draft.payment()?;
    (payment.spec.desired == PaymentDesired::Authorized).then(|| draft.payment_to(PaymentDesired::Captured))
}

/// Why the provider refused to hand over what it had promised.
fn capture_refused<'a>(draft: &Draft<'a>) -> Option<&'a str> {
    let payment = draft.payment().filter(PaymentView::is_wanted)?;
    matches!(payment.answer, Some(PaymentPhase::Declined | PaymentPhase::Voided))
        .then(|| payment.message.unwrap_or("The payment provider declined the payment."))
}

/// The label is being voided because the money could not be taken.
fn back_to_payment(draft: &Draft<'_>, shipment: &ShipmentView<'_>, why: &str) -> Step {
    match shipment.answer {
        Some(ShipmentPhase::Cancelled | ShipmentPhase::Rejected) => Move::to(
            OrderPhase::AwaitingPayment,
            Some("PaymentDeclined"),
            format!("{why} Set another spec.payment.method, or raise spec.payment.retry to try the same again."),
        ),
        Some(phase) if phase.has_left() => after_dispatch(draft),
        Some(_) | None => Rest::default()
            .because("PaymentDeclined", "The promised money could not be taken; the label is being voided.")
            .step(),
    }
}
