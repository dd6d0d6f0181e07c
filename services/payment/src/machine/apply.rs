//! What an answer means: the one transition for answers of the API and, by asking, for webhooks.

use std::time::Duration;

use chassis::Backoff;
use jiff::Timestamp;
use money::Money;

use super::words::{declined_without_words, no_answer, not_charged, processing};
use super::{Act, Attempt, Call, Entry, FIRST_STRAY, LedgerEntry, Payment, Refusal, Stage};
use crate::provider::{Intent, IntentStatus, ProviderError, Refund};

/// After a call that failed.
pub(super) const AFTER_FAILURE: Backoff =
    Backoff { initial: Duration::from_millis(500), maximum: Duration::from_secs(60) };
/// How long after an answer was lost the provider is asked for the first time: it may still be at work on the call, and until then
/// everybody can see that nobody knows.
const UNTIL_ASKED: Duration = Duration::from_secs(2);
/// While the outcome is not known.
const WHILE_UNKNOWN: Backoff = Backoff { initial: Duration::from_secs(1), maximum: Duration::from_secs(60) };
/// While the customer confirms: the webhook comes sooner, unless it is lost.
const WHILE_CUSTOMER_ACTS: Backoff =
    Backoff { initial: Duration::from_secs(30), maximum: Duration::from_secs(600) };

/// What came of an [`Act`].
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// The intent as it is now.
    Intent(Intent),
    /// All intents that claim to be of the attempt.
    Found(Vec<Intent>),
    /// There is no intent.
    NoIntent,
    /// The refund as it is now.
    Refund(Refund),
    /// No good answer.
    Error(ProviderError),
}

impl From<ProviderError> for Observation {
    fn from(error: ProviderError) -> Self {
        Self::Error(error)
    }
}

/// Takes an observation in and answers the entries for the ledger; [`super::settle`] must follow.
///
/// `asked` is what [`Payment::asked_about`] said at the time of the call: news that arrived later are not answered by it.
pub fn apply(
    payment: &mut Payment,
    act: Act,
    observation: Observation,
    asked: Option<&str>,
    now: Timestamp,
) -> Vec<LedgerEntry> {
    if let Call::RefundPart(number) | Call::RetrievePart(number) = act.call {
        return payment.part_answered(number, observation, asked, now);
    }
    let observation = payment.own(act.attempt, observation, now);
    let holds = |other: &Attempt| other.number != act.attempt && !other.is_stray() && other.holds_money();
    let again = act.attempt >= FIRST_STRAY || payment.attempts.iter().any(holds);
    let refunded = |other: &&Attempt| !other.is_stray() && other.stage == Stage::Refunded;
    let rounds = i32::try_from(payment.attempts.iter().filter(refunded).count()).unwrap_or(i32::MAX);
    let Some(attempt) = payment.attempt_mut(act.attempt) else { return Vec::new() };
    attempt.version += 1;
    let mut change = Change { attempt, entries: Vec::new(), event_id: asked, again, rounds, now };
    match observation {
        Observation::Intent(intent) => change.learn(&intent, None),
        Observation::Found(_) | Observation::NoIntent => change.no_intent(act.call),
        Observation::Refund(refund) => change.refund(refund),
        Observation::Error(error) => change.failed(act.call, error),
    }
    change.entries
}

pub(super) struct Change<'a> {
    pub(super) attempt: &'a mut Attempt,
    entries: Vec<LedgerEntry>,
    event_id: Option<&'a str>,
    /// Money that is taken now is a second time: another attempt holds some, or it is a stray.
    again: bool,
    rounds: i32,
    now: Timestamp,
}

