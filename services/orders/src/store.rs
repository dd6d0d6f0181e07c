//! The tables `history` and `orders_index`.

use std::collections::{BTreeSet, HashMap};

use chassis::{Transaction, from_database, to_database};
use events::PaymentChanged;
use events::questions::{HistoryEvent, ProcessedOrder, RecallName};
use jiff::Timestamp;
use resources::{OrderPhase, OrderSpec};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde_json::Value;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgRow;
use sqlx::types::time::OffsetDateTime;
use sqlx::{PgPool, Row};

use crate::record::{OrderName, Record};
use crate::summary::{Processed, Summary};
use crate::timeline::Recorded;

/// The service's own tables.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The row of `order`, locked until the end of the transaction; made when it is not there, first seen at `at`.
pub(crate) async fn lock_order_in_tx(
    transaction: &mut Transaction,
    order: &OrderName,
    at: Timestamp,
) -> Result<Summary, sqlx::Error> {
    let select = "SELECT phase, sequence, complete_to, gap_since, processed_phase, processed_at, first_seen
                  FROM orders_index WHERE order_id = $1 FOR UPDATE";
    if let Some(row) = sqlx::query(select).bind(&order.order_id).fetch_optional(&mut **transaction).await? {
        return read_summary(&row);
    }
    ensure_order_in_tx(transaction, order, at).await?;
    let row = sqlx::query(select).bind(&order.order_id).fetch_one(&mut **transaction).await?;
    read_summary(&row)
}

/// Makes the row of `order` when it is not there.
async fn ensure_order_in_tx(
    transaction: &mut Transaction,
    order: &OrderName,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    let OrderName { order_id, namespace, name } = order;
    sqlx::query(
        "INSERT INTO orders_index (order_id, namespace, name, first_seen) VALUES ($1, $2, $3, $4)
         ON CONFLICT (order_id) DO NOTHING",
    )
    .bind(order_id)
    .bind(namespace)
    .bind(name)
    .bind(to_database(at))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Appends `record`; false when it was recorded before.
pub(crate) async fn append_in_tx(
    transaction: &mut Transaction,
    record: &Record,
) -> Result<bool, sqlx::Error> {
    let Record { id, event, source, subject, order, transition, phase, reason, at, data } = record;
    let done = sqlx::query(
        "INSERT INTO history (ce_id, event, source, subject, order_id, namespace, name, sequence, phase, reason, at, data)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(event)
    .bind(source)
    .bind(subject)
    .bind(order.as_ref().map(|order| &order.order_id))
    .bind(order.as_ref().map(|order| &order.namespace))
    .bind(order.as_ref().map(|order| &order.name))
    .bind(transition.map(|transition| transition.sequence))
    .bind(phase)
    .bind(reason)
    .bind(to_database(*at))
    .bind(data)
    .execute(&mut **transaction)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The recorded sequences of an order beyond `after`.
pub(crate) async fn sequences_in_tx(
    transaction: &mut Transaction,
    order_id: &str,
    after: i64,
) -> Result<BTreeSet<i64>, sqlx::Error> {
    let sequences: Vec<i64> =
        sqlx::query_scalar("SELECT sequence FROM history WHERE order_id = $1 AND sequence > $2")
            .bind(order_id)
            .bind(after)
            .fetch_all(&mut **transaction)
            .await?;
    Ok(sequences.into_iter().collect())
}

/// The phase that was recorded for a transition.
pub(crate) async fn recorded_phase_in_tx(
    transaction: &mut Transaction,
    order_id: &str,
    sequence: i64,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT phase FROM history WHERE order_id = $1 AND sequence = $2")
        .bind(order_id)
        .bind(sequence)
        .fetch_optional(&mut **transaction)
        .await
}

/// Stores what the transitions of an order add up to.
pub(crate) async fn save_summary_in_tx(
    transaction: &mut Transaction,
    order_id: &str,
    summary: &Summary,
) -> Result<(), sqlx::Error> {
    let Summary { phase, sequence, complete_to, gap_since, processed, first_seen } = summary;
    sqlx::query(
        "UPDATE orders_index SET phase = $2, sequence = $3, complete_to = $4, gap_since = $5, processed = $6,
             processed_phase = $7, processed_at = $8, first_seen = $9 WHERE order_id = $1",
    )
    .bind(order_id)
    .bind(phase.map(OrderPhase::as_str))
    .bind(sequence)
    .bind(complete_to)
    .bind(gap_since.map(to_database))
    .bind(processed.is_some())
    .bind(processed.map(|processed| processed.phase.as_str()))
    .bind(processed.map(|processed| to_database(processed.at)))
    .bind(to_database(*first_seen))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// What the payment of an order told of itself.
pub(crate) async fn payment_events_in_tx(
    transaction: &mut Transaction,
    order_id: &str,
) -> Result<Vec<PaymentChanged>, sqlx::Error> {
    let events: Vec<Value> = sqlx::query_scalar(
        "SELECT data FROM history WHERE order_id = $1 AND starts_with(event, 'payment.') ORDER BY id",
    )
    .bind(order_id)
    .fetch_all(&mut **transaction)
    .await?;
    events
        .into_iter()
        .map(|data| serde_json::from_value(data).map_err(|error| sqlx::Error::Decode(Box::new(error))))
        .collect()
}

/// The sequence up to which an order was archived before.
pub(crate) async fn archived_sequence_in_tx(
    transaction: &mut Transaction,
    order_id: &str,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT archived_sequence FROM orders_index WHERE order_id = $1")
        .bind(order_id)
        .fetch_one(&mut **transaction)
        .await
}

/// Keeps the snapshot; the time of the first archiving stays.
pub(crate) async fn keep_snapshot_in_tx(
    transaction: &mut Transaction,
    order_id: &str,
    sequence: i64,
    snapshot: &Value,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE orders_index SET archived_at = COALESCE(archived_at, $2), archived_sequence = $3, snapshot = $4
         WHERE order_id = $1",
    )
    .bind(order_id)
    .bind(to_database(now))
    .bind(sequence)
    .bind(snapshot)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// What those orders that are in the archive wanted last, by order id.
pub(crate) async fn archived_specs(
    pool: &PgPool,
    order_ids: &[String],
) -> Result<HashMap<String, OrderSpec>, sqlx::Error> {
    let found: Vec<(String, Value)> = sqlx::query_as(
        "SELECT order_id, snapshot #> '{order,spec}' FROM orders_index
         WHERE order_id = ANY($1) AND snapshot #> '{order,spec}' IS NOT NULL",
    )
    .bind(order_ids)
    .fetch_all(pool)
    .await?;
    let read = |(id, spec)| Some((id, serde_json::from_value(spec).ok()?));
    Ok(found.into_iter().filter_map(read).collect())
}

/// Another order of that name whose goods went out; the newest.
pub(crate) async fn recall(
    pool: &PgPool,
    question: &RecallName,
) -> Result<Option<ProcessedOrder>, sqlx::Error> {
    let RecallName { namespace, name, order_id } = question;
    let row = sqlx::query(
        "SELECT order_id, processed_phase, processed_at FROM orders_index
         WHERE namespace = $1 AND name = $2 AND processed AND order_id <> $3
             AND phase NOT IN ('Failed', 'Cancelled', 'Rejected') -- ended without goods: the name may try again
         ORDER BY processed_at DESC LIMIT 1",
    )
    .bind(namespace)
    .bind(name)
    .bind(order_id)
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        Ok(ProcessedOrder {
            order_id: row.try_get("order_id")?,
            phase: phase_of(row.try_get("processed_phase")?)?,
            at: from_database(row.try_get("processed_at")?),
        })
    })
    .transpose()
}

/// An order of a name.
pub(crate) struct Named {
    pub(crate) order_id: String,
    pub(crate) archived_at: Option<Timestamp>,
}

/// Every order of that name, newest first.
pub(crate) async fn orders_named(
    pool: &PgPool,
    namespace: &str,
    name: &str,
) -> Result<Vec<Named>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT order_id, archived_at FROM orders_index WHERE namespace = $1 AND name = $2
         ORDER BY first_seen DESC, order_id",
    )
    .bind(namespace)
    .bind(name)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let archived_at: Option<OffsetDateTime> = row.try_get("archived_at")?;
            Ok(Named { order_id: row.try_get("order_id")?, archived_at: archived_at.map(from_database) })
        })
        .collect()
}

