//! A provider in memory that fails in every way: the opponent of the properties.

use std::collections::{BTreeMap, HashMap};

use money::Money;

use super::{CaptureMode, Observation, Refusal};
use crate::provider::{Intent, IntentStatus, NewIntent, ProviderError, Refund, RefundState};

/// What is asked.
#[derive(Clone, Debug)]
pub enum Request {
    Create(NewIntent),
    Find { order_id: String, attempt: u32 },
    Confirm { id: String, key: String },
    Capture { id: String, key: String },
    Cancel { id: String },
    Refund { id: String, key: String },
    RefundPart { id: String, amount: i64, key: String },
    Retrieve { id: String },
    RetrieveRefund { id: String },
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
    /// Charged by a person, or by a request that was on its way for too long.
    pub stray: bool,
    /// What was given back came back.
    pub came_back: bool,
    refusal: Option<Refusal>,
}

#[derive(Default)]
pub struct Model {
    pub intents: BTreeMap<String, ModelIntent>,
    creates: HashMap<String, String>,
    confirmed: HashMap<String, ()>,
    answers: HashMap<String, Result<String, ProviderError>>,
    refunds: BTreeMap<String, (String, Refund)>,
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
                let claims =
                    |intent: &ModelIntent| intent.order_id == *order_id && intent.attempt == *attempt;
                let found = self.intents.iter().filter(|(_, intent)| claims(intent));
                Observation::Found(found.map(|(id, _)| self.show(id)).collect())
            }
            Request::Confirm { id, key } => self.confirm(id, key),
            Request::Capture { id, key } => self.capture(id, key),
            Request::Cancel { id } => self.cancel(id),
            Request::Refund { id, key } => self.refund(id, key, None),
            Request::RefundPart { id, amount, key } => self.refund(id, key, Some(*amount)),
            Request::Retrieve { id } => Observation::Intent(self.show(id)),
            Request::RetrieveRefund { id } => Observation::Refund(self.refunds[id].1.clone()),
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
            stray: false,
            came_back: false,
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

    /// A replayed refund is shown as it is now.
    fn refund(&mut self, id: &str, key: &str, part: Option<i64>) -> Observation {
        let fresh = match self.answers.get(key) {
            Some(_) => Ok(String::new()),
            None => self.refund_once(id, part),
        };
        match self.answers.entry(key.to_owned()).or_insert(fresh) {
            Ok(refund) => Observation::Refund(self.refunds[refund].1.clone()),
            Err(error) => error.clone().into(),
        }
    }

    fn refund_once(&mut self, id: &str, part: Option<i64>) -> Result<String, ProviderError> {
        let intent = self.intents.get_mut(id).unwrap();
        if intent.method == "refund_fails" {
            return Err(ProviderError::Declined { refusal: refusal(), intent: None });
        }
        let left = intent.received - intent.refunded;
        if part.is_some_and(|part| part > left) {
            let refusal = Refusal::new("charge_already_refunded", "So much is not left.");
            return Err(ProviderError::Refused { refusal, intent: None });
        }
        if intent.received > 0 && left == 0 {
            let live =
                |(of, refund): &(String, Refund)| of == id && !matches!(refund.state, RefundState::Failed(_));
            return Ok(self.refunds.iter().find(|(_, refund)| live(refund)).unwrap().0.clone());
        }
        assert_eq!(intent.status, IntentStatus::Succeeded, "only what was taken is given back");
        let amount = part.unwrap_or(left);
        intent.refunded += amount;
        let pending = intent.method == "refund_late";
        let state = if pending { RefundState::Pending } else { RefundState::Succeeded };
        let refund = format!("re_{}", self.refunds.len() + 1);
        let made = Refund { id: refund.clone(), amount, state };
        self.refunds.insert(refund.clone(), (id.to_owned(), made));
        Ok(refund)
    }

    /// Refunds on their way arrive or fail, and unlucky ones fail after they have arrived. Answers what happened.
    pub fn proceed_refunds(&mut self, well: bool) -> Vec<(String, Refund)> {
        let mut moved = Vec::new();
        for (of, refund) in self.refunds.values_mut() {
            let intent = self.intents.get_mut(of).unwrap();
            let unlucky = intent.method == "refund_breaks" && refund.state == RefundState::Succeeded;
            match refund.state {
                RefundState::Pending if well => refund.state = RefundState::Succeeded,
                RefundState::Pending | RefundState::Succeeded
                    if !well && (unlucky || refund.state == RefundState::Pending) =>
                {
                    refund.state = RefundState::Failed(refusal());
                    intent.refunded -= refund.amount;
                    intent.came_back = true;
                }
                RefundState::Pending | RefundState::Succeeded | RefundState::Failed(_) => continue,
            }
            moved.push((of.clone(), refund.clone()));
        }
        moved
    }

    /// A charge that nobody asked for.
    pub fn charge_by_hand(&mut self, order_id: &str, manual: bool, amount: Money) -> String {
        let id = format!("pi_{}", self.intents.len() + 1);
        let mut intent = ModelIntent {
            order_id: order_id.to_owned(),
            attempt: 1,
            method: "visa".to_owned(),
            manual,
            amount,
            status: IntentStatus::RequiresConfirmation,
            received: 0,
            refunded: 0,
            stray: true,
            came_back: false,
            refusal: None,
        };
        intent.charge();
        self.intents.insert(id.clone(), intent);
        id
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
        self.kept_of(|_| true)
    }

    /// The same without the strays and what came back.
    pub fn kept_by_attempts(&self) -> Vec<i64> {
        self.kept_of(|intent| !intent.stray && !intent.came_back)
    }

    fn kept_of(&self, which: fn(&ModelIntent) -> bool) -> Vec<i64> {
        let kept = self.intents.values().filter(|intent| which(intent));
        let kept = kept.map(|intent| intent.received - intent.refunded);
        kept.filter(|kept| *kept != 0).collect()
    }

    /// True when some intent is promised.
    pub fn promises(&self) -> bool {
        self.intents.values().any(|intent| intent.status == IntentStatus::RequiresCapture)
    }

    /// True when some intent of an attempt may still take money without a call of ours.
    pub fn can_take(&self) -> bool {
        self.intents.values().filter(|intent| !intent.stray).any(|intent| {
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
