//! The parts of an order's money that are given back.

use chassis::{Transaction, from_database, to_database};
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::rows::{number, parse};
use crate::machine::{PartState, PartialRefund, Refusal};

/// The parts of an order, by number.
pub(super) async fn read(
    connection: &mut PgConnection,
    order_id: &str,
) -> Result<Vec<PartialRefund>, sqlx::Error> {
    let rows = sqlx::query("SELECT * FROM partial_refunds WHERE order_id = $1 ORDER BY number")
        .bind(order_id)
        .fetch_all(connection)
        .await?;
    rows.iter().map(part_of).collect()
}

fn part_of(row: &PgRow) -> Result<PartialRefund, sqlx::Error> {
    let (reason, message): (Option<String>, Option<String>) =
        (row.try_get("refusal_reason")?, row.try_get("refusal_message")?);
    Ok(PartialRefund {
        number: number(row, "number")?,
        attempt: number(row, "attempt")?,
        amount: row.try_get("amount")?,
        by: row.try_get("asked_by")?,
        why: row.try_get("why")?,
        state: parse(row, "state", PartState::parse)?,
        refund: row.try_get("refund")?,
        refusal: reason.zip(message).map(|(reason, message)| Refusal { reason, message }),
        asked: row.try_get("asked")?,
        failures: number(row, "failures")?,
        next_at: from_database(row.try_get("next_at")?),
        asked_at: from_database(row.try_get("created_at")?),
    })
}

pub(super) async fn write_in_tx(
    tx: &mut Transaction,
    order_id: &str,
    part: &PartialRefund,
) -> Result<(), sqlx::Error> {
    let PartialRefund {
        number,
        attempt,
        amount,
        by,
        why,
        state,
        refund,
        refusal,
        asked,
        failures,
        next_at,
        asked_at,
    } = part;
    sqlx::query(
        "INSERT INTO partial_refunds (order_id, number, attempt, amount, asked_by, why, state, refund, refusal_reason,
             refusal_message, asked, failures, next_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT (order_id, number) DO UPDATE SET state = excluded.state, refund = excluded.refund,
             refusal_reason = excluded.refusal_reason, refusal_message = excluded.refusal_message, asked = excluded.asked,
             failures = excluded.failures, next_at = excluded.next_at",
    )
    .bind(order_id)
    .bind(i64::from(*number))
    .bind(i64::from(*attempt))
    .bind(amount)
    .bind(by)
    .bind(why)
    .bind(state.as_str())
    .bind(refund)
    .bind(refusal.as_ref().map(|refusal| &refusal.reason))
    .bind(refusal.as_ref().map(|refusal| &refusal.message))
    .bind(asked)
    .bind(i64::from(*failures))
    .bind(to_database(*next_at))
    .bind(to_database(*asked_at))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A part that a webhook is about.
pub struct FoundPart {
    /// The order id.
    pub order_id: String,
    /// Its number.
    pub number: u32,
    /// How far it is.
    pub state: PartState,
}

/// Which part a refund of the provider's is.
///
/// # Errors
/// When the database fails.
pub async fn find_part_in_tx(tx: &mut Transaction, refund: &str) -> Result<Option<FoundPart>, sqlx::Error> {
    let row = sqlx::query("SELECT order_id, number, state FROM partial_refunds WHERE refund = $1")
        .bind(refund)
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(FoundPart {
        order_id: row.try_get("order_id")?,
        number: number(&row, "number")?,
        state: parse(&row, "state", PartState::parse)?,
    }))
}

/// The parts of an attempt that are asked for and whose refunds are not known: a refund that nobody knows may be theirs.
///
/// # Errors
/// When the database fails.
pub async fn asked_parts_in_tx(
    tx: &mut Transaction,
    order_id: &str,
    attempt: u32,
) -> Result<Vec<FoundPart>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT number FROM partial_refunds WHERE order_id = $1 AND attempt = $2 AND state = 'asked'",
    )
    .bind(order_id)
    .bind(i64::from(attempt))
    .fetch_all(&mut **tx)
    .await?;
    let part = |row: &PgRow| {
        Ok(FoundPart {
            order_id: order_id.to_owned(),
            number: number(row, "number")?,
            state: PartState::Asked,
        })
    };
    rows.iter().map(part).collect()
}

/// Makes the provider be asked about a part, since its event tells of news.
///
/// # Errors
/// When the database fails.
pub async fn ask_about_part_in_tx(
    tx: &mut Transaction,
    found: &FoundPart,
    event_id: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    // Everyone who writes a part holds its payment.
    sqlx::query("SELECT 1 FROM payments WHERE order_id = $1 FOR UPDATE")
        .bind(&found.order_id)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "UPDATE partial_refunds SET asked = $3, next_at = LEAST(next_at, $4) WHERE order_id = $1 AND number = $2",
    )
    .bind(&found.order_id)
    .bind(i64::from(found.number))
    .bind(event_id)
    .bind(to_database(now))
    .execute(&mut **tx)
    .await?;
    tx.schedule(&found.order_id, now).await
}
