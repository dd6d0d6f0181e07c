//! The JSON that Stripe's clients expect.

use serde_json::{Map, Value, json};

use super::methods::{self, CardError};
use super::model::{Charge, Intent, Outcome, Refund, RefundStatus, Status};
use crate::common::fingerprint;

/// A payment intent; links lie below `base`.
pub(crate) fn intent(intent: &Intent, base: &str) -> Value {
    let text = |name: &str| intent.texts.get(name);
    let next_action = match intent.status {
        Status::RequiresAction => json!({
            "type": "redirect_to_url",
            "redirect_to_url": {
                "url": format!("{base}/authenticate/{}", intent.id),
                "return_url": text("return_url"),
            },
        }),
        Status::RequiresPaymentMethod
        | Status::RequiresConfirmation
        | Status::Processing
        | Status::RequiresCapture
        | Status::Canceled
        | Status::Succeeded => Value::Null,
    };
    json!({
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_capturable": intent.amount_capturable,
        "amount_details": {"tip": {}},
        "amount_received": intent.amount_received,
        "application": null,
        "automatic_payment_methods": null,
        "canceled_at": intent.canceled_at,
        "cancellation_reason": intent.cancellation_reason,
        "capture_method": intent.capture_method,
        "client_secret": client_secret(&intent.id),
        "confirmation_method": text("confirmation_method").map_or("automatic", String::as_str),
        "created": intent.created,
        "currency": intent.currency,
        "customer": text("customer"),
        "description": text("description"),
        "last_payment_error": intent.last_payment_error.as_ref().map(card_error),
        "latest_charge": intent.charges.last().map(|charge| &charge.id),
        "livemode": false,
        "metadata": intent.metadata,
        "next_action": next_action,
        "payment_method": intent.payment_method,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "receipt_email": text("receipt_email"),
        "setup_future_usage": text("setup_future_usage"),
        "shipping": null,
        "statement_descriptor": text("statement_descriptor"),
        "statement_descriptor_suffix": text("statement_descriptor_suffix"),
        "status": intent.status.name(),
        "transfer_group": text("transfer_group"),
    })
}

/// What the shopper's browser would present.
pub(crate) fn client_secret(id: &str) -> String {
    format!("{id}_secret_{}", &fingerprint([id])[..24])
}

fn card_error(error: &CardError) -> Value {
    let mut shape = Map::new();
    shape.insert("type".into(), "card_error".into());
    shape.insert("code".into(), json!(error.code));
    if let Some(decline_code) = &error.decline_code {
        shape.insert("decline_code".into(), json!(decline_code));
    }
    if let Some(charge) = &error.charge {
        shape.insert("charge".into(), json!(charge));
    }
    shape.insert("message".into(), json!(error.message));
    shape.insert("payment_method".into(), payment_method(&error.payment_method));
    Value::Object(shape)
}

/// A card as a payment method.
pub(crate) fn payment_method(id: &str) -> Value {
    json!({
        "id": id,
        "object": "payment_method",
        "card": {"brand": methods::brand(id), "country": "US", "exp_month": 12, "exp_year": 2099, "last4": "4242"},
        "livemode": false,
        "type": "card",
    })
}

/// A charge of an intent.
pub(crate) fn charge(intent: &Intent, charge: &Charge) -> Value {
    let (status, failure) = match &charge.outcome {
        Outcome::Pending => ("pending", None),
        Outcome::Succeeded => ("succeeded", None),
        Outcome::Failed { code, message } => ("failed", Some((code, message))),
    };
    json!({
        "id": charge.id,
        "object": "charge",
        "amount": charge.amount,
        "amount_captured": charge.amount_captured,
        "amount_refunded": charge.amount_refunded,
        "captured": charge.captured,
        "created": charge.created,
        "currency": intent.currency,
        "customer": intent.texts.get("customer"),
        "description": intent.texts.get("description"),
        "disputed": false,
        "failure_code": failure.map(|(code, _)| code),
        "failure_message": failure.map(|(_, message)| message),
        "livemode": false,
        "metadata": intent.metadata,
        "paid": status == "succeeded",
        "payment_intent": intent.id,
        "payment_method": charge.payment_method,
        "payment_method_details": {
            "type": "card",
            "card": {"brand": methods::brand(&charge.payment_method), "last4": "4242"},
        },
        "refunded": charge.amount_refunded > 0 && charge.amount_refunded == charge.amount_captured,
        "status": status,
    })
}

/// A refund.
pub(crate) fn refund(refund: &Refund) -> Value {
    json!({
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "balance_transaction": null,
        "charge": refund.charge,
        "created": refund.created,
        "currency": refund.currency,
        "failure_reason": (refund.status == RefundStatus::Failed).then_some("expired_or_canceled_card"),
        "metadata": refund.metadata,
        "payment_intent": refund.payment_intent,
        "reason": refund.reason,
        "receipt_number": null,
        "status": refund.status.name(),
    })
}

/// An event as webhooks carry it.
pub(crate) fn event(id: &str, event_type: &str, object: &Value, created: i64, key: Option<&str>) -> Value {
    json!({
        "id": id,
        "object": "event",
        "api_version": "2025-03-31.basil",
        "created": created,
        "data": {"object": object},
        "livemode": false,
        "pending_webhooks": 1,
        "request": {"id": null, "idempotency_key": key},
        "type": event_type,
    })
}

/// A page of a list.
pub(crate) fn list(url: &str, data: Vec<Value>, has_more: bool) -> Value {
    json!({"object": "list", "data": data, "has_more": has_more, "url": url})
}