/// Every event about an order, as recorded.
pub(crate) async fn events_of(pool: &PgPool, order_id: &str) -> Result<Vec<Recorded>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT id, ce_id, event, sequence, phase, reason, at, data FROM history WHERE order_id = $1 ORDER BY id",
    )
    .bind(order_id)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let event = HistoryEvent {
                at: from_database(row.try_get("at")?),
                event: row.try_get("event")?,
                id: row.try_get("ce_id")?,
                sequence: row.try_get("sequence")?,
                phase: row.try_get("phase")?,
                reason: row.try_get("reason")?,
                data: row.try_get("data")?,
            };
            Ok(Recorded { id: row.try_get("id")?, event })
        })
        .collect()
}

/// How many orders have missed a transition since before `before`, and the ids of some of them.
pub(crate) async fn orders_with_gaps(
    pool: &PgPool,
    before: Timestamp,
) -> Result<(i64, Vec<String>), sqlx::Error> {
    let row = sqlx::query(
        "WITH gaps AS (SELECT order_id, gap_since FROM orders_index WHERE gap_since < $1)
         SELECT (SELECT count(*) FROM gaps) AS count,
                ARRAY(SELECT order_id FROM gaps ORDER BY random() LIMIT 10) AS some",
    )
    .bind(to_database(before))
    .fetch_one(pool)
    .await?;
    Ok((row.try_get("count")?, row.try_get("some")?))
}

fn read_summary(row: &PgRow) -> Result<Summary, sqlx::Error> {
    let time = |column: &str| -> Result<Option<Timestamp>, sqlx::Error> {
        Ok(row.try_get::<Option<OffsetDateTime>, _>(column)?.map(from_database))
    };
    let phase = |column: &str| row.try_get::<Option<&str>, _>(column)?.map(phase_of).transpose();
    Ok(Summary {
        phase: phase("phase")?,
        sequence: row.try_get("sequence")?,
        complete_to: row.try_get("complete_to")?,
        gap_since: time("gap_since")?,
        processed: phase("processed_phase")?
            .zip(time("processed_at")?)
            .map(|(phase, at)| Processed { phase, at }),
        first_seen: from_database(row.try_get("first_seen")?),
    })
}

pub(crate) fn phase_of(text: &str) -> Result<OrderPhase, sqlx::Error> {
    let deserializer: StrDeserializer<'_, ValueError> = text.into_deserializer();
    OrderPhase::deserialize(deserializer).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
