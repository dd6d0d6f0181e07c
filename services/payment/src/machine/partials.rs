//! Parts of the money that staff give back of an order that keeps the rest.
//!
//! A part belongs to the attempt whose money is kept. It is asked of the provider under a key of its own until the answer is
//! known, before anything else is undone: so a whole refund that follows gives back what is left, and no part is given twice.

use std::time::Duration;

use chassis::Backoff;
use jiff::Timestamp;
use money::Money;

use super::apply::AFTER_FAILURE;
use super::refunds::WHILE_REFUNDING;
use super::steps::may_be_forgotten;
use super::{Act, Attempt, Call, Entry, LedgerEntry, Observation, Payment, Refusal, Stage};
use crate::provider::{ProviderError, Refund, RefundState};

/// How many parts one order may have.
pub const MOST_PARTS: usize = 100;

/// A part of the money that is given back.
#[derive(Clone, Debug, PartialEq)]
pub struct PartialRefund {
    /// Its number within the order, from 1.
    pub number: u32,
    /// The attempt whose money it is.
    pub attempt: u32,
    /// Minor units.
    pub amount: i64,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub why: String,
    /// How far it is.
    pub state: PartState,
    /// The provider's id, once there is one.
    pub refund: Option<String>,
    /// Why it was refused.
    pub refusal: Option<Refusal>,
    /// The provider's event that told of news, until the provider has been asked for them.
    pub asked: Option<String>,
    /// How many calls failed, or found nothing new, in a row.
    pub failures: u32,
    /// Nothing is asked of the provider before this.
    pub next_at: Timestamp,
    /// When it was asked for: its first call came later, so that its idempotency key is younger.
    pub asked_at: Timestamp,
}

/// How far a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartState {
    /// Asked for, not known to be with the provider.
    Asked,
    /// On its way.
    Pending,
    /// Given back; it may still come back.
    Given,
    /// Not given back: the money is the shop's.
    Refused,
}

impl PartState {
    const ALL: [Self; 4] = [Self::Asked, Self::Pending, Self::Given, Self::Refused];

    /// The text in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Pending => "pending",
            Self::Given => "given",
            Self::Refused => "refused",
        }
    }

    /// The state with that text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl PartialRefund {
    /// What is to be asked of the provider about it, due at its `next_at`.
    pub(super) fn call(&self) -> Option<Call> {
        match self.state {
            PartState::Asked => Some(Call::RefundPart(self.number)),
            PartState::Pending => Some(Call::RetrievePart(self.number)),
            PartState::Given => self.asked.is_some().then_some(Call::RetrievePart(self.number)),
            PartState::Refused => None,
        }
    }

    /// True once the provider may have forgotten its idempotency key: then it is looked for before it is made.
    #[must_use]
    pub fn may_be_forgotten(&self, now: Timestamp) -> bool {
        may_be_forgotten(self.asked_at, now)
    }

    /// True while it is not known whether the provider gives it back.
    const fn is_open(&self) -> bool {
        matches!(self.state, PartState::Asked | PartState::Pending)
    }
}

/// Why a part cannot be given back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// No money of this order is kept.
    #[error("no money of this order is kept, so that none can be given back")]
    NothingKept,
    /// It is all about to be given back.
    #[error("all the money of this order is being given back, this part with it")]
    Undone,
    /// It is all given back already.
    #[error("all the money of this order has been given back: nothing is kept")]
    GivenBack,
    /// Another currency.
    #[error("the order was paid in {0}: give the amount in it")]
    Currency(money::Currency),
    /// More than is left.
    #[error("at most {0} can be given back: that is what is kept and not on its way back")]
    TooMuch(Money),
    /// Too many parts.
    #[error("the order has {MOST_PARTS} partial refunds already: give the rest back as one")]
    TooMany,
}

/// What a wish for a part comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is taken in under this number.
    Number(u32),
    /// It is everything that is kept: a whole refund.
    Whole,
}

