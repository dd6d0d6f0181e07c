//! A provider in memory that fails in every way: the opponent of the properties.

use std::collections::{BTreeMap, HashMap};

use money::Money;

use super::{CaptureMode, Observation, Refusal};
use crate::provider::{Intent, IntentStatus, NewIntent, ProviderError, Refund};

/// What is asked.
#[derive(Clone, Debug)]
pub enum Request {
    Create(NewIntent),
    Find { order_id: String, attempt: u32 },
    Confirm { id: String, key: String },
    Capture { id: String, key: String },
    Cancel { id: String },
    Refund { id: String, key: String },
    Retrieve { id: String },
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    LostBefore,
    LostAfter,
    /// Lost, and executed at some later time.
    Delayed,
    Unavailable,
    FailedBefore,
    FailedAfter,
}

#[derive(Clone, Debug)]
pub struct ModelIntent {
    pub order_id: String,
    pub attempt: u32,
    pub method: String,
    pub manual: bool,
    pub amount: Money,
    pub status: IntentStatus,
    pub received: i64,
    pub refunded: i64,
    refusal: Option<Refusal>,
}

#[derive(Default)]
pub struct Model {
    pub intents: BTreeMap<String, ModelIntent>,
    creates: HashMap<String, String>,
    confirmed: HashMap<String, ()>,
    refunds: HashMap<String, Result<Refund, ProviderError>>,
    pub delayed: Vec<Request>,
}

fn refusal() -> Refusal {
    Refusal::new("generic_decline", "Your card was declined.")
}

impl Model {
    pub fn ask(&mut self, request: Request, fault: Fault) -> Observation {
        match fault {
            Fault::None => self.execute(&request),
            Fault::LostBefore => ProviderError::Unknown("timeout".into()).into(),
            Fault::LostAfter => {
                self.execute(&request);
                ProviderError::Unknown("timeout".into()).into()
            }
            Fault::Delayed => {
                self.delayed.push(request);
                ProviderError::Unknown("timeout".into()).into()
            }
            Fault::Unavailable => ProviderError::Unavailable("429".into()).into(),
            Fault::FailedBefore => ProviderError::Interrupted("503".into()).into(),
            Fault::FailedAfter => {
                self.execute(&request);
                ProviderError::Interrupted("500".into()).into()
            }
        }
    }

    pub fn execute(&mut self, request: &Request) -> Observation {
        match request {
            Request::Create(new) => self.create(new),
            Request::Find { order_id, attempt } => {
                let found =
                    self.intents.iter().find(|(_, i)| i.order_id == *order_id && i.attempt == *attempt);
                found.map_or(Observation::NoIntent, |(id, _)| Observation::Intent(self.show(id)))
            }
            Request::Confirm { id, key } => self.confirm(id, key),
            Request::Capture { id, key } => self.capture(id, key),
            Request::Cancel { id } => self.cancel(id),
            Request::Refund { id, key } => self.refund(id, key),
            Request::Retrieve { id } => Observation::Intent(self.show(id)),
        }
    }

    fn show(&self, id: &str) -> Intent {
        let known = &self.intents[id];
        let waits = known.status == IntentStatus::RequiresAction;
        Intent {
            id: id.to_owned(),
            status: known.status,
            amount: known.amount,
            received: known.received,
            refusal: known.refusal.clone(),
            action_url: waits.then(|| "https://bank.example".to_owned()),
        }
    }

    fn unexpected(&self, id: &str) -> Observation {
        let refusal = Refusal::new("payment_intent_unexpected_state", "No.");
        ProviderError::Refused { refusal, intent: Some(Box::new(self.show(id))) }.into()
    }

    fn create(&mut self, new: &NewIntent) -> Observation {
        if new.method == "unknown" {
            let refusal = Refusal::new("resource_missing", "No such PaymentMethod.");
            return ProviderError::Refused { refusal, intent: None }.into();
        }
        let fresh = format!("pi_{}", self.intents.len() + 1);
        let id = self.creates.entry(new.key.clone()).or_insert(fresh).clone();
        self.intents.entry(id.clone()).or_insert_with(|| ModelIntent {
            order_id: new.order_id.clone(),
            attempt: new.attempt,
            method: new.method.clone(),
            manual: new.capture == CaptureMode::Manual,
            amount: new.amount,
            status: IntentStatus::RequiresConfirmation,
            received: 0,
            refunded: 0,
            refusal: None,
        });
        Observation::Intent(self.show(&id))
    }

