//! The rows of a payment: read as one, written as one.

mod parts;
mod rows;

use chassis::{Transaction, to_database};
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use self::rows::{attempt_of, desired_text, number, payment_of, stage_of};
use crate::machine::{Attempt, LedgerEntry, Payment, Stage, Summary};

/// Few orders have parts that were given back: the others are spared a question for them.
const READ: &str = "SELECT payments.*,
    EXISTS (SELECT FROM partial_refunds WHERE partial_refunds.order_id = payments.order_id) AS has_parts
    FROM payments WHERE order_id = $1";
const READ_AND_HOLD: &str = "SELECT payments.*,
    EXISTS (SELECT FROM partial_refunds WHERE partial_refunds.order_id = payments.order_id) AS has_parts
    FROM payments WHERE order_id = $1 FOR UPDATE OF payments";

/// Reads a payment without holding it.
///
/// # Errors
/// When the database fails.
pub async fn read(connection: &mut PgConnection, order_id: &str) -> Result<Option<Payment>, sqlx::Error> {
    let row = sqlx::query(READ).bind(order_id).fetch_optional(&mut *connection).await?;
    with_attempts(connection, row).await
}

/// Reads a payment and holds it until the end of the transaction.
///
/// # Errors
/// When the database fails.
pub async fn lock_in_tx(tx: &mut Transaction, order_id: &str) -> Result<Option<Payment>, sqlx::Error> {
    let row = sqlx::query(READ_AND_HOLD).bind(order_id).fetch_optional(&mut **tx).await?;
    with_attempts(tx, row).await
}

async fn with_attempts(
    connection: &mut PgConnection,
    row: Option<PgRow>,
) -> Result<Option<Payment>, sqlx::Error> {
    let Some(row) = row else { return Ok(None) };
    let order_id: String = row.try_get("order_id")?;
    // The amounts are the ledger's: no column holds them.
    let attempts = sqlx::query(
        "SELECT attempts.*, COALESCE(kept.captured, 0) AS captured, COALESCE(kept.refunded, 0) AS refunded
         FROM attempts LEFT JOIN kept USING (order_id, attempt)
         WHERE order_id = $1 ORDER BY attempt",
    )
    .bind(&order_id)
    .fetch_all(&mut *connection)
    .await?;
    let attempts = attempts.iter().map(attempt_of).collect::<Result<Vec<_>, _>>()?;
    let partials =
        if row.try_get("has_parts")? { parts::read(connection, &order_id).await? } else { Vec::new() };
    payment_of(&row, order_id, attempts, partials).map(Some)
}

/// Writes a payment that was not there before; false when another transaction was first.
///
/// # Errors
/// When the database fails.
pub async fn insert_in_tx(tx: &mut Transaction, payment: &Payment) -> Result<bool, sqlx::Error> {
    let Payment { order_id, .. } = payment;
    let made = sqlx::query(
        "INSERT INTO payments (order_id, namespace, name, desired, attempt, amount, currency, phase, phase_attempt, revision)
         VALUES ($1, '', '', 'Cancelled', 0, 0, '', '', 0, 0) ON CONFLICT DO NOTHING",
    )
    .bind(order_id)
    .execute(&mut **tx)
    .await?;
    if made.rows_affected() == 0 {
        return Ok(false);
    }
    update_in_tx(tx, payment).await?;
    for attempt in &payment.attempts {
        write_attempt_in_tx(tx, order_id, attempt).await?;
    }
    Ok(true)
}

/// Writes what changed since `before`.
///
/// # Errors
/// When the database fails.
pub async fn save_in_tx(
    tx: &mut Transaction,
    before: &Payment,
    payment: &Payment,
) -> Result<(), sqlx::Error> {
    for attempt in &payment.attempts {
        if before.attempt(attempt.number) != Some(attempt) {
            write_attempt_in_tx(tx, &payment.order_id, attempt).await?;
        }
    }
    for part in &payment.partials {
        if before.part(part.number) != Some(part) {
            parts::write_in_tx(tx, &payment.order_id, part).await?;
        }
    }
    let Payment { attempts, partials, .. } = payment.clone();
    let unchanged = Payment { attempts, partials, ..before.clone() } == *payment;
    if unchanged { Ok(()) } else { update_in_tx(tx, payment).await }
}

