//! What is asked of a payment provider, whoever it is.

use async_trait::async_trait;
use chassis::{LostAnswer, Point};
use money::Money;

use crate::machine::{CaptureMode, Refusal};

/// A payment provider. Every call may be repeated: those that move money carry an idempotency key or an id that the
/// provider executes once.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Makes an intent, unconfirmed: it takes no money.
    async fn create(&self, intent: &NewIntent) -> Result<Intent, ProviderError>;

    /// Looks for the intents that claim to be of an attempt whose own is not known.
    async fn find(&self, order_id: &str, attempt: u32) -> Result<Vec<Intent>, ProviderError>;

    /// Charges, or promises the money of, an intent.
    async fn confirm(&self, intent: &str, key: &str) -> Result<Intent, ProviderError>;

    /// Takes what an intent promises.
    async fn capture(&self, intent: &str, key: &str) -> Result<Intent, ProviderError>;

    /// Makes certain that an intent never takes money. Without a key: it cannot do more than once, and a saved refusal
    /// would be replayed when it is no longer true.
    async fn cancel(&self, intent: &str) -> Result<Intent, ProviderError>;

    /// Gives back all that is left of what an intent took; when nothing is, the refund that did it, whoever made it.
    async fn refund(&self, intent: &str, key: &str) -> Result<Refund, ProviderError>;

    /// Gives a part of what an intent took back, if so much is left.
    async fn refund_part(&self, intent: &str, part: &NewPart) -> Result<Refund, ProviderError>;

    /// Asks how a refund is now.
    async fn retrieve_refund(&self, refund: &str) -> Result<Refund, ProviderError>;

    /// Asks how an intent is now.
    async fn retrieve(&self, intent: &str) -> Result<Intent, ProviderError>;
}

/// What a new intent is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct NewIntent {
    /// The idempotency key: order id and attempt.
    pub key: String,
    /// The order id.
    pub order_id: String,
    /// The attempt.
    pub attempt: u32,
    /// Namespace and name of the order, for people who look at the provider's books.
    pub order: String,
    /// How much.
    pub amount: Money,
    /// The provider's token of the method.
    pub method: String,
    /// Taken with the confirmation, or later.
    pub capture: CaptureMode,
}

/// A part of an intent's money that is to go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPart {
    /// The idempotency key; also written on the refund, to find it by.
    pub key: String,
    /// Minor units.
    pub minor_units: i64,
    /// The key may be forgotten: the refund is looked for before it is made.
    pub look_first: bool,
}

/// An intent as the provider has it now.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// The provider's id.
    pub id: String,
    /// What it waits for, or how it ended.
    pub status: IntentStatus,
    /// How much is asked for.
    pub amount: Money,
    /// Minor units received.
    pub received: i64,
    /// Why the last confirmation was refused.
    pub refusal: Option<Refusal>,
    /// Where the customer confirms.
    pub action_url: Option<String>,
}

/// What an intent waits for, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentStatus {
    /// Refused, or without a method.
    RequiresPaymentMethod,
    /// Not confirmed.
    RequiresConfirmation,
    /// The customer has to confirm.
    RequiresAction,
    /// The provider is at it.
    Processing,
    /// Promised.
    RequiresCapture,
    /// Void for ever.
    Canceled,
    /// Taken.
    Succeeded,
}

impl IntentStatus {
    /// True when money is taken or promised, or about to be.
    #[must_use]
    pub const fn holds_money(self) -> bool {
        match self {
            Self::Processing | Self::RequiresCapture | Self::Succeeded => true,
            Self::RequiresPaymentMethod
            | Self::RequiresConfirmation
            | Self::RequiresAction
            | Self::Canceled => false,
        }
    }
}

/// Money given back, as the provider has it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// The provider's id.
    pub id: String,
    /// Minor units.
    pub amount: i64,
    /// How far it is.
    pub state: RefundState,
}

/// How far a refund is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundState {
    /// On its way.
    Pending,
    /// Given back; it may still fail later.
    Succeeded,
    /// Not given back: the money is the shop's again.
    Failed(Refusal),
}

/// Why a call has no good answer. What each means for the call that got it is in the table of [`crate::machine`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProviderError {
    /// The card says no: for certain, nothing was taken (or given back) by this call.
    #[error("declined ({}): {}", refusal.reason, refusal.message)]
    Declined {
        /// Why.
        refusal: Refusal,
        /// The intent as it is now, when the provider shows it.
        intent: Option<Box<Intent>>,
    },
    /// The provider refuses the call for good; it was not executed.
    #[error("refused ({}): {}", refusal.reason, refusal.message)]
    Refused {
        /// Why.
        refusal: Refusal,
        /// The intent as it is now, when the provider shows it.
        intent: Option<Box<Intent>>,
    },
    /// The idempotency key was used with other parameters before.
    #[error("the idempotency key was used for something else: {0}")]
    KeyTaken(String),
    /// Not executed: no connection, too many requests, the key is in use. The same call may be made again.
    #[error("not available: {0}")]
    Unavailable(String),
    /// The provider failed (5xx). The same key is safe, after it has been asked what became of the call.
    #[error("failed: {0}")]
    Interrupted(String),
    /// No answer: the call may have been executed, or may yet be.
    #[error("no answer: {0}")]
    Unknown(String),
}

impl LostAnswer for ProviderError {
    fn lost(point: Point) -> Self {
        Self::Unknown(format!("the answer at {point} was lost"))
    }
}

impl ProviderError {
    /// A bounded word for metrics.
    #[must_use]
    pub const fn category(&self) -> &'static str {
        match self {
            Self::Declined { .. } => "declined",
            Self::Refused { .. } => "refused",
            Self::KeyTaken(_) => "key_taken",
            Self::Unavailable(_) => "unavailable",
            Self::Interrupted(_) => "interrupted",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// The idempotency keys of an attempt, from order id and attempt.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    /// The order id.
    pub order_id: &'a str,
    /// The attempt.
    pub attempt: u32,
}

impl Keys<'_> {
    /// Of the intent.
    #[must_use]
    pub fn create(&self) -> String {
        format!("{}/{}", self.order_id, self.attempt)
    }

    /// Of its confirmation.
    #[must_use]
    pub fn confirm(&self) -> String {
        format!("{}/{}/confirm", self.order_id, self.attempt)
    }

    /// Of its capture.
    #[must_use]
    pub fn capture(&self) -> String {
        format!("{}/{}/capture", self.order_id, self.attempt)
    }

    /// Of a part of it that is given back.
    #[must_use]
    pub fn part(&self, number: u32) -> String {
        format!("{}/{}/part/{number}", self.order_id, self.attempt)
    }

    /// Of its refund, after so many were refused for certain.
    #[must_use]
    pub fn refund(&self, refusals: u32) -> String {
        match refusals {
            0 => format!("{}/{}/refund", self.order_id, self.attempt),
            more => format!("{}/{}/refund/{}", self.order_id, self.attempt, more),
        }
    }
}