    fn confirm(&mut self, id: &str, key: &str) -> Observation {
        if self.confirmed.contains_key(key) {
            return Observation::Intent(self.show(id));
        }
        let intent = self.intents.get_mut(id).unwrap();
        if intent.status != IntentStatus::RequiresConfirmation {
            return self.unexpected(id);
        }
        self.confirmed.insert(key.to_owned(), ());
        match intent.method.as_str() {
            "declined" => intent.decline(),
            "action" => intent.status = IntentStatus::RequiresAction,
            "late" => intent.status = IntentStatus::Processing,
            _ => intent.charge(),
        }
        if intent.status == IntentStatus::RequiresPaymentMethod {
            let intent = Some(Box::new(self.show(id)));
            return ProviderError::Declined { refusal: refusal(), intent }.into();
        }
        Observation::Intent(self.show(id))
    }

    fn capture(&mut self, id: &str, _key: &str) -> Observation {
        let intent = self.intents.get_mut(id).unwrap();
        if intent.status != IntentStatus::RequiresCapture {
            return self.unexpected(id);
        }
        intent.receive();
        Observation::Intent(self.show(id))
    }

    fn cancel(&mut self, id: &str) -> Observation {
        let intent = self.intents.get_mut(id).unwrap();
        match intent.status {
            IntentStatus::Processing | IntentStatus::Canceled | IntentStatus::Succeeded => {
                self.unexpected(id)
            }
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::RequiresCapture => {
                intent.status = IntentStatus::Canceled;
                Observation::Intent(self.show(id))
            }
        }
    }

    fn refund(&mut self, id: &str, key: &str) -> Observation {
        let fresh = self.refund_once(id);
        match self.refunds.entry(key.to_owned()).or_insert(fresh).clone() {
            Ok(refund) => Observation::Refund(refund),
            Err(error) => error.into(),
        }
    }

    fn refund_once(&mut self, id: &str) -> Result<Refund, ProviderError> {
        let intent = self.intents.get_mut(id).unwrap();
        if intent.method == "refund_fails" {
            return Err(ProviderError::Declined { refusal: refusal(), intent: None });
        }
        if intent.received > 0 && intent.refunded == intent.received {
            return Ok(Refund::AlreadyMade);
        }
        assert_eq!(intent.status, IntentStatus::Succeeded, "only what was taken is given back");
        intent.refunded = intent.received;
        Ok(Refund::Made(format!("re_{id}")))
    }

    /// The customer confirms or not, or the provider ends its processing.
    pub fn proceed(&mut self, well: bool) {
        for intent in self.intents.values_mut() {
            if matches!(intent.status, IntentStatus::RequiresAction | IntentStatus::Processing) {
                if well { intent.charge() } else { intent.decline() }
            }
        }
    }

    /// Minor units received and not given back, by intent.
    pub fn kept(&self) -> Vec<i64> {
        let kept = self.intents.values().map(|intent| intent.received - intent.refunded);
        kept.filter(|kept| *kept != 0).collect()
    }

    /// True when some intent may still take money without a call of ours.
    pub fn can_take(&self) -> bool {
        self.intents.values().any(|intent| {
            matches!(
                intent.status,
                IntentStatus::RequiresAction | IntentStatus::Processing | IntentStatus::RequiresCapture
            )
        })
    }
}

impl ModelIntent {
    fn charge(&mut self) {
        if self.manual {
            self.status = IntentStatus::RequiresCapture;
        } else {
            self.receive();
        }
    }

    fn receive(&mut self) {
        self.status = IntentStatus::Succeeded;
        self.received = self.amount.minor_units();
    }

    fn decline(&mut self) {
        self.status = IntentStatus::RequiresPaymentMethod;
        self.refusal = Some(refusal());
    }
}
