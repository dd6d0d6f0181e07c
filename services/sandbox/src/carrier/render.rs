//! The JSON that EasyPost's clients expect.

use serde_json::{Value, json};

use super::model::{Booking, Shipment};
use super::tracking::Step;
use crate::common::rfc3339;

/// What a service costs, in decimal text.
const RATES: [(&str, &str); 2] = [("standard", "4.90"), ("express", "9.90")];

/// A shipment as it is now; links lie below `base`.
pub(crate) fn shipment(shipment: &Shipment, now: i64, base: &str) -> Value {
    let rates: Vec<Value> = RATES.iter().map(|(service, price)| rate(shipment, service, price)).collect();
    let selected = rates.iter().find(|rate| rate["service"] == *shipment.service).cloned();
    let address = |prefix: &str| shipment.id.replacen("shp", prefix, 1);
    let mut to_address = json!(shipment.to_address);
    to_address["id"] = json!(address("adr"));
    to_address["object"] = json!("Address");
    let history = shipment.history(now);
    let updated = history.last().map_or(shipment.cancelled_at.unwrap_or(shipment.created_at), |step| step.at);
    let booking = shipment.booking.as_ref();
    json!({
        "id": shipment.id,
        "object": "Shipment",
        "mode": "test",
        "reference": shipment.reference,
        "service": shipment.service,
        "status": shipment.status_name(now),
        "tracking_code": booking.map(|booking| &booking.tracking_code),
        "refund_status": shipment.cancelled_at.map(|_| "refunded"),
        "created_at": rfc3339(shipment.created_at),
        "updated_at": rfc3339(updated),
        "to_address": to_address,
        "items": shipment.items,
        "parcel": shipment.parcel,
        "rates": rates,
        "selected_rate": booking.and(selected),
        "postage_label": booking.map(|_| json!({
            "id": address("pl"),
            "object": "PostageLabel",
            "label_url": format!("{base}/labels/{}.txt", shipment.id),
        })),
        "tracker": booking.map(|booking| tracker(shipment, booking, &history, base)),
    })
}

fn rate(shipment: &Shipment, service: &str, price: &str) -> Value {
    json!({
        "id": format!("{}_{service}", shipment.id.replacen("shp", "rate", 1)),
        "object": "Rate",
        "carrier": "Sandbox",
        "service": service,
        "rate": price,
        "currency": "EUR",
        "shipment_id": shipment.id,
    })
}

/// The tracker, with the steps that it knows of.
pub(crate) fn tracker(shipment: &Shipment, booking: &Booking, history: &[Step], base: &str) -> Value {
    let details: Vec<Value> = history
        .iter()
        .map(|step| {
            json!({
                "object": "TrackingDetail",
                "status": step.status.name(),
                "status_detail": step.status.detail(),
                "message": step.status.message(),
                "datetime": rfc3339(step.at),
                "source": "Sandbox",
            })
        })
        .collect();
    let last = history.last();
    json!({
        "id": booking.tracker_id,
        "object": "Tracker",
        "mode": "test",
        "tracking_code": booking.tracking_code,
        "status": last.map_or("unknown", |step| step.status.name()),
        "status_detail": last.map_or("unknown", |step| step.status.detail()),
        "carrier": "Sandbox",
        "shipment_id": shipment.id,
        "reference": shipment.reference,
        "est_delivery_date": rfc3339(booking.booked_at + booking.delivery_millis),
        "created_at": rfc3339(booking.booked_at),
        "updated_at": rfc3339(last.map_or(booking.booked_at, |step| step.at)),
        "public_url": format!("{base}/track/{}", booking.tracking_code),
        "tracking_details": details,
    })
}

/// A tracking event as webhooks carry it.
pub(crate) fn event(id: &str, tracker: &Value, now: i64) -> Value {
    json!({
        "id": id,
        "object": "Event",
        "mode": "test",
        "description": "tracker.updated",
        "created_at": rfc3339(now),
        "result": tracker,
    })
}