impl Payment {
    /// Takes in the wish to give `amount` back. The same amount with the same words is the same wish, unless it is `new` or the
    /// provider refused it.
    ///
    /// # Errors
    /// When so much is not kept; nothing is changed then.
    pub fn give_back_part(
        &mut self,
        amount: Money,
        by: &str,
        why: &str,
        new: bool,
        now: Timestamp,
    ) -> Result<Part, PartError> {
        let same = |part: &&PartialRefund| {
            part.amount == amount.minor_units() && part.why == why && part.state != PartState::Refused
        };
        if let Some(same) = self.partials.iter().find(|part| !new && same(part)) {
            return Ok(Part::Number(same.number));
        }
        if self.wish.is_undo() {
            let mut attempts = self.attempts.iter().filter(|attempt| !attempt.is_stray());
            let given_back = attempts.any(|attempt| attempt.stage == Stage::Refunded);
            return Err(if given_back { PartError::GivenBack } else { PartError::Undone });
        }
        let holds = |attempt: &&Attempt| !attempt.is_stray() && attempt.stage == Stage::Captured;
        let wanted = self.attempt(self.wish.attempt).filter(holds).ok_or(PartError::NothingKept)?;
        let currency = wanted.amount.currency();
        if amount.currency() != currency {
            return Err(PartError::Currency(currency));
        }
        let open = self.partials.iter().filter(|part| part.attempt == wanted.number && part.is_open());
        let left = open.fold(wanted.kept(), |left, part| left.saturating_sub(part.amount));
        match amount.minor_units() {
            all if all == wanted.kept() && all == left => return Ok(Part::Whole),
            more if more > left || more <= 0 => {
                return Err(PartError::TooMuch(Money::from_minor_units(left, currency)));
            }
            _ if self.partials.len() >= MOST_PARTS => return Err(PartError::TooMany),
            _ => {}
        }
        let number = self.partials.iter().map(|part| part.number).max().unwrap_or(0) + 1;
        self.partials.push(PartialRefund {
            number,
            attempt: wanted.number,
            amount: amount.minor_units(),
            by: by.to_owned(),
            why: why.to_owned(),
            state: PartState::Asked,
            refund: None,
            refusal: None,
            asked: None,
            failures: 0,
            next_at: now,
            asked_at: now,
        });
        Ok(Part::Number(number))
    }

    /// True while a part of that attempt's money is not known to be with the provider.
    pub(super) fn awaits_part(&self, attempt: u32) -> bool {
        self.partials.iter().any(|part| part.attempt == attempt && part.state == PartState::Asked)
    }

    /// The provider's event that tells of news about what `act` is about, until the provider has been asked for them.
    #[must_use]
    pub fn asked_about(&self, act: Act) -> Option<&str> {
        match act.call {
            Call::RefundPart(number) | Call::RetrievePart(number) => self.part(number)?.asked.as_deref(),
            Call::Create
            | Call::Search
            | Call::Confirm
            | Call::Capture
            | Call::Cancel
            | Call::Refund
            | Call::Retrieve
            | Call::RetrieveRefund
            | Call::Void => self.attempt(act.attempt)?.asked.as_deref(),
        }
    }

    /// The part of that number.
    #[must_use]
    pub fn part(&self, number: u32) -> Option<&PartialRefund> {
        self.partials.iter().find(|part| part.number == number)
    }

