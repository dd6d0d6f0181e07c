//! Stripe's JSON, as far as it is read here.

use std::collections::HashMap;

use money::{Currency, Money};
use serde::Deserialize;

use crate::machine::Refusal;
use crate::provider::{Intent, IntentStatus, Refund, RefundState};

/// A payment intent.
#[derive(Deserialize, Debug)]
pub(crate) struct WireIntent {
    pub id: String,
    pub status: String,
    pub amount: i64,
    #[serde(default)]
    pub amount_received: i64,
    pub currency: String,
    #[serde(default)]
    last_payment_error: Option<WireError>,
    #[serde(default)]
    next_action: Option<NextAction>,
}

#[derive(Deserialize, Debug)]
struct NextAction {
    #[serde(default)]
    redirect_to_url: Option<RedirectToUrl>,
}

#[derive(Deserialize, Debug)]
struct RedirectToUrl {
    #[serde(default)]
    url: Option<String>,
}

/// The body of every error.
#[derive(Deserialize, Debug)]
pub(crate) struct ErrorBody {
    pub error: WireError,
}

/// An error.
#[derive(Deserialize, Debug)]
pub(crate) struct WireError {
    #[serde(default, rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub code: Option<String>,
    #[serde(default)]
    decline_code: Option<String>,
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub param: Option<String>,
    #[serde(default)]
    pub payment_intent: Option<Box<WireIntent>>,
}

/// A refund.
#[derive(Deserialize, Debug)]
pub(crate) struct WireRefund {
    pub id: String,
    amount: i64,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    failure_reason: Option<String>,
    #[serde(default)]
    metadata: HashMap<String, String>,
}

/// A list of refunds, newest first.
#[derive(Deserialize, Debug)]
pub(crate) struct RefundList {
    pub data: Vec<WireRefund>,
}

/// What a search found.
#[derive(Deserialize, Debug)]
pub(crate) struct SearchResult {
    pub data: Vec<WireIntent>,
}

/// A webhook.
#[derive(Deserialize, Debug)]
pub(crate) struct WebhookEvent {
    /// The event's id, the same for every delivery.
    pub id: String,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about.
    pub data: WebhookData,
}

/// What a webhook is about.
#[derive(Deserialize, Debug)]
pub(crate) struct WebhookData {
    pub object: WebhookObject,
}

/// An intent, a charge, a refund, or something else.
#[derive(Deserialize, Debug)]
pub(crate) struct WebhookObject {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    object: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    payment_intent: Option<serde_json::Value>,
    #[serde(default)]
    metadata: HashMap<String, String>,
}

impl WebhookObject {
    /// The intent that it is about.
    pub fn intent(&self) -> Option<&str> {
        match self.object.as_deref() {
            Some("payment_intent") => self.id.as_deref(),
            Some(_) | None => self.payment_intent.as_ref()?.as_str(),
        }
    }

    /// How the intent was, when the event is about one.
    pub fn status(&self) -> Option<IntentStatus> {
        match self.object.as_deref() {
            Some("payment_intent") => status(self.status.as_deref()),
            Some(_) | None => None,
        }
    }

    /// The refund that it is about, when it is about one, and whether it ended without giving anything back.
    pub fn refund(&self) -> Option<(&str, bool)> {
        let failed = matches!(self.status.as_deref(), Some("failed" | "canceled"));
        match self.object.as_deref() {
            Some("refund") => Some((self.id.as_deref()?, failed)),
            Some(_) | None => None,
        }
    }

    /// The order id that was written to it, by us or by a person.
    pub fn order_id(&self) -> Option<&str> {
        self.metadata.get("order_id").map(String::as_str)
    }
}

impl WireError {
    /// Why, for machines and for people.
    pub fn refusal(&self) -> Refusal {
        let reason = self.decline_code.as_ref().or(self.code.as_ref()).unwrap_or(&self.kind);
        let message = self.message.as_deref().unwrap_or("The payment provider refused without a reason.");
        Refusal::new(reason, message)
    }
}

impl WireRefund {
    /// True of the part that was made under that key.
    pub fn is_part(&self, key: &str) -> bool {
        self.metadata.get("part").is_some_and(|part| part == key)
    }

    /// The refund.
    pub fn read(self) -> Refund {
        let Self { id, amount, status, failure_reason, metadata: _ } = self;
        let state = match status.as_deref() {
            Some("succeeded") | None => RefundState::Succeeded,
            Some(ended @ ("failed" | "canceled")) => {
                let message = format!("The provider says that the refund {id} is {ended}.");
                RefundState::Failed(Refusal::new(failure_reason.as_deref().unwrap_or(ended), &message))
            }
            // Whatever else it waits for, it has not ended.
            Some(_) => RefundState::Pending,
        };
        Refund { id, amount, state }
    }
}

impl WireIntent {
    /// The intent, or why it cannot be read.
    pub fn read(self) -> Result<Intent, String> {
        let Self { id, status: text, amount, amount_received, currency, last_payment_error, next_action } =
            self;
        let currency: Currency =
            currency.to_ascii_uppercase().parse().map_err(|error| format!("{id}: {error}"))?;
        let status = status(Some(&text)).ok_or_else(|| format!("{id} has the unknown status {text:?}"))?;
        Ok(Intent {
            id,
            status,
            amount: Money::from_minor_units(amount, currency),
            received: amount_received,
            refusal: last_payment_error.map(|error| error.refusal()),
            action_url: next_action
                .and_then(|action| action.redirect_to_url)
                .and_then(|redirect| redirect.url),
        })
    }
}

fn status(text: Option<&str>) -> Option<IntentStatus> {
    Some(match text? {
        "requires_payment_method" => IntentStatus::RequiresPaymentMethod,
        "requires_confirmation" => IntentStatus::RequiresConfirmation,
        "requires_action" => IntentStatus::RequiresAction,
        "processing" => IntentStatus::Processing,
        "requires_capture" => IntentStatus::RequiresCapture,
        "canceled" => IntentStatus::Canceled,
        "succeeded" => IntentStatus::Succeeded,
        _ => return None,
    })
}
