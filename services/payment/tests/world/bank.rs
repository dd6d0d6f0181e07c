//! A provider in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use payment::machine::Refusal;
use payment::provider::{
    Intent, IntentStatus, NewIntent, NewPart, Provider, ProviderError, Refund, RefundState,
};
use tokio::sync::{Notify, Semaphore};

/// Charges everything, once for each key; can be held up in a confirmation. Of refunds that it is asked about it says that
/// they failed.
pub struct Bank {
    intents: Mutex<HashMap<String, Intent>>,
    calls: Mutex<Vec<String>>,
    pub in_confirm: Notify,
    pub go_on: Semaphore,
}

impl Bank {
    pub fn new(confirmations: usize) -> Arc<Self> {
        Arc::new(Self {
            intents: Mutex::default(),
            calls: Mutex::default(),
            in_confirm: Notify::new(),
            go_on: Semaphore::new(confirmations),
        })
    }

    /// A charge that nobody asked for.
    pub fn charge_by_hand(&self, id: &str, amount: &str) {
        let amount: money::Money = amount.parse().unwrap();
        let intent = Intent {
            id: id.to_owned(),
            status: IntentStatus::Succeeded,
            amount,
            received: amount.minor_units(),
            refusal: None,
            action_url: None,
        };
        self.intents.lock().unwrap().insert(id.to_owned(), intent);
    }

    fn move_to(&self, id: &str, status: IntentStatus) -> Intent {
        let mut intents = self.intents.lock().unwrap();
        let intent = intents.get_mut(id).unwrap();
        if intent.status != IntentStatus::Succeeded {
            intent.status = status;
            intent.received = if status == IntentStatus::Succeeded { intent.amount.minor_units() } else { 0 };
        }
        intent.clone()
    }

    fn note(&self, call: &str) {
        self.calls.lock().unwrap().push(call.to_owned());
    }

    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

#[async_trait]
impl Provider for Bank {
    async fn create(&self, new: &NewIntent) -> Result<Intent, ProviderError> {
        self.note(&format!("create {}", new.key));
        let id = format!("pi_{}", new.key);
        let intent = Intent {
            id: id.clone(),
            status: IntentStatus::RequiresConfirmation,
            amount: new.amount,
            received: 0,
            refusal: None,
            action_url: None,
        };
        Ok(self.intents.lock().unwrap().entry(id).or_insert(intent).clone())
    }

    async fn find(&self, _order_id: &str, _attempt: u32) -> Result<Vec<Intent>, ProviderError> {
        Ok(Vec::new())
    }

    async fn confirm(&self, intent: &str, key: &str) -> Result<Intent, ProviderError> {
        self.note(&format!("confirm {key}"));
        let confirmed = self.move_to(intent, IntentStatus::Succeeded);
        self.in_confirm.notify_one();
        self.go_on.acquire().await.unwrap().forget();
        Ok(confirmed)
    }

    async fn capture(&self, intent: &str, _key: &str) -> Result<Intent, ProviderError> {
        Ok(self.move_to(intent, IntentStatus::Succeeded))
    }

    async fn cancel(&self, intent: &str) -> Result<Intent, ProviderError> {
        self.note("cancel");
        Ok(self.move_to(intent, IntentStatus::Canceled))
    }

    async fn refund(&self, intent: &str, key: &str) -> Result<Refund, ProviderError> {
        self.note(&format!("refund {key}"));
        let amount = self.intents.lock().unwrap()[intent].received;
        Ok(Refund { id: format!("re_of_{intent}"), amount, state: RefundState::Succeeded })
    }

    async fn refund_part(&self, intent: &str, part: &NewPart) -> Result<Refund, ProviderError> {
        self.note(&format!("refund {}", part.key));
        let (id, amount) = (format!("re_of_{intent}_{}", part.key), part.minor_units);
        Ok(Refund { id, amount, state: RefundState::Succeeded })
    }

    async fn retrieve_refund(&self, refund: &str) -> Result<Refund, ProviderError> {
        self.note("retrieve_refund");
        let refusal = Refusal::new("lost_or_stolen_card", "The card is gone.");
        Ok(Refund { id: refund.to_owned(), amount: 3180, state: RefundState::Failed(refusal) })
    }

    async fn retrieve(&self, intent: &str) -> Result<Intent, ProviderError> {
        self.note("retrieve");
        Ok(self.intents.lock().unwrap()[intent].clone())
    }
}