    /// What the answer about a part means.
    pub(super) fn part_answered(
        &mut self,
        number: u32,
        observation: Observation,
        asked: Option<&str>,
        now: Timestamp,
    ) -> Vec<LedgerEntry> {
        let Some(part) = self.partials.iter_mut().find(|part| part.number == number) else {
            return Vec::new();
        };
        let Some(attempt) = self.attempts.iter_mut().find(|attempt| attempt.number == part.attempt) else {
            return Vec::new();
        };
        attempt.version += 1;
        let mut change = PartChange { part, attempt, entries: Vec::new(), asked, now };
        match observation {
            Observation::Refund(refund) => change.seen(refund),
            Observation::Error(
                ProviderError::Declined { refusal, .. } | ProviderError::Refused { refusal, .. },
            ) => change.refused(refusal),
            Observation::Error(error) => change.later(AFTER_FAILURE, &error.to_string()),
            Observation::Intent(_) | Observation::Found(_) | Observation::NoIntent => {
                change.later(AFTER_FAILURE, "the provider answered with something else than a refund");
            }
        }
        change.entries
    }
}

struct PartChange<'a> {
    part: &'a mut PartialRefund,
    attempt: &'a mut Attempt,
    entries: Vec<LedgerEntry>,
    /// The news that were known when the provider was asked.
    asked: Option<&'a str>,
    now: Timestamp,
}

impl PartChange<'_> {
    fn book(&mut self, entry: Entry, minor_units: i64) {
        self.entries.push(LedgerEntry {
            attempt: self.attempt.number,
            entry,
            amount: Money::from_minor_units(minor_units, self.attempt.amount.currency()),
            reference: self.part.refund.clone(),
            event_id: self.part.asked.clone(),
            round: None,
        });
    }

    fn seen(&mut self, refund: Refund) {
        let Refund { id, amount: _, state } = refund;
        self.part.refund = Some(id);
        match state {
            RefundState::Pending if self.part.state == PartState::Given => {}
            RefundState::Pending => {
                if self.part.state == PartState::Asked {
                    self.part.failures = 0;
                    self.book(Entry::RefundPending, self.part.amount);
                }
                self.part.state = PartState::Pending;
                self.later(WHILE_REFUNDING, "on its way");
            }
            RefundState::Succeeded => self.given(),
            RefundState::Failed(refusal) => self.refused(refusal),
        }
        self.hear();
    }

    /// The news that were asked about are heard; newer ones are asked about at once.
    fn hear(&mut self) {
        if self.part.asked.as_deref() == self.asked {
            self.part.asked = None;
        } else {
            self.part.next_at = self.now;
        }
    }

    fn given(&mut self) {
        if self.part.state != PartState::Given {
            // Where everything was given back meanwhile, this part was counted with it.
            let counted = self.part.amount.min(self.attempt.kept());
            if counted > 0 {
                self.book(Entry::Refunded, counted);
                self.attempt.refunded = self.attempt.refunded.saturating_add(counted);
            }
        }
        self.part.state = PartState::Given;
        self.part.refusal = None;
        self.part.failures = 0;
    }

    /// The money of the part is the shop's. Where all was to go back, what is left is asked for anew, under another key.
    fn refused(&mut self, refusal: Refusal) {
        let undone = matches!(self.attempt.stage, Stage::Refunding | Stage::Refunded);
        if self.part.state == PartState::Given || self.attempt.stage == Stage::Refunded {
            let taken_back = self.part.amount.min(self.attempt.refunded);
            self.attempt.refunded -= taken_back;
            self.book(Entry::RefundFailed, taken_back);
        } else {
            self.book(Entry::RefundRefused, self.part.amount);
        }
        if undone {
            self.attempt.stage = Stage::Captured;
            self.attempt.refund = None;
            self.attempt.refund_refusals += 1;
            self.attempt.next_at = self.now;
        }
        self.part.state = PartState::Refused;
        self.part.refusal = Some(refusal);
        self.part.failures = 0;
    }

    fn later(&mut self, backoff: Backoff, why: &str) {
        tracing::debug!(part = self.part.number, why, "the part is asked about again");
        self.part.failures = self.part.failures.saturating_add(1);
        let wait: Duration = backoff.wait(self.part.failures);
        self.part.next_at = self.now.checked_add(wait).unwrap_or(Timestamp::MAX);
    }
}
