//! `Paid`: a parcel is booked; with `OnDispatch` the money is taken when there is a label.

use resources::{OrderPhase, PaymentDesired, PaymentPhase, Settled, ShipmentPhase};

use super::draft::Draft;
use super::hold::{firming, with_firm_hold};
use super::plan::{Effect, Move, Rest, Step};
use super::reserved::{declined, waiting};
use super::view::{PaymentView, ShipmentView};

/// Why an order is stuck whose goods have left unpaid.
pub(crate) const DISPATCHED_UNPAID: &str = "DispatchedUnpaid";
/// What an order says while its last payment is made void, before the next.
pub(crate) const PAYMENT_CHANGING: &str = "PaymentChanging";

pub(crate) fn paid(draft: &mut Draft<'_>) -> Step {
    let shipment = draft.shipment();
    if let Some(step) = shipment.and_then(|shipment| after_report(draft, &shipment)) {
        return step;
    }
    if let Some(step) = draft.stop_wish() {
        return step;
    }
    match shipment {
        Some(shipment) if shipment.is_wanted() && is_readdressed(draft, &shipment) => {
            readdressing(draft.is_recorded().then(|| draft.cancel_label()))
        }
        Some(shipment) if shipment.is_wanted() => take_money(draft, &shipment),
        Some(shipment) if !shipment.is_void() => match money_refused(draft) {
            Some(_) => voiding_label(None),
            None => readdressing(None),
        },
        // Without a label, or with that of an earlier payment, which is void: the goods are booked, or booked again.
        earlier => match money_refused(draft) {
            Some(why) => declined(why),
            None => book(draft, earlier.map_or(1, |shipment| shipment.spec.attempt + 1)),
        },
    }
}

/// The address, or the service, was changed while the resource did not yet show that the order is paid: the label on its way
/// is for the old one. Once the phase is written the API server refuses such a change.
fn is_readdressed(draft: &Draft<'_>, shipment: &ShipmentView<'_>) -> bool {
    let spec = draft.spec();
    shipment.spec.shipping_address != spec.shipping_address || shipment.spec.service != spec.shipping_service
}

fn readdressing(effect: Option<Effect>) -> Step {
    let message = "The label is being voided; the parcel is booked anew to the new address.";
    Rest::wanting(effect).because("AddressChanged", message).step()
}

fn book(draft: &Draft<'_>, booking: u32) -> Step {
    if draft.is_suspended() {
        return suspended();
    }
    with_firm_hold(draft, || Rest::wanting([draft.book(booking)]).step())
}

/// What the carrier's report means for a paid order.
fn after_report(draft: &Draft<'_>, shipment: &ShipmentView<'_>) -> Option<Step> {
    if shipment.has_left() {
        return Some(after_dispatch(draft, shipment));
    }
    let refused = matches!(shipment.answer, Some(ShipmentPhase::Rejected | ShipmentPhase::Cancelled));
    (refused && shipment.is_wanted()).then(|| {
        let why = shipment.message.unwrap_or("The carrier does not take the parcel.");
        Move::compensate(
            OrderPhase::Failed,
            "ShippingFailed",
            format!("{why} The money goes back to the customer."),
        )
    })
}

/// The carrier has the goods: shipped, once the money is taken. For goods that are gone no money is asked any more.
fn after_dispatch(draft: &Draft<'_>, shipment: &ShipmentView<'_>) -> Step {
    if !is_taken(draft) && matches!(shipment.latest, Some(ShipmentPhase::Lost | ShipmentPhase::Returned)) {
        return Move::compensate(
            OrderPhase::Failed,
            "ShippingFailed",
            "The parcel did not reach the customer, and its money was never taken.",
        );
    }
    once_taken(draft, || Move::to(OrderPhase::Shipped, None, "The carrier has the goods."))
}

/// Goes on by `then` once the money for goods on their way is taken.
pub(crate) fn once_taken(draft: &Draft<'_>, then: impl FnOnce() -> Step) -> Step {
    if is_taken(draft) || draft.is_settled(Settled::Money) {
        return then();
    }
    if let Some(step) = charging_again(draft) {
        return step;
    }
    let undone = draft.payment().is_none_or(|payment| !payment.is_wanted());
    let why = money_refused(draft).or(undone.then_some("it was given back or voided before."));
    if let Some(why) = why {
        let message = format!(
            "The carrier has the goods, but the money could not be taken: {why} A person has to decide."
        );
        return Move::to(OrderPhase::Stuck, Some(DISPATCHED_UNPAID), message);
    }
    capture(draft)
}

/// A person has the payment made again: by the next attempt, once the last one is void for certain.
fn charging_again(draft: &Draft<'_>) -> Option<Step> {
    let attempt = draft.status.money_repair.as_ref()?.attempt?;
    let payment = draft.payment().filter(|payment| payment.spec.attempt < attempt)?;
    let effect = if payment.is_wanted() {
        Some(draft.payment_to(PaymentDesired::Cancelled))
    } else if payment.is_void() {
        // The goods have left: there is nothing to wait for.
        Some(draft.charge_to(PaymentDesired::Captured, draft.method_to_charge()?, attempt))
    } else if payment.has_undo_failed() {
        return None;
    } else {
        None
    };
    let message = "The payment is made again, once the last attempt is void for certain.";
    Some(Rest::wanting(effect.filter(|_| draft.is_recorded())).because(PAYMENT_CHANGING, message).step())
}

fn is_taken(draft: &Draft<'_>) -> bool {
    let taken =
        |payment: PaymentView<'_>| payment.is_wanted() && payment.answer == Some(PaymentPhase::Captured);
    draft.payment().map_or_else(|| draft.was_taken(), taken)
}

/// Takes the promised money once there is a label.
fn take_money(draft: &Draft<'_>, shipment: &ShipmentView<'_>) -> Step {
    if shipment.answer != Some(ShipmentPhase::Booked) || is_taken(draft) {
        return Rest::wanting(firming(draft)).step();
    }
    if money_refused(draft).is_some() {
        return voiding_label(draft.is_recorded().then(|| draft.cancel_label()));
    }
    capture(draft)
}

/// The promised money is taken. An order that is taken up from before it was paid would not know what was asked.
fn capture(draft: &Draft<'_>) -> Step {
    let Some(payment) = draft.payment() else { return Rest::default().step() };
    if payment.spec.desired != PaymentDesired::Authorized {
        return waiting(payment.answer);
    }
    if draft.is_suspended() {
        return suspended();
    }
    let effect = draft.is_recorded().then(|| draft.payment_to(PaymentDesired::Captured));
    Rest::wanting(effect).step()
}

fn suspended() -> Step {
    Rest::default()
        .because("Suspended", "The order is suspended: it is paid, what follows waits until it is resumed.")
        .step()
}

/// Why the provider refused to hand over what it had promised.
fn money_refused<'a>(draft: &Draft<'a>) -> Option<&'a str> {
    let payment = draft.payment().filter(PaymentView::is_wanted)?;
    let refused = match payment.answer? {
        PaymentPhase::Declined | PaymentPhase::Voided | PaymentPhase::Refunded | PaymentPhase::Failed => true,
        PaymentPhase::Pending
        | PaymentPhase::Authorized
        | PaymentPhase::Captured
        | PaymentPhase::ActionRequired
        | PaymentPhase::Unknown => false,
    };
    refused.then(|| payment.message.unwrap_or("The payment provider declined the payment."))
}

fn voiding_label(effect: Option<Effect>) -> Step {
    Rest::wanting(effect)
        .because("PaymentDeclined", "The promised money could not be taken; the label is being voided.")
        .step()
}
