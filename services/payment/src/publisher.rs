//! What is told to others, translated from what is known here: the one place.

use chassis::{ChildKind, StatusReport, Transaction};
use events::{Event, EventType, PaymentChanged};
use jiff::Timestamp;
use resources::{PaymentPhase, PaymentStatus};

use crate::machine::{News, Payment, Summary, Telling};

/// The bounds of the status in the resource's schema, in characters.
const LONGEST_REASON: usize = 64;
const LONGEST_MESSAGE: usize = 1024;
const LONGEST_REFERENCE: usize = 200;
const LONGEST_URL: usize = 2048;

/// Tells what must be told, once the transaction is committed.
///
/// # Errors
/// When an event or a report cannot be made.
pub async fn tell_in_tx(
    tx: &mut Transaction,
    payment: &Payment,
    telling: Telling,
    now: Timestamp,
) -> anyhow::Result<()> {
    if let Some(news) = telling.event
        && let Some((event, data)) = event(payment, news, now)?
    {
        let (phase, _) = news.told(payment);
        metrics::counter!("supercargo_payment_outcomes_total", "phase" => phase.as_str()).increment(1);
        tracing::info!(
            attempt = data.attempt,
            reason = data.reason,
            reference = data.reference,
            "the payment is {}",
            phase.as_str()
        );
        tx.publish(&event);
    }
    if telling.report
        && let Some(report) = report(payment)?
    {
        tx.report(&report);
    }
    Ok(())
}

/// The status as it stands in the resource.
#[must_use]
pub fn status(payment: &Payment) -> PaymentStatus {
    let Summary { phase, attempt, captured, refunded, reason, message, reference, action_url } =
        &payment.shown;
    PaymentStatus {
        phase: Some(*phase),
        revision: payment.revision,
        observed_generation: payment.child.as_ref().map(|child| child.generation),
        attempt: *attempt,
        captured: Some(*captured),
        refunded: Some(*refunded),
        reference: reference.as_deref().map(|text| shortened(text, LONGEST_REFERENCE)),
        // Half an address leads nowhere.
        action_url: action_url.clone().filter(|url| url.chars().count() <= LONGEST_URL),
        reason: reason.as_deref().map(|text| shortened(text, LONGEST_REASON)),
        message: message.as_deref().map(|text| shortened(text, LONGEST_MESSAGE)),
    }
}

fn report(payment: &Payment) -> anyhow::Result<Option<StatusReport>> {
    let Some(child) = &payment.child else { return Ok(None) };
    Ok(Some(StatusReport {
        kind: ChildKind::Payment,
        namespace: payment.namespace.clone(),
        name: payment.name.clone(),
        uid: child.uid.clone(),
        status: serde_json::to_value(status(payment))?,
    }))
}

fn event(payment: &Payment, news: News, now: Timestamp) -> anyhow::Result<Option<(Event, PaymentChanged)>> {
    let (phase, aside) = news.told(payment);
    let event_type = match phase {
        PaymentPhase::Pending => return Ok(None),
        PaymentPhase::Authorized => EventType::PaymentAuthorized,
        PaymentPhase::Captured => EventType::PaymentCaptured,
        PaymentPhase::ActionRequired => EventType::PaymentActionRequired,
        PaymentPhase::Declined => EventType::PaymentDeclined,
        PaymentPhase::Unknown => EventType::PaymentUnknown,
        PaymentPhase::Voided => EventType::PaymentVoided,
        PaymentPhase::Refunded => EventType::PaymentRefunded,
        PaymentPhase::Failed => EventType::PaymentFailed,
    };
    let status = status(payment);
    let (reason, message, reference) = match aside {
        Some((words, attempt)) => (Some(words.reason), Some(words.message), attempt.intent.clone()),
        None => (status.reason, status.message, status.reference),
    };
    let data = PaymentChanged {
        order_id: payment.order_id.clone(),
        namespace: payment.namespace.clone(),
        name: payment.name.clone(),
        revision: payment.revision,
        phase: payment.shown.phase,
        attempt: payment.shown.attempt,
        amount: payment.wish.amount,
        captured: payment.shown.captured,
        refunded: payment.shown.refunded,
        reason: reason.map(|text| shortened(&text, LONGEST_REASON)),
        message: message.map(|text| shortened(&text, LONGEST_MESSAGE)),
        reference: reference.map(|text| shortened(&text, LONGEST_REFERENCE)),
    };
    let id = format!("{}/payment/{}", payment.order_id, payment.revision);
    let event = Event::new(event_type, "payment", id, &payment.order_id, now, &data)?;
    Ok(Some((event, data)))
}

/// The first `most` characters, without control characters.
fn shortened(text: &str, most: usize) -> String {
    text.chars().filter(|character| !character.is_control()).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_provider_fit_the_resource_whatever_they_are() {
        assert_eq!(shortened("né\u{0}\nant", 3), "néa");
        assert_eq!(shortened(&"é".repeat(2000), LONGEST_MESSAGE).chars().count(), 1024);
    }
}
