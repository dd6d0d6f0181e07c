//! What the world is told: private states become the events of the catalogue and the status in the resource.

use anyhow::Context as _;
use chassis::{ChildKind, HandleError, StatusReport, Transaction};
use events::{Event, EventType, ShipmentChanged};
use resources::ShipmentPhase;

use crate::parcel::{Change, Parcel};

const fn event_type(phase: ShipmentPhase) -> Option<EventType> {
    match phase {
        ShipmentPhase::Pending => None,
        ShipmentPhase::Booked => Some(EventType::ShipmentBooked),
        ShipmentPhase::InTransit => Some(EventType::ShipmentDispatched),
        ShipmentPhase::OutForDelivery => Some(EventType::ShipmentOutForDelivery),
        ShipmentPhase::Exception => Some(EventType::ShipmentException),
        ShipmentPhase::Delivered => Some(EventType::ShipmentDelivered),
        ShipmentPhase::Rejected => Some(EventType::ShipmentRejected),
        ShipmentPhase::Lost => Some(EventType::ShipmentLost),
        ShipmentPhase::Returned => Some(EventType::ShipmentReturned),
        ShipmentPhase::Cancelled => Some(EventType::ShipmentCancelled),
    }
}

/// Publishes an event for each state that the parcel came to.
///
/// # Errors
/// When an event cannot be made.
pub(crate) async fn publish_in_tx(
    transaction: &mut Transaction,
    parcel: &Parcel,
    changes: &[Change],
) -> Result<(), HandleError> {
    for change in changes {
        let Some(event_type) = event_type(change.phase) else { continue };
        metrics::counter!("supercargo_shipping_phases_total", "phase" => change.phase.as_str()).increment(1);
        transaction.publish(&event(event_type, parcel, change)?);
    }
    Ok(())
}

fn event(event_type: EventType, parcel: &Parcel, change: &Change) -> anyhow::Result<Event> {
    let label = change.label.as_ref();
    let data = ShipmentChanged {
        order_id: parcel.order_id.clone(),
        namespace: parcel.namespace.clone(),
        name: parcel.name.clone(),
        revision: change.revision,
        phase: change.phase,
        attempt: change.attempt,
        tracking_number: label.map(|label| label.tracking_number.clone()),
        tracking_url: label.and_then(|label| label.tracking_url.clone()),
        estimated_delivery: label.and_then(|label| label.estimated_delivery),
        reason: change.reason.clone(),
        message: change.message.clone(),
    };
    let id = format!("{}/shipment/{}", parcel.order_id, change.revision);
    Event::new(event_type, "shipping", id, &parcel.order_id, change.at, &data).with_context(|| {
        format!("failed to make the event {} of order {}", event_type.name(), parcel.order_id)
    })
}

/// Reports the present state to the resource, if there is one.
///
/// # Errors
/// When the report cannot be made.
pub(crate) async fn report_in_tx(transaction: &mut Transaction, parcel: &Parcel) -> Result<(), HandleError> {
    let Some(uid) = &parcel.uid else { return Ok(()) };
    let status = serde_json::to_value(parcel.status()).with_context(|| {
        format!("failed to write the status of the shipment of order {}", parcel.order_id)
    })?;
    let report = StatusReport {
        kind: ChildKind::Shipment,
        namespace: parcel.namespace.clone(),
        name: parcel.name.clone(),
        uid: uid.clone(),
        status,
    };
    transaction.report(&report);
    Ok(())
}