async fn update_in_tx(tx: &mut Transaction, payment: &Payment) -> Result<(), sqlx::Error> {
    let Payment {
        order_id,
        namespace,
        name,
        child,
        wish,
        undone_attempt,
        attempts: _,
        partials: _,
        shown,
        revision,
        told_revision,
    } = payment;
    let Summary { phase, attempt, captured, refunded, reason, message, reference, action_url } = shown;
    sqlx::query(
        "UPDATE payments SET namespace = $2, name = $3, child_uid = $4, generation = $5, desired = $6, attempt = $7,
             method = $8, amount = $9, currency = $10, undone_attempt = $11, phase = $12, phase_attempt = $13, reason = $14,
             message = $15, reference = $16, action_url = $17, captured = $18, refunded = $19, revision = $20,
             told_revision = $21, changed_at = now()
         WHERE order_id = $1",
    )
    .bind(order_id)
    .bind(namespace)
    .bind(name)
    .bind(child.as_ref().map(|child| &child.uid))
    .bind(child.as_ref().map_or(0, |child| child.generation))
    .bind(desired_text(wish.desired))
    .bind(i64::from(wish.attempt))
    .bind(&wish.method)
    .bind(wish.amount.minor_units())
    .bind(wish.amount.currency().as_str())
    .bind(undone_attempt.map(i64::from))
    .bind(phase.as_str())
    .bind(i64::from(*attempt))
    .bind(reason)
    .bind(message)
    .bind(reference)
    .bind(action_url)
    .bind(captured.minor_units())
    .bind(refunded.minor_units())
    .bind(revision)
    .bind(told_revision)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn write_attempt_in_tx(
    tx: &mut Transaction,
    order_id: &str,
    attempt: &Attempt,
) -> Result<(), sqlx::Error> {
    let Attempt {
        number,
        method,
        amount,
        capture,
        stage,
        intent,
        refusal,
        refund,
        refund_refusal,
        refund_refusals,
        refund_retry,
        action_url,
        captured: _,
        refunded: _,
        create_lost,
        must_search,
        searched_at,
        asked,
        failures,
        polls,
        outage,
        next_at,
        planned_at,
        version,
    } = attempt;
    sqlx::query(
        "INSERT INTO attempts (order_id, attempt, method, amount, currency, capture, stage, intent, reason, message,
             refund_reason, refund_message, refund_refusals, refund_retry, action_url, create_lost, must_search, searched_at,
             asked, failures, polls, outage, next_at, planned_at, version, refund)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
             $24, $25, $26)
         ON CONFLICT (order_id, attempt) DO UPDATE SET amount = excluded.amount, currency = excluded.currency,
             stage = excluded.stage, intent = excluded.intent,
             reason = excluded.reason, message = excluded.message, refund_reason = excluded.refund_reason,
             refund_message = excluded.refund_message, refund_refusals = excluded.refund_refusals,
             refund_retry = excluded.refund_retry, action_url = excluded.action_url, create_lost = excluded.create_lost,
             must_search = excluded.must_search, searched_at = excluded.searched_at, asked = excluded.asked,
             failures = excluded.failures, polls = excluded.polls, outage = excluded.outage, next_at = excluded.next_at,
             version = excluded.version, refund = excluded.refund",
    )
    .bind(order_id)
    .bind(i64::from(*number))
    .bind(method)
    .bind(amount.minor_units())
    .bind(amount.currency().as_str())
    .bind(capture.as_str())
    .bind(stage.as_str())
    .bind(intent)
    .bind(refusal.as_ref().map(|refusal| &refusal.reason))
    .bind(refusal.as_ref().map(|refusal| &refusal.message))
    .bind(refund_refusal.as_ref().map(|refusal| &refusal.reason))
    .bind(refund_refusal.as_ref().map(|refusal| &refusal.message))
    .bind(i64::from(*refund_refusals))
    .bind(refund_retry)
    .bind(action_url)
    .bind(create_lost)
    .bind(must_search)
    .bind(searched_at.map(to_database))
    .bind(asked)
    .bind(i64::from(*failures))
    .bind(i64::from(*polls))
    .bind(outage)
    .bind(to_database(*next_at))
    .bind(to_database(*planned_at))
    .bind(version)
    .bind(refund)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Adds to the ledger.