impl Change<'_> {
    pub(super) fn book(&mut self, entry: Entry, minor_units: i64, reference: Option<String>) {
        self.entries.push(LedgerEntry {
            attempt: self.attempt.number,
            entry,
            amount: Money::from_minor_units(minor_units, self.attempt.amount.currency()),
            reference,
            event_id: self.event_id.map(str::to_owned),
            round: (entry == Entry::Captured).then_some(self.rounds),
        });
    }

    /// Goes to `stage`, telling the ledger on arrival.
    pub(super) fn enter(&mut self, stage: Stage, entry: Option<Entry>) {
        let arrived = self.attempt.stage != stage;
        self.attempt.stage = stage;
        if arrived {
            self.attempt.polls = 0;
            if let Some(entry) = entry {
                let whole = self.attempt.amount.minor_units();
                self.book(entry, whole, self.attempt.intent.clone());
            }
        }
        self.attempt.next_at = self.now;
    }

    pub(super) fn wait(&mut self, wait: Duration) {
        self.attempt.next_at = self.now.checked_add(wait).unwrap_or(Timestamp::MAX);
    }

    /// The provider shows the intent as it is; `words` say why, where it does not.
    fn learn(&mut self, intent: &Intent, words: Option<&Refusal>) {
        if self.attempt.intent.as_ref().is_some_and(|known| *known != intent.id) {
            return self.try_again(&format!("the provider answered with another intent, {}", intent.id));
        }
        let before = self.attempt.stage;
        let over = matches!(before, Stage::Captured | Stage::Refunding | Stage::Refunded)
            || (before == Stage::Void && intent.status != IntentStatus::Succeeded);
        if !over {
            self.meet(intent);
            self.move_to(before, intent, words);
            // A confirmation or capture that is to be repeated is no progress: the next one waits longer.
            let repeated = matches!(before, Stage::Checking | Stage::Unknown)
                && matches!(self.attempt.stage, Stage::Created | Stage::Authorized);
            if repeated {
                self.wait(AFTER_FAILURE.wait(self.attempt.failures));
            } else {
                self.attempt.failures = 0;
                self.attempt.outage = None;
            }
        }
        self.hear();
    }

    /// The news that were asked about are heard; newer ones are asked about at once.
    pub(super) fn hear(&mut self) {
        if self.attempt.asked.as_deref() == self.event_id {
            self.attempt.asked = None;
        } else {
            self.attempt.next_at = self.now;
        }
    }

    /// Remembers the id of an intent that is seen for the first time; of a stray, how much it is about.
    fn meet(&mut self, intent: &Intent) {
        if self.attempt.is_stray() {
            self.attempt.amount = intent.amount;
        }
        if self.attempt.intent.is_none() {
            self.attempt.intent = Some(intent.id.clone());
            self.book(Entry::IntentCreated, self.attempt.amount.minor_units(), Some(intent.id.clone()));
        }
    }

    fn move_to(&mut self, before: Stage, intent: &Intent, words: Option<&Refusal>) {
        match intent.status {
            IntentStatus::Succeeded => self.captured(intent),
            IntentStatus::Canceled => {
                if !matches!(before, Stage::Uncharged | Stage::Declined) {
                    self.attempt.refusal = None;
                }
                self.attempt.action_url = None;
                self.enter(Stage::Void, Some(Entry::Voided));
            }
            IntentStatus::RequiresCapture if before == Stage::Declined => {}
            IntentStatus::RequiresCapture => {
                self.attempt.refusal = None;
                self.attempt.action_url = None;
                self.enter(Stage::Authorized, Some(Entry::Authorized));
            }
            IntentStatus::RequiresAction => {
                self.attempt.refusal = None;
                self.attempt.action_url.clone_from(&intent.action_url);
                self.enter(Stage::ActionRequired, Some(Entry::ActionRequired));
                self.poll(WHILE_CUSTOMER_ACTS);
            }
            IntentStatus::Processing => {
                self.enter(Stage::Unknown, Some(Entry::Unknown));
                self.attempt.refusal = Some(processing());
                self.poll(WHILE_UNKNOWN);
            }
            IntentStatus::RequiresConfirmation if intent.amount != self.attempt.amount => {
                let message =
                    format!("The provider knows this payment with another amount, {}.", intent.amount);
                self.decline(Refusal::new("amount_mismatch", &message));
            }
            IntentStatus::RequiresConfirmation => self.unconfirmed(before),
            IntentStatus::RequiresPaymentMethod => match (&intent.refusal, words, before) {
                (Some(refusal), _, _) | (None, Some(refusal), _) => self.decline(refusal.clone()),
                (None, None, Stage::Uncharged | Stage::Declined) => {}
                (None, None, _) => self.decline(declined_without_words()),
            },
        }
    }

    fn unconfirmed(&mut self, before: Stage) {
        match before {
            Stage::Planned | Stage::Created | Stage::Checking => self.enter(Stage::Created, None),
            Stage::Unknown | Stage::ActionRequired | Stage::Authorized => {
                self.attempt.refusal = Some(not_charged());
                self.attempt.action_url = None;
                self.enter(Stage::Uncharged, None);
            }
            Stage::Uncharged
            | Stage::Captured
            | Stage::Declined
            | Stage::Void
            | Stage::Refunding
            | Stage::Refunded => {}
        }
    }

    fn captured(&mut self, intent: &Intent) {
        self.attempt.refusal = None;
        self.attempt.action_url = None;
        self.enter(Stage::Captured, None);
        self.attempt.captured = intent.received;
        let entry = if self.again { Entry::CapturedAgain } else { Entry::Captured };
        self.book(entry, intent.received, Some(intent.id.clone()));
    }

    fn decline(&mut self, refusal: Refusal) {
        self.attempt.refusal = Some(refusal);
        self.attempt.action_url = None;
        self.enter(Stage::Declined, Some(Entry::Declined));
    }

    fn no_intent(&mut self, call: Call) {
        match call {
            Call::Search => {
                self.attempt.searched_at = Some(self.now);
                self.attempt.must_search = false;
                self.attempt.asked = None;
                self.attempt.failures = 0;
                self.attempt.outage = None;
            }
            Call::Void => self.enter(Stage::Void, Some(Entry::Voided)),
            Call::Create
            | Call::Confirm
            | Call::Capture
            | Call::Cancel
            | Call::Refund
            | Call::Retrieve
            | Call::RetrieveRefund
            | Call::RefundPart(_)
            | Call::RetrievePart(_) => {
                self.try_again("the provider answered without an intent");
            }
        }
    }

    fn failed(&mut self, call: Call, error: ProviderError) {
        match error {
            ProviderError::Declined { refusal, intent } | ProviderError::Refused { refusal, intent } => {
                self.refused(call, refusal, intent.as_deref());
            }
            ProviderError::KeyTaken(text) => self.key_taken(call, &text),
            ProviderError::Unavailable(text) => self.try_again(&text),
            ProviderError::Interrupted(text) => {
                if call == Call::Confirm {
                    self.attempt.stage = Stage::Checking;
                }
                self.try_again(&text);
            }
            ProviderError::Unknown(text) => match call {
                Call::Confirm | Call::Capture => self.lost(),
                Call::Create => {
                    self.attempt.create_lost = true;
                    self.try_again(&text);
                }
                Call::Search
                | Call::Cancel
                | Call::Refund
                | Call::Retrieve
                | Call::RetrieveRefund
                | Call::RefundPart(_)
                | Call::RetrievePart(_)
                | Call::Void => self.try_again(&text),
            },
        }
    }

    fn refused(&mut self, call: Call, refusal: Refusal, intent: Option<&Intent>) {
        match call {
            Call::Confirm => {
                if let Some(intent) = intent {
                    self.learn(intent, Some(&refusal));
                }
                if self.attempt.stage == Stage::Created {
                    self.decline(refusal);
                }
            }
            Call::Create => self.decline(refusal),
            Call::Capture => {
                if let Some(intent) = intent {
                    self.learn(intent, None);
                }
                if self.attempt.stage == Stage::Authorized {
                    self.decline(refusal);
                }
            }
            Call::Cancel => {
                let failures = self.attempt.failures;
                if let Some(intent) = intent {
                    self.learn(intent, None);
                }
                match self.attempt.stage {
                    Stage::Created
                    | Stage::Authorized
                    | Stage::Declined
                    | Stage::Uncharged
                    | Stage::ActionRequired => {
                        self.attempt.failures = failures;
                        self.try_again(&refusal.message);
                    }
                    Stage::Planned
                    | Stage::Checking
                    | Stage::Unknown
                    | Stage::Captured
                    | Stage::Void
                    | Stage::Refunding
                    | Stage::Refunded => {}
                }
            }
            Call::Refund => {
                let intent = self.attempt.intent.clone();
                self.refund_refused(refusal, Entry::RefundRefused, self.attempt.kept(), intent);
            }
            Call::Retrieve
            | Call::RetrieveRefund
            | Call::RefundPart(_)
            | Call::RetrievePart(_)
            | Call::Search
            | Call::Void => {
                self.try_again(&refusal.message);
            }
        }
    }

    /// The key of a create: another intent has it, which is looked for. Of a confirmation: it was executed before, with
    /// an end that is not known. The other calls have one set of parameters only.
    fn key_taken(&mut self, call: Call, text: &str) {
        match call {
            Call::Create if self.attempt.searched_at.is_some() => {
                let message = "The provider knows this payment otherwise; nothing was taken.";
                self.decline(Refusal::new("idempotency_error", message));
            }
            Call::Create => {
                self.attempt.must_search = true;
                self.try_again(text);
            }
            Call::Confirm => self.lost(),
            Call::Capture
            | Call::Cancel
            | Call::Refund
            | Call::Retrieve
            | Call::RetrieveRefund
            | Call::RefundPart(_)
            | Call::RetrievePart(_)
            | Call::Search
            | Call::Void => self.try_again(text),
        }
    }

    /// The answer is lost: from now on the provider is asked, once it has had a moment to finish what it may be doing. What was heard
    /// meanwhile (a webhook) is not asked about sooner either: that nobody knew is to be seen.
    fn lost(&mut self) {
        self.enter(Stage::Unknown, Some(Entry::Unknown));
        self.wait(UNTIL_ASKED);
        self.attempt.refusal = Some(no_answer());
        self.attempt.failures = self.attempt.failures.saturating_add(1);
    }

    /// Nothing is known to have happened: the same once more, later.
    pub(super) fn try_again(&mut self, why: &str) {
        self.attempt.failures = self.attempt.failures.saturating_add(1);
        self.attempt.outage = Some(why.to_owned());
        self.wait(AFTER_FAILURE.wait(self.attempt.failures));
    }

    pub(super) fn poll(&mut self, backoff: Backoff) {
        self.attempt.polls = self.attempt.polls.saturating_add(1);
        self.wait(backoff.wait(self.attempt.polls));
    }
}
