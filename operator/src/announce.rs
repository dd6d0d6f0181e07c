//! What the operator tells of an order: the data of `order.*` events.

use events::{Contact, Event, EventError, EventType, OrderTransition, PaymentDetails};
use resources::{OrderPhase, OrderStatus};

use crate::order::Situation;

/// The data of the event that announces the last transition in `status`.
#[must_use]
pub(crate) fn transition(situation: &Situation<'_>, status: &OrderStatus) -> OrderTransition {
    let order = situation.order;
    let shipment = situation.shipment.and_then(|shipment| shipment.status.as_ref());
    let payment = situation.payment.map(|payment| {
        let reported = payment.status.as_ref();
        PaymentDetails {
            phase: reported.and_then(|status| status.phase),
            attempt: payment.spec.attempt,
            captured: reported.and_then(|status| status.captured),
            refunded: reported.and_then(|status| status.refunded),
            action_url: reported.and_then(|status| status.action_url.clone()),
            message: reported.and_then(|status| status.message.clone()),
            pay_before: None,
        }
    });
    let waits = status.phase == Some(OrderPhase::AwaitingPayment);
    let pay_before =
        waits.then(|| situation.now.checked_add(situation.policy.payment_timeout).ok()).flatten();
    let payment = match (payment, waits) {
        (Some(payment), _) => Some(PaymentDetails { pay_before, ..payment }),
        (None, true) => Some(PaymentDetails {
            phase: None,
            attempt: 0,
            captured: None,
            refunded: None,
            action_url: None,
            message: None,
            pay_before,
        }),
        (None, false) => None,
    };
    OrderTransition {
        order_id: situation.id.to_owned(),
        namespace: order.metadata.namespace.clone().unwrap_or_default(),
        name: order.metadata.name.clone().unwrap_or_default(),
        sequence: status.sequence,
        phase: status.phase.unwrap_or(OrderPhase::Placed),
        reason: status.reason.clone(),
        message: status.message.clone(),
        at: status.history.last().map_or(situation.now, |entry| entry.at.0),
        customer: Contact {
            id: order.spec.customer.id.clone(),
            email: order.spec.customer.email.clone(),
            name: order.spec.shipping_address.name.clone(),
        },
        total: status.total,
        lines: status.lines.clone(),
        payment,
        tracking_number: shipment.and_then(|shipment| shipment.tracking_number.clone()),
        tracking_url: shipment.and_then(|shipment| shipment.tracking_url.clone()),
        estimated_delivery: shipment.and_then(|shipment| shipment.estimated_delivery.as_ref()).map(|at| at.0),
    }
}

/// The event that tells that an order is kept for ever and its resource goes.
///
/// # Errors
/// As [`OrderTransition::event`].
pub(crate) fn archived(data: &OrderTransition) -> Result<Event, EventError> {
    let id = format!("{}/archived", data.order_id);
    Event::new(EventType::OrderArchived, "operator", id, &data.order_id, chassis::clock::now(), data)
}
