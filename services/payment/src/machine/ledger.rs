//! Entries of the ledger.

use money::Money;

/// What happened to an order's money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The intent is at the provider; nothing was asked of the card.
    IntentCreated,
    /// Promised.
    Authorized,
    /// Taken.
    Captured,
    /// Taken although another attempt's money is kept: given back at once.
    CapturedAgain,
    /// Refused.
    Declined,
    /// The customer has to confirm.
    ActionRequired,
    /// The answer did not arrive.
    Unknown,
    /// Nothing was taken and nothing can be any more.
    Voided,
    /// On its way back; the amount counts as kept until it has arrived.
    RefundPending,
    /// Given back.
    Refunded,
    /// What was given back came back to the shop: takes a [`Self::Refunded`] back.
    RefundFailed,
    /// Giving it back was refused.
    RefundRefused,
}

impl Entry {
    /// The text in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IntentCreated => "intent_created",
            Self::Authorized => "authorized",
            Self::Captured => "captured",
            Self::CapturedAgain => "captured_again",
            Self::Declined => "declined",
            Self::ActionRequired => "action_required",
            Self::Unknown => "unknown",
            Self::Voided => "voided",
            Self::RefundPending => "refund_pending",
            Self::Refunded => "refunded",
            Self::RefundFailed => "refund_failed",
            Self::RefundRefused => "refund_refused",
        }
    }
}

/// One row of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerEntry {
    /// Of which attempt.
    pub attempt: u32,
    /// What happened.
    pub entry: Entry,
    /// How much of money it was about.
    pub amount: Money,
    /// The provider's id of the intent or refund.
    pub reference: Option<String>,
    /// The provider's event that told of it, when one did.
    pub event_id: Option<String>,
    /// Of a capture: how often the order's money had been given back before. Unique for each order.
    pub round: Option<i32>,
}
