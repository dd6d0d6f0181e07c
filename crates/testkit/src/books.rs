//! The outside world's own books: what the payment provider and the carrier of the sandbox hold.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::stack::Stack;
use crate::waiting::eventually;

/// A payment intent at the provider.
#[derive(Clone, Debug, Deserialize)]
pub struct Intent {
    /// Its id.
    pub id: String,
    /// In minor units.
    pub amount: i64,
    /// How much of it was taken.
    pub amount_received: i64,
    /// How much of it is promised and not taken.
    pub amount_capturable: i64,
    /// Its currency, in small letters.
    pub currency: String,
    /// As the provider names it: `succeeded`, `canceled`.
    pub status: String,
    /// `order`, `order_id`, `attempt`.
    pub metadata: BTreeMap<String, String>,
}

/// An order's money at the provider, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Money {
    /// How much was taken.
    pub captured: i64,
    /// How much of it was given back.
    pub refunded: i64,
    /// How much is promised and not taken.
    pub authorized: i64,
}

/// A parcel at the carrier.
#[derive(Clone, Debug, Deserialize)]
pub struct Parcel {
    /// Its id.
    pub id: String,
    /// Our reference: the order id, and from the second booking on its number.
    pub reference: String,
    /// `pre_transit`, `in_transit`, `delivered`, …
    pub status: String,
    /// `standard` or `express`.
    pub service: String,
    /// The tracking number.
    pub tracking_code: Option<String>,
    /// `refunded` when the label is void.
    pub refund_status: Option<String>,
    /// What is in it.
    pub items: Vec<Value>,
}

impl Stack {
    /// The intents of an order, oldest first.
    ///
    /// # Errors
    /// When the provider does not answer.
    pub async fn intents(&self, order_id: &str) -> anyhow::Result<Vec<Intent>> {
        let query = format!("metadata['order_id']:'{order_id}'");
        let list =
            self.stripe_get("/v1/payment_intents/search", &[("query", &query), ("limit", "100")]).await?;
        let mut intents: Vec<Intent> = entries(list, "data")?;
        intents.reverse();
        Ok(intents)
    }

    /// How much money of an order the provider has taken, given back and promises.
    ///
    /// # Errors
    /// When the provider does not answer.
    pub async fn money(&self, order_id: &str) -> anyhow::Result<Money> {
        let rows = self.stripe_get("/books/orders", &[("order", order_id)]).await?;
        let mut rows: Vec<Money> =
            serde_json::from_value(rows).context("failed to read the provider's books")?;
        Ok(rows.pop().unwrap_or_default())
    }

    /// The parcels of an order, oldest first: of every booking.
    ///
    /// # Errors
    /// When the carrier does not answer.
    pub async fn parcels(&self, order_id: &str) -> anyhow::Result<Vec<Parcel>> {
        let mut parcels = Vec::new();
        for booking in 1..=3 {
            // The first booking goes by the order id, later ones by their number too.
            let reference = if booking == 1 { order_id.to_owned() } else { format!("{order_id}/{booking}") };
            let url = format!("{}/v2/shipments", self.addresses.carrier);
            let request = self.http.get(url).bearer_auth(&self.addresses.carrier_key);
            let answer =
                request.query(&[("reference", reference.as_str()), ("page_size", "100")]).send().await;
            let answer = answer.context("failed to ask the carrier")?.error_for_status()?;
            let list = answer.json().await.context("failed to read the carrier's answer")?;
            let mut found: Vec<Parcel> = entries(list, "shipments")?;
            found.reverse();
            parcels.extend(found);
        }
        Ok(parcels)
    }

    /// Presses a button of the bank's page: `complete` or `fail`.
    ///
    /// # Errors
    /// When the provider refuses.
    pub async fn authenticate(&self, intent: &str, button: &str) -> anyhow::Result<()> {
        let url = format!("{}/authenticate/{intent}/{button}", self.addresses.stripe);
        self.http.post(url).send().await.context("failed to reach the bank's page")?.error_for_status()?;
        Ok(())
    }

    /// Asks the provider for anything, by a form.
    ///
    /// # Errors
    /// When the provider refuses.
    pub async fn stripe_post(&self, path: &str, form: &[(&str, &str)]) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.addresses.stripe);
        let key = crate::unique("tests");
        // Under one key, since another test may have the provider disturbed.
        eventually("the provider takes a request", || async {
            let request =
                self.http.post(&url).bearer_auth(&self.addresses.stripe_key).header("Idempotency-Key", &key);
            let answer =
                request.form(form).send().await.context("failed to ask the provider")?.error_for_status()?;
            answer.json().await.context("failed to read the provider's answer")
        })
        .await
    }

    async fn stripe_get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.addresses.stripe);
        let request = self.http.get(url).bearer_auth(&self.addresses.stripe_key).query(query);
        let answer = request.send().await.context("failed to ask the provider")?.error_for_status()?;
        answer.json().await.context("failed to read the provider's answer")
    }

    /// Faults of the outside world. They touch every test that runs meanwhile, so one test at a time has them, and they
    /// must be such that others only wait longer.
    pub async fn faults(&self) -> Faults<'_> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
        Faults { stack: self, _turn: ONE_AT_A_TIME.lock().await }
    }
}

fn entries<T: serde::de::DeserializeOwned>(mut list: Value, field: &str) -> anyhow::Result<Vec<T>> {
    let entries =
        list.get_mut(field).map(Value::take).with_context(|| format!("an answer without {field}"))?;
    serde_json::from_value(entries).with_context(|| format!("failed to read {field}"))
}

/// The right to disturb the outside world; [`Faults::end`] it.
pub struct Faults<'a> {
    stack: &'a Stack,
    _turn: MutexGuard<'static, ()>,
}

impl Faults<'_> {
    /// Disturbs the payment provider.
    ///
    /// # Errors
    /// When the sandbox refuses.
    pub async fn of_stripe(&self, faults: Value) -> anyhow::Result<()> {
        set(self.stack, &self.stack.addresses.stripe, &faults).await
    }

    /// Disturbs the carrier.
    ///
    /// # Errors
    /// When the sandbox refuses.
    pub async fn of_carrier(&self, faults: Value) -> anyhow::Result<()> {
        set(self.stack, &self.stack.addresses.carrier, &faults).await
    }

    /// Disturbs the mail server.
    ///
    /// # Errors
    /// When the sandbox refuses.
    pub async fn of_mail(&self, faults: Value) -> anyhow::Result<()> {
        set(self.stack, &self.stack.addresses.mailbox, &faults).await
    }

    /// Ends them all.
    ///
    /// # Errors
    /// When the sandbox does not answer.
    pub async fn end(self) -> anyhow::Result<()> {
        let addresses = &self.stack.addresses;
        for server in [&addresses.stripe, &addresses.carrier, &addresses.mailbox] {
            let request = self.stack.http.delete(format!("{server}/faults"));
            request.send().await.context("failed to end the faults")?.error_for_status()?;
        }
        Ok(())
    }
}

async fn set(stack: &Stack, server: &str, faults: &Value) -> anyhow::Result<()> {
    let request = stack.http.post(format!("{server}/faults")).json(&json!(faults));
    request
        .send()
        .await
        .context("failed to set faults")?
        .error_for_status()
        .context("the sandbox refuses faults")?;
    Ok(())
}
