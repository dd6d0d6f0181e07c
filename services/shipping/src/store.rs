//! The rows of parcels, their bookings and their steps.

use anyhow::Context as _;
use chassis::{HandleError, Transaction, from_database, to_database};
use jiff::Timestamp;
use resources::{ShipmentDesired, ShipmentPhase};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::Row;
use sqlx::postgres::PgRow;
use time::OffsetDateTime;

use crate::carrier::Detail;
use crate::parcel::{Booking, Label, Parcel, reference};

/// Reads the parcel of an order and keeps others from changing it until the transaction ends.
///
/// # Errors
/// When the database fails, or a row cannot be read.
pub(crate) async fn load_in_tx(
    transaction: &mut Transaction,
    order_id: &str,
) -> Result<Option<Parcel>, HandleError> {
    // Locked by a statement of its own: one that waits for the lock sees the row as it is then, and what it joins as it was
    // before, so that a label that was just written would be missing.
    let locked = sqlx::query("SELECT 1 FROM shipments WHERE order_id = $1 FOR UPDATE")
        .bind(order_id)
        .fetch_optional(&mut **transaction)
        .await?;
    if locked.is_none() {
        return Ok(None);
    }
    let row = sqlx::query(
        "SELECT s.*, b.asked, b.open_since, b.lost_until, b.carrier_shipment_id, b.tracking_number, b.tracking_url,
             b.estimated_delivery, b.voided,
             (SELECT json_agg(json_build_object('status', t.status, 'detail', t.detail, 'message', t.message, 'at', t.at)
                              ORDER BY t.id)
              FROM tracking t WHERE t.order_id = s.order_id AND t.attempt = s.attempt) AS details
         FROM shipments s LEFT JOIN bookings b ON b.order_id = s.order_id AND b.attempt = s.attempt
         WHERE s.order_id = $1",
    )
    .bind(order_id)
    .fetch_optional(&mut **transaction)
    .await?;
    row.map(|row| read(&row).with_context(|| format!("failed to read the parcel of order {order_id}")))
        .transpose()
        .map_err(HandleError::Failed)
}

fn read(row: &PgRow) -> anyhow::Result<Parcel> {
    let time = |column: &str| -> anyhow::Result<Option<Timestamp>> {
        Ok(row.try_get::<Option<OffsetDateTime>, _>(column)?.map(from_database))
    };
    let label = match row.try_get::<Option<String>, _>("carrier_shipment_id")? {
        Some(shipment_id) => Some(Label {
            shipment_id,
            tracking_number: row.try_get("tracking_number")?,
            tracking_url: row.try_get("tracking_url")?,
            estimated_delivery: time("estimated_delivery")?,
        }),
        None => None,
    };
    let booking = Booking {
        asked: row.try_get::<Option<bool>, _>("asked")?.unwrap_or_default(),
        open_since: time("open_since")?,
        lost_until: time("lost_until")?,
        label,
        voided: row.try_get::<Option<bool>, _>("voided")?.unwrap_or_default(),
    };
    let phase: Option<String> = row.try_get("phase")?;
    let details: Option<Vec<StoredDetail>> =
        row.try_get::<Option<Value>, _>("details")?.map(serde_json::from_value).transpose()?;
    Ok(Parcel {
        order_id: row.try_get("order_id")?,
        namespace: row.try_get("namespace")?,
        name: row.try_get("name")?,
        uid: row.try_get("uid")?,
        generation: row.try_get("generation")?,
        observed_generation: row.try_get("observed_generation")?,
        spec: serde_json::from_value(row.try_get("spec")?)?,
        wished_attempt: u32::try_from(row.try_get::<i64, _>("wished_attempt")?)?,
        cancelled_attempt: row
            .try_get::<Option<i64>, _>("cancelled_attempt")?
            .map(u32::try_from)
            .transpose()?,
        attempt: u32::try_from(row.try_get::<i64, _>("attempt")?)?,
        phase: phase.map(word::<ShipmentPhase>).transpose()?,
        revision: row.try_get("revision")?,
        cancel_refused: row.try_get("cancel_refused")?,
        reason: row.try_get("reason")?,
        message: row.try_get("message")?,
        track_at: time("track_at")?,
        booking,
        details: details.unwrap_or_default().into_iter().map(StoredDetail::into_detail).collect(),
    })
}

#[derive(Deserialize)]
struct StoredDetail {
    status: String,
    detail: String,
    message: Option<String>,
    at: Timestamp,
}

impl StoredDetail {
    fn into_detail(self) -> Detail {
        let Self { status, detail, message, at } = self;
        Detail { status, detail, message, at }
    }
}

fn word<T: DeserializeOwned>(text: String) -> Result<T, serde_json::Error> {
    serde_json::from_value(Value::String(text))
}

/// Writes the parcel, and the booking of its attempt if the carrier may know of it.
///
/// # Errors
/// When the database fails; also when another transaction has just written the first row of this order, which shows the
/// next time.
pub(crate) async fn save_in_tx(
    transaction: &mut Transaction,
    parcel: &Parcel,
    is_new: bool,
) -> Result<(), HandleError> {
    save_shipment(transaction, parcel, is_new).await?;
    if parcel.booking != Booking::default() {
        save_booking_in_tx(transaction, &parcel.order_id, parcel.attempt, &parcel.booking).await?;
    }
    Ok(())
}

