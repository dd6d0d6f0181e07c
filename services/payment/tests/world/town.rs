//! The service, and a sandbox that tells it by webhook.

use std::sync::Arc;
use std::time::{Duration, Instant};

use payment::Settings;
use payment::engine::Engine;
use payment::machine::Payment;
use payment::stripe::Stripe;
use resources::PaymentDesired;
use serde_json::Value;
use tempfile::TempDir;
use testkit::free_address;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{SECRET, World, command, work_until};

/// The service, and a sandbox that tells it by webhook.
pub struct Town {
    pub world: World,
    pub engine: Engine,
    pub provider: Arc<Stripe>,
    pub address: String,
    pub client: reqwest::Client,
    pub order: String,
    stop: CancellationToken,
    _folder: TempDir,
}

async fn until_up(client: &reqwest::Client, address: &str) {
    let health = format!("http://{address}/health");
    let started = Instant::now();
    while client.get(&health).send().await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(20), "the sandbox does not answer within 20 s");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Town {
    pub async fn open(webhooks: bool) -> Self {
        let world = World::open().await;
        let url = world.serve().await;
        let folder = tempfile::tempdir().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let stop = CancellationToken::new();
        let address = free_address().to_string();
        let settings = sandbox::Settings {
            stripe_addr: address.clone(),
            carrier_addr: free_address().to_string(),
            smtp_addr: free_address().to_string(),
            mailbox_addr: free_address().to_string(),
            data: folder.path().to_owned(),
            delivery: "5s".into(),
            webhook_url: webhooks.then(|| url.clone()),
            stripe_key: "sk_test".into(),
            stripe_webhook_secret: SECRET.into(),
            carrier_key: "ez_test".into(),
            carrier_webhook_secret: "hook_test".into(),
        };
        tokio::spawn(sandbox::run(settings, stop.clone()));
        until_up(&client, &address).await;
        let provider = Arc::new(stripe(&address, "sk_test"));
        let engine = world.engine(provider.clone());
        let order = Uuid::new_v4().to_string();
        Self { world, engine, provider, address, client, order, stop, _folder: folder }
    }

    pub async fn close(self) {
        self.stop.cancel();
        self.world.close().await;
    }

    pub async fn wish(&self, generation: i64, desired: PaymentDesired, attempt: u32, method: &str) {
        let mut command = command(&self.order, generation, desired, attempt);
        command.spec.method = Some(method.into());
        self.world.take(&command).await;
    }

    pub async fn until(&self, phase: &str) -> Payment {
        work_until(&self.world, &self.engine, &self.order, phase).await
    }

    /// Works until that much was given back.
    pub async fn until_refunded(&self, minor_units: i64) -> Payment {
        let started = Instant::now();
        loop {
            let payment = self.until("Captured").await;
            if payment.refunded().minor_units() == minor_units {
                return payment;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "not given back within 20 s: {payment:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A request of a person's.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let url = format!("http://{}/v1/{path}", self.address);
        let answer = self.client.post(url).bearer_auth("sk_test").form(form).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        answer.json().await.unwrap()
    }

    /// The sandbox's row of the order.
    pub async fn books(&self) -> Value {
        let url = format!("http://{}/books/orders?order={}", self.address, self.order);
        let rows: Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
        rows[0].clone()
    }

    /// What the sandbox kept of the order, and how its intents are.
    pub async fn kept(&self) -> (i64, Vec<String>) {
        let books = self.books().await;
        let intents = books["intents"].as_array().cloned().unwrap_or_default();
        let statuses = intents.iter().map(|intent| intent["status"].as_str().unwrap().to_owned());
        (books["net"].as_i64().unwrap_or_default(), statuses.collect())
    }

    pub async fn faults(&self, faults: Value) {
        let url = format!("http://{}/faults", self.address);
        assert_eq!(self.client.post(url).json(&faults).send().await.unwrap().status(), 200);
    }

    pub async fn press(&self, url: &str, button: &str) {
        let answer = self.client.post(format!("{url}/{button}")).send().await.unwrap();
        assert!(answer.status().is_success() || answer.status().is_redirection());
    }
}

pub fn stripe(address: &str, key: &str) -> Stripe {
    let settings = Settings {
        stripe_url: format!("http://{address}"),
        stripe_key: Some(key.into()),
        stripe_webhook_secret: Some(SECRET.into()),
        payment_timeout: "1s".into(),
        payment_return_url: Some("https://shop.example.com/orders".into()),
    };
    Stripe::new(&settings.check().unwrap()).unwrap()
}

pub fn one(status: &str) -> Vec<String> {
    vec![status.to_owned()]
}
