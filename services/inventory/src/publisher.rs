//! From what the ledger keeps to what others are told: events of the catalogue and reports to Kubernetes.

use anyhow::Context as _;
use chassis::{ChildKind, StatusReport};
use events::{Event, EventType, StockChanged, StockLevel};
use jiff::Timestamp;
use resources::ReservationPhase;

use crate::ledger::Level;
use crate::record::Reservation;

const SOURCE: &str = "inventory";

/// What happened to the goods of an order; `None` while nothing has.
///
/// # Errors
/// When the data cannot be written, which would be a defect of its type.
pub fn stock_changed(reservation: &Reservation, now: Timestamp) -> anyhow::Result<Option<Event>> {
    let event_type = match reservation.state.phase() {
        ReservationPhase::Pending => return Ok(None),
        ReservationPhase::Held => EventType::StockReserved,
        ReservationPhase::Insufficient => EventType::StockInsufficient,
        ReservationPhase::Committed => EventType::StockCommitted,
        ReservationPhase::Released => EventType::StockReleased,
        ReservationPhase::Expired => EventType::StockExpired,
    };
    let Reservation { order_id, namespace, name, child: _, desired: _, revision, state } = reservation;
    let data = StockChanged {
        order_id: order_id.clone(),
        namespace: namespace.clone(),
        name: name.clone(),
        revision: *revision,
        lines: state.goods().lines(),
        shortages: state.shortages().to_vec(),
    };
    let id = format!("{order_id}/stock/{revision}");
    Event::new(event_type, SOURCE, id, order_id, now, &data)
        .with_context(|| format!("failed to tell what happened to the goods of order {order_id}"))
        .map(Some)
}

/// The level of an article is another.
///
/// # Errors
/// As [`stock_changed`].
pub fn level_changed(sku: &str, level: &Level, now: Timestamp) -> anyhow::Result<Event> {
    let id = format!("stock/{sku}/{}", level.revision);
    level_event(EventType::StockLevelChanged, id, sku, level, now)
}

/// An article fell below its reorder point.
///
/// # Errors
/// As [`stock_changed`].
pub fn below_minimum(sku: &str, level: &Level, now: Timestamp) -> anyhow::Result<Event> {
    // The stream deduplicates by id, so that of the level itself would be swallowed.
    let id = format!("stock/{sku}/{}/below_minimum", level.revision);
    level_event(EventType::StockBelowMinimum, id, sku, level, now)
}

fn level_event(
    event_type: EventType,
    id: String,
    sku: &str,
    level: &Level,
    now: Timestamp,
) -> anyhow::Result<Event> {
    let Level { on_hand, reserved, revision, minimum: _ } = *level;
    let data = StockLevel { sku: sku.to_owned(), on_hand, reserved, available: level.available(), revision };
    Event::new(event_type, SOURCE, id, sku, now, &data)
        .with_context(|| format!("failed to tell the level of {sku}"))
}

/// The present state for the child with `uid`.
///
/// # Errors
/// When the status cannot be written, which would be a defect of its type.
pub fn report(reservation: &Reservation, uid: &str) -> anyhow::Result<StatusReport> {
    let status = serde_json::to_value(reservation.status()).with_context(|| {
        format!("failed to write the status of the reservation of order {}", reservation.order_id)
    })?;
    Ok(StatusReport {
        kind: ChildKind::StockReservation,
        namespace: reservation.namespace.clone(),
        name: reservation.name.clone(),
        uid: uid.to_owned(),
        status,
    })
}
