//! What this service answers to those who audit it: the facts of its orders.

use anyhow::Context as _;
use jiff::Timestamp;
use resources::ShipmentPhase;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use sqlx::Row;
use sqlx::postgres::{PgPool, PgRow};

/// The parcel of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParcelFacts {
    /// The order id.
    pub order_id: String,
    /// The namespace of the order.
    pub namespace: String,
    /// The name of the order.
    pub name: String,
    /// What has come true; absent while nothing is known of its label.
    pub phase: Option<ShipmentPhase>,
    /// How many labels of the order the carrier would carry, over all bookings.
    pub live_labels: i64,
    /// The number of the newest report; absent while nothing was to be reported.
    pub revision: Option<i64>,
    /// The child that is reported to.
    pub child: Option<String>,
    /// When it changed last.
    pub changed_at: Timestamp,
}

/// The facts of those of `order_ids` that are known.
///
/// # Errors
/// When the database fails.
pub async fn facts_of(pool: &PgPool, order_ids: &[String]) -> anyhow::Result<Vec<ParcelFacts>> {
    let rows = sqlx::query(
        "SELECT order_id, namespace, name, phase, uid, updated_at,
             CASE WHEN phase IS NOT NULL OR reason IS NOT NULL THEN revision END AS revision,
             (SELECT count(*) FROM bookings WHERE bookings.order_id = shipments.order_id
                 AND carrier_shipment_id IS NOT NULL AND NOT voided) AS live_labels
         FROM shipments WHERE order_id = ANY($1)",
    )
    .bind(order_ids)
    .fetch_all(pool)
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &PgRow) -> anyhow::Result<ParcelFacts> {
    let phase = |text: &str| {
        let reader: StrDeserializer<'_, ValueError> = text.into_deserializer();
        ShipmentPhase::deserialize(reader)
            .with_context(|| format!("{text:?} in the table of shipments is no phase"))
    };
    Ok(ParcelFacts {
        order_id: row.try_get("order_id")?,
        namespace: row.try_get("namespace")?,
        name: row.try_get("name")?,
        phase: row.try_get::<Option<&str>, _>("phase")?.map(phase).transpose()?,
        live_labels: row.try_get("live_labels")?,
        revision: row.try_get("revision")?,
        child: row.try_get("uid")?,
        changed_at: chassis::from_database(row.try_get("updated_at")?),
    })
}

/// The ids of at most `limit` orders after `after`, in the order of the index; of one namespace when it is given.
///
/// # Errors
/// When the database fails.
pub async fn ids_after(
    pool: &PgPool,
    namespace: Option<&str>,
    after: &str,
    limit: i64,
) -> Result<Vec<String>, sqlx::Error> {
    chassis::audit::order_ids_after(pool, "shipments", namespace, after, limit).await
}
