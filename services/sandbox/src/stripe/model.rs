//! What the payment API keeps: intents with their charges, refunds, and the events about them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::methods::CardError;

/// Where a payment intent stands, by Stripe's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Canceled,
    Succeeded,
}

impl Status {
    /// Stripe's name.
    pub fn name(self) -> &'static str {
        match self {
            Status::RequiresPaymentMethod => "requires_payment_method",
            Status::RequiresConfirmation => "requires_confirmation",
            Status::RequiresAction => "requires_action",
            Status::Processing => "processing",
            Status::RequiresCapture => "requires_capture",
            Status::Canceled => "canceled",
            Status::Succeeded => "succeeded",
        }
    }
}

/// When the money is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CaptureMethod {
    Automatic,
    Manual,
}

/// A payment intent. Amounts are minor units, times unix seconds unless they say otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub id: String,
    /// Orders the list.
    pub sequence: u64,
    pub amount: i64,
    pub amount_received: i64,
    pub amount_capturable: i64,
    pub currency: String,
    pub status: Status,
    pub capture_method: CaptureMethod,
    pub payment_method: Option<String>,
    pub metadata: BTreeMap<String, String>,
    /// The texts that are only kept and shown: description, receipt_email, customer, return_url, …
    pub texts: BTreeMap<String, String>,
    pub created: i64,
    pub canceled_at: Option<i64>,
    pub cancellation_reason: Option<String>,
    pub last_payment_error: Option<CardError>,
    pub charges: Vec<Charge>,
    /// When a processing charge succeeds, in milliseconds.
    pub settles_at_millis: Option<i64>,
}

impl Intent {
    /// The order that this intent pays for, by its metadata.
    pub fn order_id(&self) -> Option<&str> {
        self.metadata.get("order_id").map(String::as_str)
    }
}

/// One try at a card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub id: String,
    pub amount: i64,
    pub amount_captured: i64,
    pub amount_refunded: i64,
    pub captured: bool,
    pub payment_method: String,
    pub created: i64,
    pub outcome: Outcome,
}

/// How a charge ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Pending,
    Succeeded,
    Failed { code: String, message: String },
}

/// Money given back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub id: String,
    pub sequence: u64,
    pub payment_intent: String,
    pub charge: String,
    pub amount: i64,
    pub currency: String,
    pub reason: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub created: i64,
    #[serde(default)]
    pub status: RefundStatus,
    /// How it goes on, if it does.
    #[serde(default)]
    pub settles: Option<Settling>,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundStatus {
    Pending,
    #[default]
    Succeeded,
    Failed,
}

impl RefundStatus {
    /// Stripe's name.
    pub fn name(self) -> &'static str {
        match self {
            RefundStatus::Pending => "pending",
            RefundStatus::Succeeded => "succeeded",
            RefundStatus::Failed => "failed",
        }
    }
}

/// What becomes of a refund by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settling {
    /// When, in milliseconds.
    pub at_millis: i64,
    pub status: RefundStatus,
}

/// What happened, as an event tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    Succeeded,
    PaymentFailed,
    RequiresAction,
    Processing,
    Canceled,
    AmountCapturableUpdated,
    RefundCreated,
    RefundUpdated,
    RefundFailed,
    ChargeRefunded,
}

impl Happening {
    /// The event's type.
    pub fn event_type(self) -> &'static str {
        match self {
            Happening::Succeeded => "payment_intent.succeeded",
            Happening::PaymentFailed => "payment_intent.payment_failed",
            Happening::RequiresAction => "payment_intent.requires_action",
            Happening::Processing => "payment_intent.processing",
            Happening::Canceled => "payment_intent.canceled",
            Happening::AmountCapturableUpdated => "payment_intent.amount_capturable_updated",
            Happening::RefundCreated => "refund.created",
            Happening::RefundUpdated => "refund.updated",
            Happening::RefundFailed => "refund.failed",
            Happening::ChargeRefunded => "charge.refunded",
        }
    }
}

/// An event as it is journaled: the body is what webhooks carry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredEvent {
    pub sequence: u64,
    pub event_type: String,
    pub created: i64,
    /// Whether a webhook was due when it happened.
    pub webhook: bool,
    pub body: String,
}
