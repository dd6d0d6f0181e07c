//! Builders for tests.

use std::time::Duration;

use events::Command;
use jiff::Timestamp;
use money::Money;
use resources::{OrderReference, PaymentDesired, PaymentSpec};

use super::{
    Act, Call, Entry, LedgerEntry, Observation, Payment, Refusal, Step, Telling, apply, next_step, settle,
    take,
};
use crate::provider::{Intent, IntentStatus, ProviderError, Refund, RefundState};

pub const ORDER: &str = "0b9c2a3e-5d1f-4a6b-8c7d-1e2f3a4b5c6d";

pub fn eur(text: &str) -> Money {
    format!("{text} EUR").parse().unwrap()
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

/// The command of a child's generation.
pub fn command(generation: i64, desired: PaymentDesired, attempt: u32) -> Command<PaymentSpec> {
    let order_ref = OrderReference { name: "web-1001".into(), id: ORDER.into() };
    Command {
        order_id: ORDER.into(),
        namespace: "default".into(),
        name: "web-1001".into(),
        uid: Some("uid-1".into()),
        generation,
        sent_at: at(0),
        spec: PaymentSpec {
            order_ref,
            amount: eur("31.80"),
            method: Some("pm_card_visa".into()),
            retry: 0,
            attempt,
            desired,
            undo_retry: 0,
        },
    }
}

pub fn intent(status: IntentStatus) -> Intent {
    let received = if status == IntentStatus::Succeeded { 3180 } else { 0 };
    Intent { id: "pi_1".into(), status, amount: eur("31.80"), received, refusal: None, action_url: None }
}

/// A payment, with what it told and booked.
pub struct World {
    pub payment: Option<Payment>,
    pub now: Timestamp,
    pub told: Vec<Telling>,
    pub ledger: Vec<LedgerEntry>,
}

impl World {
    pub fn new() -> Self {
        Self { payment: None, now: at(0), told: Vec::new(), ledger: Vec::new() }
    }

    /// One that was asked for, and answered with these.
    pub fn after(desired: PaymentDesired, answers: &[(Call, Observation)]) -> Self {
        let mut world = Self::new();
        world.command(&command(1, desired, 1));
        for (call, observation) in answers {
            world.answer(*call, observation.clone());
        }
        world
    }

    pub fn payment(&self) -> &Payment {
        self.payment.as_ref().unwrap()
    }

    pub fn command(&mut self, command: &Command<PaymentSpec>) -> Telling {
        let before = self.payment.take();
        let (mut payment, taken) = take(before.clone(), command, self.now);
        let answer = taken != super::Taken::News;
        let telling = settle(&mut payment, before.as_ref(), answer, self.now);
        self.payment = Some(payment);
        self.told.push(telling);
        telling
    }

    /// What is next must be that call; it is answered so.
    pub fn answer(&mut self, call: Call, observation: Observation) -> Telling {
        let act = self.next_act();
        assert_eq!(act.call, call);
        let before = self.payment.clone().unwrap();
        let mut payment = before.clone();
        let entries = apply(&mut payment, act, observation, before.asked_about(act), self.now);
        let telling = settle(&mut payment, Some(&before), false, self.now);
        self.payment = Some(payment);
        self.ledger.extend(entries);
        self.told.push(telling);
        telling
    }

    /// The webhook of a charge that no attempt knows.
    pub fn hear_of(&mut self, intent: &str) {
        let now = self.now;
        self.payment.as_mut().unwrap().adopt(intent, Some("evt_1"), now);
    }

    /// A webhook about the refund of an attempt.
    pub fn hear(&mut self, attempt: u32) {
        let now = self.now;
        let attempt = self.payment.as_mut().unwrap().attempt_mut(attempt).unwrap();
        attempt.asked = Some("evt_2".into());
        attempt.next_at = attempt.next_at.min(now);
    }

    /// The next call, waiting for it if need be.
    pub fn next_act(&mut self) -> Act {
        match next_step(self.payment(), self.now) {
            Step::Do(act) => act,
            Step::WaitUntil(at) => {
                assert!(at > self.now);
                self.now = at;
                match next_step(self.payment(), at) {
                    Step::Do(act) => act,
                    other @ (Step::Nothing | Step::WaitUntil(_)) => panic!("waited in vain: {other:?}"),
                }
            }
            Step::Nothing => panic!("nothing to do for {:?}", self.payment()),
        }
    }

    pub fn step(&self) -> Step {
        next_step(self.payment(), self.now)
    }

    pub fn waits(&self) -> Duration {
        match self.step() {
            Step::WaitUntil(at) => at.duration_since(self.now).unsigned_abs(),
            other @ (Step::Nothing | Step::Do(_)) => panic!("{other:?}"),
        }
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.ledger.iter().map(|entry| entry.entry).collect()
    }
}

pub fn shows(status: IntentStatus) -> Observation {
    Observation::Intent(intent(status))
}

pub fn lost() -> Observation {
    ProviderError::Unknown("timeout".into()).into()
}

pub fn unavailable() -> Observation {
    ProviderError::Unavailable("429".into()).into()
}

pub fn interrupted() -> Observation {
    ProviderError::Interrupted("503".into()).into()
}

fn refund(id: &str, state: RefundState) -> Observation {
    Observation::Refund(Refund { id: id.into(), amount: 3180, state })
}

pub fn gave_back(id: &str) -> Observation {
    refund(id, RefundState::Succeeded)
}

pub fn gives_back(id: &str) -> Observation {
    refund(id, RefundState::Pending)
}

pub fn came_back(id: &str) -> Observation {
    refund(id, RefundState::Failed(Refusal::new("lost_or_stolen_card", "The card is gone.")))
}