///
/// # Errors
/// When the database fails, or an entry would be a second capture.
pub async fn book_in_tx(
    tx: &mut Transaction,
    order_id: &str,
    entries: &[LedgerEntry],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    for LedgerEntry { attempt, entry, amount, reference, event_id, round } in entries {
        sqlx::query(
            "INSERT INTO ledger (order_id, attempt, entry, amount, currency, reference, event_id, round, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(order_id)
        .bind(i64::from(*attempt))
        .bind(entry.as_str())
        .bind(amount.minor_units())
        .bind(amount.currency().as_str())
        .bind(reference)
        .bind(event_id)
        .bind(round)
        .bind(to_database(now))
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// An attempt that a webhook is about.
pub struct Found {
    /// The order id.
    pub order_id: String,
    /// Its number.
    pub attempt: u32,
    /// How far it is.
    pub stage: Stage,
    /// The provider's id of its refund.
    pub refund: Option<String>,
}

/// Which attempt an intent of the provider's belongs to. Only an intent that is stored is ever confirmed, so that one that
/// holds money and is not found was not asked for.
///
/// # Errors
/// When the database fails.
pub async fn find_attempt_in_tx(tx: &mut Transaction, intent: &str) -> Result<Option<Found>, sqlx::Error> {
    let row = sqlx::query("SELECT order_id, attempt, stage, refund FROM attempts WHERE intent = $1")
        .bind(intent)
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Found {
        order_id: row.try_get("order_id")?,
        attempt: number(&row, "attempt")?,
        stage: stage_of(&row)?,
        refund: row.try_get("refund")?,
    }))
}

pub use parts::{FoundPart, ask_about_part_in_tx, asked_parts_in_tx, find_part_in_tx};

/// Takes an intent in that no attempt knows, of an order that is known; false when the order is not.
///
/// # Errors
/// When the database fails.
pub async fn adopt_in_tx(
    tx: &mut Transaction,
    order_id: &str,
    intent: &str,
    event_id: &str,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let Some(before) = lock_in_tx(tx, order_id).await? else { return Ok(false) };
    let mut payment = before.clone();
    payment.adopt(intent, Some(event_id), now);
    save_in_tx(tx, &before, &payment).await?;
    tx.schedule(order_id, now).await?;
    Ok(true)
}

/// Makes the provider be asked about an attempt, since its event tells of news.
///
/// # Errors
/// When the database fails.
pub async fn ask_in_tx(
    tx: &mut Transaction,
    order_id: &str,
    attempt: u32,
    event_id: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    // Everyone who writes an attempt holds its payment.
    sqlx::query("SELECT 1 FROM payments WHERE order_id = $1 FOR UPDATE")
        .bind(order_id)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "UPDATE attempts SET asked = $3, next_at = LEAST(next_at, $4)
         WHERE order_id = $1 AND attempt = $2",
    )
    .bind(order_id)
    .bind(i64::from(attempt))
    .bind(event_id)
    .bind(to_database(now))
    .execute(&mut **tx)
    .await?;
    tx.schedule(order_id, now).await
}
