//! Rows as what they stand for.

use chassis::from_database;
use money::{Currency, Money};
use resources::{PaymentDesired, PaymentPhase};
use sqlx::Row;
use sqlx::postgres::PgRow;
use time::OffsetDateTime;

use crate::machine::{Attempt, CaptureMode, Child, PartialRefund, Payment, Refusal, Stage, Summary, Wish};

pub(super) fn payment_of(
    row: &PgRow,
    order_id: String,
    attempts: Vec<Attempt>,
    partials: Vec<PartialRefund>,
) -> Result<Payment, sqlx::Error> {
    let uid: Option<String> = row.try_get("child_uid")?;
    let generation = row.try_get("generation")?;
    let currency = currency_of(row)?;
    let money = |column| row.try_get(column).map(|minor| Money::from_minor_units(minor, currency));
    Ok(Payment {
        order_id,
        namespace: row.try_get("namespace")?,
        name: row.try_get("name")?,
        child: uid.map(|uid| Child { uid, generation }),
        wish: Wish {
            desired: parse(row, "desired", desired_of)?,
            attempt: number(row, "attempt")?,
            amount: money("amount")?,
            method: row.try_get("method")?,
        },
        undone_attempt: optional_number(row, "undone_attempt")?,
        attempts,
        partials,
        shown: Summary {
            phase: parse(row, "phase", phase_of)?,
            attempt: number(row, "phase_attempt")?,
            captured: money("captured")?,
            refunded: money("refunded")?,
            reason: row.try_get("reason")?,
            message: row.try_get("message")?,
            reference: row.try_get("reference")?,
            action_url: row.try_get("action_url")?,
        },
        revision: row.try_get("revision")?,
        told_revision: row.try_get("told_revision")?,
    })
}

pub(super) fn attempt_of(row: &PgRow) -> Result<Attempt, sqlx::Error> {
    let time = |column| row.try_get::<OffsetDateTime, _>(column).map(from_database);
    let searched_at: Option<OffsetDateTime> = row.try_get("searched_at")?;
    let refusal = |reason, message| -> Result<Option<Refusal>, sqlx::Error> {
        let (reason, message): (Option<String>, Option<String>) =
            (row.try_get(reason)?, row.try_get(message)?);
        Ok(reason.zip(message).map(|(reason, message)| Refusal { reason, message }))
    };
    Ok(Attempt {
        number: number(row, "attempt")?,
        method: row.try_get("method")?,
        amount: Money::from_minor_units(row.try_get("amount")?, currency_of(row)?),
        capture: parse(row, "capture", CaptureMode::parse)?,
        stage: stage_of(row)?,
        intent: row.try_get("intent")?,
        refusal: refusal("reason", "message")?,
        refund: row.try_get("refund")?,
        refund_refusal: refusal("refund_reason", "refund_message")?,
        refund_refusals: number(row, "refund_refusals")?,
        refund_retry: row.try_get("refund_retry")?,
        action_url: row.try_get("action_url")?,
        captured: row.try_get("captured")?,
        refunded: row.try_get("refunded")?,
        create_lost: row.try_get("create_lost")?,
        must_search: row.try_get("must_search")?,
        searched_at: searched_at.map(from_database),
        asked: row.try_get("asked")?,
        failures: number(row, "failures")?,
        polls: number(row, "polls")?,
        outage: row.try_get("outage")?,
        next_at: time("next_at")?,
        planned_at: time("planned_at")?,
        version: row.try_get("version")?,
    })
}

pub(super) fn stage_of(row: &PgRow) -> Result<Stage, sqlx::Error> {
    parse(row, "stage", Stage::parse)
}

fn currency_of(row: &PgRow) -> Result<Currency, sqlx::Error> {
    parse(row, "currency", |text| text.parse().ok())
}

pub(super) fn parse<T>(
    row: &PgRow,
    column: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, sqlx::Error> {
    let text: &str = row.try_get(column)?;
    read(text).ok_or_else(|| unreadable(column, text))
}

pub(super) fn number(row: &PgRow, column: &str) -> Result<u32, sqlx::Error> {
    let value: i64 = row.try_get(column)?;
    u32::try_from(value).map_err(|_| unreadable(column, &value.to_string()))
}

fn optional_number(row: &PgRow, column: &str) -> Result<Option<u32>, sqlx::Error> {
    let value: Option<i64> = row.try_get(column)?;
    value.map(|value| u32::try_from(value).map_err(|_| unreadable(column, &value.to_string()))).transpose()
}

fn unreadable(column: &str, value: &str) -> sqlx::Error {
    let source = format!("{value:?} was not written by this version").into();
    sqlx::Error::ColumnDecode { index: column.to_owned(), source }
}

pub(super) const fn desired_text(desired: PaymentDesired) -> &'static str {
    match desired {
        PaymentDesired::Captured => "Captured",
        PaymentDesired::Authorized => "Authorized",
        PaymentDesired::Cancelled => "Cancelled",
        PaymentDesired::Refunded => "Refunded",
    }
}

fn desired_of(text: &str) -> Option<PaymentDesired> {
    use PaymentDesired::{Authorized, Cancelled, Captured, Refunded};
    [Captured, Authorized, Cancelled, Refunded].into_iter().find(|desired| desired_text(*desired) == text)
}

fn phase_of(text: &str) -> Option<PaymentPhase> {
    [
        PaymentPhase::Pending,
        PaymentPhase::Authorized,
        PaymentPhase::Captured,
        PaymentPhase::ActionRequired,
        PaymentPhase::Declined,
        PaymentPhase::Unknown,
        PaymentPhase::Voided,
        PaymentPhase::Refunded,
        PaymentPhase::Failed,
    ]
    .into_iter()
    .find(|phase| phase.as_str() == text)
}
