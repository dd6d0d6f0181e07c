//! Strays: charges under an order's id that no attempt of ours knows. A request that was on its way for too long, or a
//! person who charged by hand. Nobody asked for them: whatever they hold is given back.

use jiff::Timestamp;
use money::Money;

use super::{Attempt, CaptureMode, FIRST_STRAY, Observation, Payment, Refusal, Stage};
use crate::provider::{Intent, IntentStatus, ProviderError};

/// A stray's method is not ours to use again.
const METHOD_OF_STRAYS: &str = "unknown";

impl Payment {
    /// Takes an intent that no attempt knows as one to be undone: the provider is asked about it, since only its answer
    /// is the truth. One that is known already is asked about again.
    pub fn adopt(&mut self, intent: &str, event_id: Option<&str>, now: Timestamp) {
        let known = self.attempts.iter_mut().find(|attempt| attempt.intent.as_deref() == Some(intent));
        if let Some(attempt) = known {
            attempt.asked = event_id.map(str::to_owned).or(attempt.asked.take());
            attempt.next_at = attempt.next_at.min(now);
            return;
        }
        let newest =
            self.attempts.iter().filter(|attempt| attempt.is_stray()).map(|attempt| attempt.number).max();
        let number = newest.map_or(FIRST_STRAY, |newest| newest.saturating_add(1));
        let nothing = Money::zero(self.wish.amount.currency());
        self.attempts.push(Attempt {
            stage: Stage::Unknown,
            intent: Some(intent.to_owned()),
            asked: event_id.map(str::to_owned),
            ..Attempt::planned(number, METHOD_OF_STRAYS.to_owned(), nothing, CaptureMode::Automatic, now)
        });
    }

    /// What an observation means for this attempt alone: of the intents that were found, the one of its amount in which
    /// there is most money is its own. Others that hold money are strays, and one of another attempt is never its own.
    pub(super) fn own(&mut self, number: u32, observation: Observation, now: Timestamp) -> Observation {
        let Some(attempt) = self.attempt(number) else { return observation };
        let (amount, has_one) = (attempt.amount, attempt.intent.is_some());
        let others = self.attempts.iter().filter(|other| other.number != number);
        let others: Vec<String> = others.filter_map(|other| other.intent.clone()).collect();
        match observation {
            Observation::Intent(intent) if others.contains(&intent.id) => {
                let message =
                    format!("The provider answers with {}, another charge of this order.", intent.id);
                let refusal = Refusal::new("intent_in_use", &message);
                ProviderError::Refused { refusal, intent: None }.into()
            }
            Observation::Found(found) => {
                let unknown = found.into_iter().filter(|intent| !others.contains(&intent.id));
                let fits = |intent: &Intent| intent.amount == amount || !intent.status.holds_money();
                let (mut fitting, mut strays): (Vec<Intent>, Vec<Intent>) =
                    unknown.partition(|intent| !has_one && fits(intent));
                fitting.sort_by_key(|intent| weight(intent.status));
                let own = fitting.pop();
                strays.append(&mut fitting);
                for stray in strays.iter().filter(|intent| intent.status.holds_money()) {
                    self.adopt(&stray.id, None, now);
                }
                own.map_or(Observation::NoIntent, Observation::Intent)
            }
            Observation::Intent(_)
            | Observation::NoIntent
            | Observation::Refund(_)
            | Observation::Error(_) => observation,
        }
    }
}

/// How much money may be in an intent.
const fn weight(status: IntentStatus) -> u8 {
    match status {
        IntentStatus::Canceled => 0,
        IntentStatus::RequiresPaymentMethod => 1,
        IntentStatus::RequiresConfirmation => 2,
        IntentStatus::RequiresAction => 3,
        IntentStatus::Processing => 4,
        IntentStatus::RequiresCapture => 5,
        IntentStatus::Succeeded => 6,
    }
}
