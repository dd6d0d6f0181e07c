//! A sandbox of the test's own: free ports, a folder, and a receiver that keeps its webhooks.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a helper of tests fails by panicking, as tests do")]

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::post;
use sandbox::Settings;
use serde_json::Value;
use tempfile::TempDir;
use testkit::free_address;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A webhook that arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Arrived {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What the receiver keeps, and how many it refuses first.
#[derive(Debug, Default)]
pub struct Inbox {
    pub arrived: Vec<Arrived>,
    pub refusals: usize,
}

pub struct World {
    pub folder: TempDir,
    pub settings: Settings,
    pub client: reqwest::Client,
    pub inbox: Arc<Mutex<Inbox>>,
    running: Option<(CancellationToken, JoinHandle<anyhow::Result<()>>)>,
}

impl World {
    pub async fn open(delivery: &str) -> World {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let inbox = Arc::new(Mutex::new(Inbox::default()));
        let receiver = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks", receiver.local_addr().unwrap());
        let router = Router::new().route("/hooks/{provider}", post(receive)).with_state(inbox.clone());
        tokio::spawn(async move { axum::serve(receiver, router).await });
        let settings = settings(folder.path(), delivery, url);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut world = World { folder, settings, client, inbox, running: None };
        world.start().await;
        world
    }

    pub async fn start(&mut self) {
        let stop = CancellationToken::new();
        let task = tokio::spawn(sandbox::run(self.settings.clone(), stop.clone()));
        self.running = Some((stop, task));
        for address in [&self.settings.stripe_addr, &self.settings.carrier_addr, &self.settings.mailbox_addr]
        {
            let url = format!("http://{address}/health");
            until("healthy", || async {
                self.client.get(&url).send().await.is_ok_and(|a| a.status() == 200)
            })
            .await;
        }
    }

    pub async fn stop(&mut self) {
        let (stop, task) = self.running.take().unwrap();
        stop.cancel();
        task.await.unwrap().unwrap();
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    pub async fn stripe_post(
        &self,
        path: &str,
        form: &[(&str, &str)],
        key: Option<&str>,
    ) -> (StatusCode, HeaderMap, Value) {
        let mut request = self
            .client
            .post(format!("http://{}/v1/{path}", self.settings.stripe_addr))
            .bearer_auth("sk_test")
            .form(form);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.headers().clone(), answer.json().await.unwrap())
    }

    pub async fn stripe_get(&self, path: &str) -> Value {
        let url = format!("http://{}/v1/{path}", self.settings.stripe_addr);
        self.client.get(url).basic_auth("sk_test", Some("")).send().await.unwrap().json().await.unwrap()
    }

    pub async fn carrier(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let url = format!("http://{}/v2/{path}", self.settings.carrier_addr);
        let request = self.client.request(method.parse().unwrap(), url).bearer_auth("ez_test");
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    pub async fn get(&self, address: &str, path: &str) -> Value {
        self.client.get(format!("http://{address}{path}")).send().await.unwrap().json().await.unwrap()
    }

    pub async fn faults(&self, address: &str, faults: Value) {
        let url = format!("http://{address}/faults");
        assert_eq!(self.client.post(url).json(&faults).send().await.unwrap().status(), 200);
    }

    pub fn arrived(&self) -> Vec<Arrived> {
        self.inbox.lock().unwrap().arrived.clone()
    }

    pub fn event_types(&self) -> Vec<String> {
        self.arrived()
            .iter()
            .map(|event| event.json()["type"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

async fn receive(
    State(inbox): State<Arc<Mutex<Inbox>>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> StatusCode {
    let mut inbox = inbox.lock().unwrap();
    if inbox.refusals > 0 {
        inbox.refusals -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    inbox.arrived.push(Arrived { path: uri.path().to_owned(), headers, body });
    StatusCode::NO_CONTENT
}

fn settings(folder: &Path, delivery: &str, webhook_url: String) -> Settings {
    Settings {
        stripe_addr: free_address().to_string(),
        carrier_addr: free_address().to_string(),
        smtp_addr: free_address().to_string(),
        mailbox_addr: free_address().to_string(),
        data: folder.to_owned(),
        delivery: delivery.to_owned(),
        webhook_url: Some(webhook_url),
        stripe_key: "sk_test".into(),
        stripe_webhook_secret: "whsec_test".into(),
        carrier_key: "ez_test".into(),
        carrier_webhook_secret: "hook_test".into(),
    }
}

/// Waits for a condition, at most ten seconds.
pub async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < Duration::from_secs(10), "not {what} within 10 s");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Hex of the HMAC-SHA256 of the text.
pub fn hmac_hex(secret: &str, text: &str) -> String {
    use hmac::Mac;
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}
