//! The table `order_views`: what shoppers read of their orders, a fold of the history.
//!
//! Of transitions the one with the greatest sequence counts, of what payment and shipping tell that with the greatest revision:
//! in whatever order events arrive, and however often, the row is the same in the end.

use chassis::{Transaction, from_database, to_database};
use events::{OrderTransition, PaymentChanged, ShipmentChanged};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::types::time::OffsetDateTime;
use sqlx::{Error, PgPool, Row};

use crate::record::{OrderName, Record};

/// An order as the history tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Which order.
    pub order: OrderName,
    /// The customer's user id; absent for a guest.
    pub user: Option<String>,
    /// When it was placed, or first heard of.
    pub placed_at: Timestamp,
    /// Its newest transition; absent before it is quoted.
    pub transition: Option<OrderTransition>,
    /// What payment told last.
    pub payment: Option<PaymentChanged>,
    /// What shipping told last.
    pub shipment: Option<ShipmentChanged>,
    /// What was asked for, where it was placed through REST.
    pub request: Option<Value>,
}

/// Folds a record that was just appended into its order's view.
pub(crate) async fn project_in_tx(transaction: &mut Transaction, record: &Record) -> Result<(), Error> {
    let Some(order) = &record.order else { return Ok(()) };
    if let Some(step) = &record.transition {
        let customer = record.data.pointer("/customer/id").and_then(Value::as_str);
        return with_transition(transaction, order, customer, record, step.sequence, step.phase.as_str())
            .await;
    }
    let revision = record.data.get("revision").and_then(Value::as_i64).unwrap_or_default();
    if record.event.starts_with("payment.") {
        with_report(
            transaction,
            order,
            record,
            revision,
            "INSERT INTO order_views (order_id, namespace, name, placed_at, payment_revision, payment)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (order_id) DO UPDATE SET
                 payment_revision = EXCLUDED.payment_revision, payment = EXCLUDED.payment,
                 placed_at = LEAST(order_views.placed_at, EXCLUDED.placed_at)
             WHERE order_views.payment_revision < EXCLUDED.payment_revision",
        )
        .await?;
    }
    if record.event.starts_with("shipment.") {
        with_report(
            transaction,
            order,
            record,
            revision,
            "INSERT INTO order_views (order_id, namespace, name, placed_at, shipment_revision, shipment)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (order_id) DO UPDATE SET
                 shipment_revision = EXCLUDED.shipment_revision, shipment = EXCLUDED.shipment,
                 placed_at = LEAST(order_views.placed_at, EXCLUDED.placed_at)
             WHERE order_views.shipment_revision < EXCLUDED.shipment_revision",
        )
        .await?;
    }
    Ok(())
}

