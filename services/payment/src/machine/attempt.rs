//! One attempt to take an order's money: one intent at the provider.

use jiff::Timestamp;
use money::Money;

/// The number of the first stray of an order: a charge that nobody here asked for. All that are asked for lie below.
pub const FIRST_STRAY: u32 = 1_000_000;

/// One attempt. Its method and amount are fixed when it is planned; those of a stray are the provider's.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// The provider's token of the method.
    pub method: String,
    /// How much is to be taken.
    pub amount: Money,
    /// Whether the provider takes the money with the confirmation.
    pub capture: CaptureMode,
    /// How far it is.
    pub stage: Stage,
    /// The provider's id of the intent, once there is one.
    pub intent: Option<String>,
    /// Why nothing was taken.
    pub refusal: Option<Refusal>,
    /// The provider's id of the refund that gives it back, or did.
    pub refund: Option<String>,
    /// Why the money could not be given back.
    pub refund_refusal: Option<Refusal>,
    /// How often giving it back was refused: part of the idempotency key, or the refusal would be replayed.
    pub refund_refusals: u32,
    /// Giving it back is to be tried once more.
    pub refund_retry: bool,
    /// Where the customer confirms.
    pub action_url: Option<String>,
    /// Minor units taken, from the ledger.
    pub captured: i64,
    /// Minor units given back, from the ledger.
    pub refunded: i64,
    /// The answer to a create was lost: there may be an intent whose id is not known.
    pub create_lost: bool,
    /// The idempotency key was used for something else: there is an intent to be found.
    pub must_search: bool,
    /// When the provider last found no intent of this attempt.
    pub searched_at: Option<Timestamp>,
    /// The provider's event that told of news, until the provider has been asked for them.
    pub asked: Option<String>,
    /// How many calls failed in a row.
    pub failures: u32,
    /// How often the provider was asked in this stage.
    pub polls: u32,
    /// What the last failure was.
    pub outage: Option<String>,
    /// Nothing is asked of the provider before this.
    pub next_at: Timestamp,
    /// When it was planned: its first call came later, so that its idempotency keys are younger.
    pub planned_at: Timestamp,
    /// Raised by each stored answer.
    pub version: i64,
}

/// How the money is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureMode {
    /// With the confirmation.
    Automatic,
    /// Promised with the confirmation, taken by a capture.
    Manual,
}

/// Why the provider said no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One word for machines.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    #[must_use]
    pub fn new(reason: &str, message: &str) -> Self {
        Self { reason: reason.to_owned(), message: message.to_owned() }
    }
}

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// No intent is known.
    Planned,
    /// The intent is there, unconfirmed.
    Created,
    /// The provider failed with a 5xx at the confirmation or capture: it is asked before that is repeated.
    Checking,
    /// The answer to the confirmation or capture was lost, or the provider is still at it: it is asked until known.
    Unknown,
    /// The answer was lost, and the provider knows of no confirmation: a cancel makes certain that none comes.
    Uncharged,
    /// The customer has to confirm at their bank.
    ActionRequired,
    /// Promised, not taken.
    Authorized,
    /// Taken.
    Captured,
    /// Refused; nothing was taken.
    Declined,
    /// Nothing was taken and nothing can be any more.
    Void,
    /// Taken and on its way back.
    Refunding,
    /// Taken and given back.
    Refunded,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Planned,
        Self::Created,
        Self::Checking,
        Self::Unknown,
        Self::Uncharged,
        Self::ActionRequired,
        Self::Authorized,
        Self::Captured,
        Self::Declined,
        Self::Void,
        Self::Refunding,
        Self::Refunded,
    ];

    /// The text in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Created => "created",
            Self::Checking => "checking",
            Self::Unknown => "unknown",
            Self::Uncharged => "uncharged",
            Self::ActionRequired => "action_required",
            Self::Authorized => "authorized",
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::Void => "void",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
        }
    }

    /// The stage with that text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }
}

impl CaptureMode {
    /// The text in the database and in the provider's API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
        }
    }

    /// The mode with that text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Automatic, Self::Manual].into_iter().find(|mode| mode.as_str() == text)
    }
}

impl Attempt {
    /// An attempt of which nothing was asked yet.
    #[must_use]
    pub fn planned(number: u32, method: String, amount: Money, capture: CaptureMode, now: Timestamp) -> Self {
        Self {
            number,
            method,
            amount,
            capture,
            stage: Stage::Planned,
            intent: None,
            refusal: None,
            refund: None,
            refund_refusal: None,
            refund_refusals: 0,
            refund_retry: false,
            action_url: None,
            captured: 0,
            refunded: 0,
            create_lost: false,
            must_search: false,
            searched_at: None,
            asked: None,
            failures: 0,
            polls: 0,
            outage: None,
            next_at: now,
            planned_at: now,
            version: 0,
        }
    }

    /// True of a charge that nobody here asked for.
    #[must_use]
    pub const fn is_stray(&self) -> bool {
        self.number >= FIRST_STRAY
    }

    /// True when there is money in it: taken, and not yet given back for certain.
    #[must_use]
    pub const fn holds_money(&self) -> bool {
        matches!(self.stage, Stage::Captured | Stage::Refunding)
    }

    /// True when nothing was taken and nothing can be any more, or all is given back.
    #[must_use]
    pub const fn is_undone(&self) -> bool {
        matches!(self.stage, Stage::Void | Stage::Refunded)
    }

    /// Minor units taken and not given back.
    #[must_use]
    pub const fn kept(&self) -> i64 {
        self.captured.saturating_sub(self.refunded)
    }
}
