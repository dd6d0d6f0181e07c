//! The service against a provider over HTTP: every method of the sandbox, its faults and its webhooks, held against its
//! books.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of tests fails by panicking, as tests do")]

mod world;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::worklist::Work;
use payment::Settings;
use payment::engine::Engine;
use payment::machine::{CaptureMode, Payment};
use payment::provider::{IntentStatus, NewIntent, Provider, Refund};
use payment::stripe::Stripe;
use resources::PaymentDesired::{self, Authorized, Cancelled, Captured, Refunded};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use world::{SECRET, World, command, work_until};

/// The service, and a sandbox that tells it by webhook.
struct Town {
    world: World,
    engine: Engine,
    provider: Arc<Stripe>,
    address: String,
    client: reqwest::Client,
    order: String,
    stop: CancellationToken,
    _folder: TempDir,
}

/// Waits until the sandbox answers; false when it has ended instead.
async fn is_up(client: &reqwest::Client, address: &str, running: &JoinHandle<anyhow::Result<()>>) -> bool {
    let health = format!("http://{address}/health");
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(20) {
        let answers = client.get(&health).send().await.is_ok();
        if running.is_finished() || answers {
            return !running.is_finished();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the sandbox does not answer within 20 s");
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

impl Town {
    async fn open(webhooks: bool) -> Self {
        let world = World::open().await;
        let url = world.serve().await;
        let folder = tempfile::tempdir().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let stop = CancellationToken::new();
        let mut address = String::new();
        // A port that was free may be taken by the time the sandbox listens: then others are tried.
        for attempt in 0.. {
            assert!(attempt < 20, "no free ports");
            address = free_address();
            let settings = sandbox::Settings {
                stripe_addr: address.clone(),
                carrier_addr: free_address(),
                smtp_addr: free_address(),
                mailbox_addr: free_address(),
                data: folder.path().to_owned(),
                delivery: "5s".into(),
                webhook_url: webhooks.then(|| url.clone()),
                stripe_key: "sk_test".into(),
                stripe_webhook_secret: SECRET.into(),
                carrier_key: "ez_test".into(),
                carrier_webhook_secret: "hook_test".into(),
            };
            let running = tokio::spawn(sandbox::run(settings, stop.clone()));
            if is_up(&client, &address, &running).await {
                break;
            }
        }
        let provider = Arc::new(stripe(&address, "sk_test"));
        let engine = world.engine(provider.clone());
        let order = Uuid::new_v4().to_string();
        Self { world, engine, provider, address, client, order, stop, _folder: folder }
    }

    async fn close(self) {
        self.stop.cancel();
        self.world.close().await;
    }

    async fn wish(&self, generation: i64, desired: PaymentDesired, attempt: u32, method: &str) {
        let mut command = command(&self.order, generation, desired, attempt);
        command.spec.method = Some(method.into());
        self.world.take(&command).await;
    }

    async fn until(&self, phase: &str) -> Payment {
        work_until(&self.world, &self.engine, &self.order, phase).await
    }

    /// The sandbox's row of the order.
    async fn books(&self) -> Value {
        let url = format!("http://{}/books/orders?order={}", self.address, self.order);
        let rows: Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
        rows[0].clone()
    }

    /// What the sandbox kept of the order, and how its intents are.
    async fn kept(&self) -> (i64, Vec<String>) {
        let books = self.books().await;
        let intents = books["intents"].as_array().cloned().unwrap_or_default();
        let statuses = intents.iter().map(|intent| intent["status"].as_str().unwrap().to_owned());
        (books["net"].as_i64().unwrap_or_default(), statuses.collect())
    }

    async fn faults(&self, faults: Value) {
        let url = format!("http://{}/faults", self.address);
        assert_eq!(self.client.post(url).json(&faults).send().await.unwrap().status(), 200);
    }

    async fn press(&self, url: &str, button: &str) {
        let answer = self.client.post(format!("{url}/{button}")).send().await.unwrap();
        assert!(answer.status().is_success() || answer.status().is_redirection());
    }
}

fn stripe(address: &str, key: &str) -> Stripe {
    let settings = Settings {
        stripe_url: format!("http://{address}"),
        stripe_key: Some(key.into()),
        stripe_webhook_secret: Some(SECRET.into()),
        payment_timeout: "1s".into(),
        payment_return_url: Some("https://shop.example.com/orders".into()),
    };
    Stripe::new(&settings.check().unwrap()).unwrap()
}

fn one(status: &str) -> Vec<String> {
    vec![status.to_owned()]
}

#[tokio::test]
async fn a_card_is_charged_and_given_back() {
    let town = Town::open(true).await;
    town.wish(1, Captured, 1, "pm_card_visa").await;
    let payment = town.until("Captured").await;
    assert_eq!(town.kept().await, (3180, one("succeeded")));
    assert_eq!(town.books().await["intents"][0]["attempt"], "1");
    assert_eq!(payment.shown.reference.as_deref(), town.books().await["intents"][0]["id"].as_str());
    town.wish(2, Refunded, 1, "pm_card_visa").await;
    town.until("Refunded").await;
    assert_eq!(town.kept().await.0, 0);
    assert_eq!(town.world.entries(&town.order).await, ["intent_created", "captured", "refunded"]);
    town.close().await;
}

#[tokio::test]
async fn a_promise_is_captured_later_or_let_go() {
    let town = Town::open(true).await;
    town.wish(1, Authorized, 1, "pm_card_visa").await;
    town.until("Authorized").await;
    assert_eq!(town.kept().await, (0, one("requires_capture")));
    town.wish(2, Captured, 1, "pm_card_visa").await;
    town.until("Captured").await;
    assert_eq!(town.kept().await, (3180, one("succeeded")));
    town.close().await;

    let town = Town::open(true).await;
    town.wish(1, Authorized, 1, "pm_card_visa").await;
    town.until("Authorized").await;
    town.wish(2, Cancelled, 1, "pm_card_visa").await;
    town.until("Voided").await;
    assert_eq!(town.kept().await, (0, one("canceled")));
    town.close().await;
}

#[tokio::test]
async fn a_decline_is_told_with_its_reason_and_the_next_attempt_charges_once() {
    let town = Town::open(true).await;
    town.wish(1, Captured, 1, "pm_card_visa_chargeDeclinedInsufficientFunds").await;
    let payment = town.until("Declined").await;
    assert_eq!(payment.shown.reason.as_deref(), Some("insufficient_funds"));
    assert_eq!(payment.shown.message.as_deref(), Some("Your card has insufficient funds."));
    town.wish(2, Cancelled, 1, "pm_card_visa").await;
    town.until("Voided").await;
    town.wish(3, Captured, 2, "pm_card_nonsense").await;
    assert_eq!(town.until("Declined").await.shown.reason.as_deref(), Some("resource_missing"));
    town.wish(4, Cancelled, 2, "pm_card_visa").await;
    town.until("Voided").await;
    town.wish(5, Captured, 3, "pm_card_visa").await;
    town.until("Captured").await;
    let (net, mut statuses) = town.kept().await;
    statuses.sort();
    assert_eq!((net, statuses), (3180, vec!["canceled".to_owned(), "succeeded".to_owned()]));
    town.close().await;
}

#[tokio::test]
async fn a_lost_answer_is_found_out_to_have_charged() {
    let town = Town::open(false).await;
    town.wish(1, Captured, 1, "pm_sandbox_timeout").await;
    town.until("Captured").await;
    let entries = ["intent_created", "unknown", "captured"];
    assert_eq!(town.world.entries(&town.order).await, entries);
    assert_eq!(town.kept().await, (3180, one("succeeded")));
    town.close().await;
}

#[tokio::test]
async fn a_lost_question_is_cancelled_and_then_called_declined() {
    let town = Town::open(false).await;
    town.wish(1, Captured, 1, "pm_sandbox_timeout_uncharged").await;
    let payment = town.until("Declined").await;
    assert_eq!(payment.shown.reason.as_deref(), Some("not_charged"));
    assert_eq!(town.kept().await, (0, one("canceled")));
    town.close().await;
}

#[tokio::test]
async fn money_that_comes_late_to_a_cancelled_order_is_given_back() {
    let town = Town::open(true).await;
    town.wish(1, Captured, 1, "pm_sandbox_late").await;
    town.until("Unknown").await;
    town.wish(2, Cancelled, 1, "pm_sandbox_late").await;
    town.until("Refunded").await;
    assert_eq!(town.kept().await.0, 0);
    let told = town.world.told().await;
    assert_eq!(told, ["payment.unknown", "payment.captured", "payment.refunded"]);
    town.close().await;
}

#[tokio::test]
async fn an_unavailable_provider_is_waited_for_and_never_called_a_decline() {
    let town = Town::open(true).await;
    town.wish(1, Captured, 1, "pm_sandbox_unavailable").await;
    town.until("Captured").await;
    assert_eq!(town.world.told().await, ["payment.captured"]);
    assert_eq!(town.kept().await, (3180, one("succeeded")));
    town.close().await;
}

#[tokio::test]
async fn the_customer_confirms_at_the_bank_and_the_webhook_tells() {
    let town = Town::open(true).await;
    town.wish(1, Captured, 1, "pm_card_authenticationRequired").await;
    let payment = town.until("ActionRequired").await;
    town.press(&payment.shown.action_url.unwrap(), "complete").await;
    town.until("Captured").await;
    assert_eq!(town.kept().await, (3180, one("succeeded")));
    town.close().await;

    let town = Town::open(true).await;
    town.wish(1, Captured, 1, "pm_card_authenticationRequired").await;
    let payment = town.until("ActionRequired").await;
    town.press(&payment.shown.action_url.unwrap(), "fail").await;
    let reason = town.until("Declined").await.shown.reason;
    assert_eq!(reason.as_deref(), Some("payment_intent_authentication_failure"));
    town.wish(2, Cancelled, 1, "pm_card_visa").await;
    town.until("Voided").await;
    assert_eq!(town.kept().await, (0, one("canceled")));
    town.close().await;
}

#[tokio::test]
async fn a_refused_refund_is_a_failure_that_a_person_sees() {
    let town = Town::open(true).await;
    town.wish(1, Captured, 1, "pm_sandbox_refund_fails").await;
    town.until("Captured").await;
    town.wish(2, Cancelled, 1, "pm_card_visa").await;
    let payment = town.until("Failed").await;
    assert_eq!(payment.shown.reason.as_deref(), Some("refund_refused"));
    town.wish(2, Cancelled, 1, "pm_card_visa").await;
    town.until("Failed").await;
    assert_eq!(town.kept().await, (3180, one("succeeded")));
    town.close().await;
}

#[tokio::test]
async fn answers_lost_after_the_deed_charge_and_refund_once() {
    for status in [500, 503] {
        let town = Town::open(false).await;
        let lose =
            |next: u8, path: &str| json!({"next": next, "status": status, "after": true, "match": path});
        town.faults(lose(1, "POST /v1/payment_intents")).await;
        town.wish(1, Captured, 1, "pm_card_visa").await;
        town.engine.perform(&town.order, 0).await.unwrap();
        assert_eq!(town.kept().await, (0, one("requires_confirmation")), "made, and not known to be");
        town.faults(lose(1, "/confirm")).await;
        town.until("Captured").await;
        assert_eq!(town.kept().await, (3180, one("succeeded")));
        town.faults(lose(2, "/v1/refunds")).await;
        town.wish(2, Cancelled, 1, "pm_card_visa").await;
        town.until("Refunded").await;
        assert_eq!(town.kept().await, (0, one("succeeded")));
        let entries = ["intent_created", "captured", "refunded"];
        assert_eq!(town.world.entries(&town.order).await, entries);
        town.close().await;
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_waited_for() {
    let town = Town::open(false).await;
    town.faults(json!({"down": true})).await;
    town.wish(1, Captured, 1, "pm_card_visa").await;
    let due = tokio::time::timeout(Duration::from_secs(20), town.until("Captured"));
    let back = async {
        while town.world.payment(&town.order).await.attempts[0].failures < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        town.faults(json!({"down": false})).await;
    };
    let (payment, ()) = tokio::join!(due, back);
    payment.unwrap();
    assert_eq!(town.kept().await, (3180, one("succeeded")));
    town.close().await;
}

#[tokio::test]
async fn the_adapter_tells_what_is_and_not_what_was() {
    let town = Town::open(false).await;
    let new = NewIntent {
        key: format!("{}/1", town.order),
        order_id: town.order.clone(),
        attempt: 1,
        order: "default/web-1001".into(),
        amount: "31.80 EUR".parse().unwrap(),
        method: "pm_card_visa".into(),
        capture: CaptureMode::Manual,
    };
    assert_eq!(town.provider.find(&town.order, 1).await.unwrap(), None);
    let intent = town.provider.create(&new).await.unwrap();
    assert_eq!(intent.status, IntentStatus::RequiresConfirmation);
    assert_eq!(
        town.provider.confirm(&intent.id, "confirm").await.unwrap().status,
        IntentStatus::RequiresCapture
    );
    assert_eq!(town.provider.capture(&intent.id, "capture").await.unwrap().received, 3180);
    let replayed = town.provider.create(&new).await.unwrap();
    assert_eq!((replayed.id.as_str(), replayed.status), (intent.id.as_str(), IntentStatus::Succeeded));
    let replayed = town.provider.confirm(&intent.id, "confirm").await.unwrap();
    assert_eq!(replayed.status, IntentStatus::Succeeded);
    assert_eq!(town.provider.find(&town.order, 1).await.unwrap(), Some(replayed));
    assert_eq!(town.provider.find(&town.order, 2).await.unwrap(), None);
    let refund = town.provider.refund(&intent.id, "refund").await.unwrap();
    assert_eq!(town.provider.refund(&intent.id, "refund").await.unwrap(), refund);
    assert_eq!(town.provider.refund(&intent.id, "other").await.unwrap(), Refund::AlreadyMade);
    let other = NewIntent { amount: "1.00 EUR".parse().unwrap(), ..new.clone() };
    assert_eq!(town.provider.create(&other).await.unwrap_err().category(), "key_taken");
    let wrong_key = stripe(&town.address, "sk_other").create(&new).await.unwrap_err();
    assert_eq!(wrong_key.category(), "unavailable", "our fault, and not the customer's: {wrong_key}");
    assert_eq!(town.provider.retrieve("pi_none").await.unwrap_err().category(), "unavailable");
    let nobody = stripe(&free_address(), "sk_test").confirm(&intent.id, "key").await.unwrap_err();
    assert_eq!(nobody.category(), "unavailable");
    town.close().await;
}