async fn with_transition(
    transaction: &mut Transaction,
    order: &OrderName,
    customer: Option<&str>,
    record: &Record,
    sequence: i64,
    phase: &str,
) -> Result<(), Error> {
    let OrderName { order_id, namespace, name } = order;
    sqlx::query(
        "INSERT INTO order_views (order_id, namespace, name, user_id, placed_at, sequence, phase, transition)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (order_id) DO UPDATE SET
             user_id = CASE WHEN order_views.sequence < EXCLUDED.sequence
                            THEN COALESCE(EXCLUDED.user_id,
                                          (SELECT p.user_id FROM placements p WHERE p.order_id = EXCLUDED.order_id))
                            ELSE order_views.user_id END,
             placed_at = LEAST(order_views.placed_at, EXCLUDED.placed_at),
             sequence = GREATEST(order_views.sequence, EXCLUDED.sequence),
             phase = CASE WHEN order_views.sequence < EXCLUDED.sequence THEN EXCLUDED.phase ELSE order_views.phase END,
             transition = CASE WHEN order_views.sequence < EXCLUDED.sequence
                               THEN EXCLUDED.transition ELSE order_views.transition END",
    )
    .bind(order_id)
    .bind(namespace)
    .bind(name)
    .bind(customer)
    .bind(to_database(record.at))
    .bind(sequence)
    .bind(phase)
    .bind(&record.data)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn with_report(
    transaction: &mut Transaction,
    order: &OrderName,
    record: &Record,
    revision: i64,
    statement: &'static str,
) -> Result<(), Error> {
    let OrderName { order_id, namespace, name } = order;
    sqlx::query(statement)
        .bind(order_id)
        .bind(namespace)
        .bind(name)
        .bind(to_database(record.at))
        .bind(revision)
        .bind(&record.data)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Makes the view of an order that was just placed, before anything is told of it.
pub(crate) async fn begin_in_tx(
    transaction: &mut Transaction,
    order: &OrderName,
    user: &str,
    at: Timestamp,
) -> Result<(), Error> {
    let OrderName { order_id, namespace, name } = order;
    sqlx::query(
        "INSERT INTO order_views (order_id, namespace, name, user_id, placed_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (order_id) DO UPDATE SET
             user_id = COALESCE(order_views.user_id, EXCLUDED.user_id),
             placed_at = LEAST(order_views.placed_at, EXCLUDED.placed_at)",
    )
    .bind(order_id)
    .bind(namespace)
    .bind(name)
    .bind(user)
    .bind(to_database(at))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

const COLUMNS: &str =
    "SELECT v.order_id, v.namespace, v.name, v.user_id, v.placed_at, v.transition, v.payment, v.shipment,
                              p.request
                       FROM order_views v LEFT JOIN placements p ON p.order_id = v.order_id";

/// The order of that id.
pub(crate) async fn of_id(pool: &PgPool, order_id: &str) -> Result<Option<View>, Error> {
    sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE v.order_id = $1")))
        .bind(order_id)
        .fetch_optional(pool)
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// The newest order of that name.
pub(crate) async fn of_name(pool: &PgPool, namespace: &str, name: &str) -> Result<Option<View>, Error> {
    let statement = format!(
        "{COLUMNS} WHERE v.namespace = $1 AND v.name = $2 ORDER BY v.placed_at DESC, v.order_id DESC LIMIT 1"
    );
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(namespace)
        .bind(name)
        .fetch_optional(pool)
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// A user's orders after a position, newest first; at most `limit`.
pub(crate) async fn of_user(
    pool: &PgPool,
    user: &str,
    after: Option<&(Timestamp, String)>,
    limit: i64,
) -> Result<Vec<View>, Error> {
    let (at, order_id) = after.map(|(at, id)| (to_database(*at), id.as_str())).unzip();
    let statement = format!(
        "{COLUMNS} WHERE v.user_id = $1 AND ($2::timestamptz IS NULL OR (v.placed_at, v.order_id) < ($2, $3))
         ORDER BY v.placed_at DESC, v.order_id DESC LIMIT $4"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(user)
        .bind(at)
        .bind(order_id)
        .bind(limit)
        .fetch_all(pool)
        .await?;
    rows.iter().map(read).collect()
}

/// The transitions of an order from `first` on, in their order.
pub(crate) async fn transitions(
    pool: &PgPool,
    order_id: &str,
    first: i64,
) -> Result<Vec<OrderTransition>, Error> {
    let rows: Vec<Value> = sqlx::query_scalar(
        "SELECT data FROM history WHERE order_id = $1 AND sequence >= $2 ORDER BY sequence LIMIT 1000",
    )
    .bind(order_id)
    .bind(first)
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(typed).collect()
}

fn read(row: &PgRow) -> Result<View, Error> {
    Ok(View {
        order: OrderName {
            order_id: row.try_get("order_id")?,
            namespace: row.try_get("namespace")?,
            name: row.try_get("name")?,
        },
        user: row.try_get("user_id")?,
        placed_at: from_database(row.try_get::<OffsetDateTime, _>("placed_at")?),
        transition: row.try_get::<Option<Value>, _>("transition")?.map(typed).transpose()?,
        payment: row.try_get::<Option<Value>, _>("payment")?.map(typed).transpose()?,
        shipment: row.try_get::<Option<Value>, _>("shipment")?.map(typed).transpose()?,
        request: row.try_get("request")?,
    })
}

fn typed<T: DeserializeOwned>(data: Value) -> Result<T, Error> {
    serde_json::from_value(data).map_err(|error| Error::Decode(Box::new(error)))
}