/// Writes steps of an attempt that were not known before.
///
/// # Errors
/// When the database fails.
pub(crate) async fn save_details_in_tx(
    transaction: &mut Transaction,
    order_id: &str,
    attempt: u32,
    details: &[Detail],
) -> Result<(), HandleError> {
    for Detail { status, detail, message, at } in details {
        sqlx::query(
            "INSERT INTO tracking (order_id, attempt, status, detail, message, at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT DO NOTHING",
        )
        .bind(order_id)
        .bind(i64::from(attempt))
        .bind(status)
        .bind(detail)
        .bind(message)
        .bind(to_database(*at))
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

async fn save_shipment(
    transaction: &mut Transaction,
    parcel: &Parcel,
    is_new: bool,
) -> Result<(), HandleError> {
    let spec = serde_json::to_value(&parcel.spec)
        .with_context(|| format!("failed to write the spec of the parcel of order {}", parcel.order_id))?;
    let desired = match parcel.desired() {
        ShipmentDesired::Delivered => "Delivered",
        ShipmentDesired::Cancelled => "Cancelled",
    };
    let statement = if is_new {
        "INSERT INTO shipments (order_id, namespace, name, uid, generation, observed_generation, desired, wished_attempt,
             cancelled_attempt, attempt, spec, phase, revision, cancel_refused, reason, message, track_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
    } else {
        "UPDATE shipments SET namespace = $2, name = $3, uid = $4, generation = $5, observed_generation = $6, desired = $7,
             wished_attempt = $8, cancelled_attempt = $9, attempt = $10, spec = $11, phase = $12, revision = $13,
             cancel_refused = $14, reason = $15, message = $16, track_at = $17, updated_at = now()
         WHERE order_id = $1"
    };
    sqlx::query(statement)
        .bind(&parcel.order_id)
        .bind(&parcel.namespace)
        .bind(&parcel.name)
        .bind(&parcel.uid)
        .bind(parcel.generation)
        .bind(parcel.observed_generation)
        .bind(desired)
        .bind(i64::from(parcel.wished_attempt))
        .bind(parcel.cancelled_attempt.map(i64::from))
        .bind(i64::from(parcel.attempt))
        .bind(spec)
        .bind(parcel.phase.map(ShipmentPhase::as_str))
        .bind(parcel.revision)
        .bind(parcel.cancel_refused)
        .bind(&parcel.reason)
        .bind(&parcel.message)
        .bind(parcel.track_at.map(to_database))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Writes what is known of the label of an attempt.
///
/// # Errors
/// When the database fails.
pub(crate) async fn save_booking_in_tx(
    transaction: &mut Transaction,
    order_id: &str,
    attempt: u32,
    booking: &Booking,
) -> Result<(), HandleError> {
    let Booking { asked, open_since, lost_until, label, voided } = booking;
    sqlx::query(
        "INSERT INTO bookings (order_id, attempt, reference, asked, open_since, lost_until, carrier_shipment_id,
             tracking_number, tracking_url, estimated_delivery, voided)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (order_id, attempt) DO UPDATE SET asked = $4, open_since = $5, lost_until = $6,
             carrier_shipment_id = $7, tracking_number = $8, tracking_url = $9, estimated_delivery = $10, voided = $11,
             updated_at = now()",
    )
    .bind(order_id)
    .bind(i64::from(attempt))
    .bind(reference(order_id, attempt))
    .bind(asked)
    .bind(open_since.map(to_database))
    .bind(lost_until.map(to_database))
    .bind(label.as_ref().map(|label| &label.shipment_id))
    .bind(label.as_ref().map(|label| &label.tracking_number))
    .bind(label.as_ref().and_then(|label| label.tracking_url.as_ref()))
    .bind(label.as_ref().and_then(|label| label.estimated_delivery).map(to_database))
    .bind(voided)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Makes the parcel of `reference` due to be asked for now, unless the booking has ended or this step is known; true when
/// it is due.
///
/// # Errors
/// When the database fails.
pub(crate) async fn hint_in_tx(
    transaction: &mut Transaction,
    order_id: &str,
    attempt: i64,
    newest: Option<&Detail>,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let hinted = sqlx::query(
        // A hint always means now: an older one may be being served by an answer that does not know this step yet.
        "UPDATE shipments s SET track_at = $3
         WHERE s.order_id = $1 AND s.attempt = $2
             AND (s.phase IS NULL OR s.phase IN ('Booked', 'InTransit', 'OutForDelivery', 'Exception'))
             AND NOT EXISTS (SELECT FROM tracking t WHERE t.order_id = $1 AND t.attempt = $2 AND t.status = $4
                             AND t.detail = $5 AND t.at = $6)",
    )
    .bind(order_id)
    .bind(attempt)
    .bind(to_database(now))
    .bind(newest.map(|newest| &newest.status))
    .bind(newest.map(|newest| &newest.detail))
    .bind(newest.map(|newest| to_database(newest.at)))
    .execute(&mut **transaction)
    .await?;
    Ok(hinted.rows_affected() == 1)
}

/// The reference of the booking with `tracking_number`.
///
/// # Errors
/// When the database fails.
pub(crate) async fn reference_of_in_tx(
    transaction: &mut Transaction,
    tracking_number: &str,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT reference FROM bookings WHERE tracking_number = $1")
        .bind(tracking_number)
        .fetch_optional(&mut **transaction)
        .await
}
