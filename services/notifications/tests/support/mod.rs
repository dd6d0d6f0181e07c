//! A database of the test's own, a mail server, and a customer's mailbox.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of tests fails by panicking, as tests do"
)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chassis::worklist::{Next, Work};
use chassis::{HandleError, Handler, Message, Store};
use events::{Event, EventType};
use jiff::Timestamp;
use notifications::{DeadLetters, MIGRATIONS, Mailer, NOTIFY_CONSUMER, Notify, SendMail, Settings};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use testkit::free_address;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

/// What was buried: event id and error.
pub type Graves = Arc<Mutex<Vec<(String, String)>>>;

/// Keeps dead letters in memory.
#[derive(Clone, Default)]
pub struct Graveyard(pub Graves);

#[async_trait]
impl DeadLetters for Graveyard {
    async fn bury(&self, event: &Event, error: &str, _tries: u32) -> anyhow::Result<()> {
        self.0.lock().unwrap().push((event.attributes.id.clone(), error.to_owned()));
        Ok(())
    }
}

/// The service on a throw-away database.
pub struct Office {
    pub store: Store,
    notify: Notify,
    sending: SendMail<Mailer, Graveyard>,
    pub graves: Graves,
    server: String,
    database: String,
}

impl Office {
    /// Sends by the server at `smtp_address`.
    pub async fn open(smtp_address: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = std::env::var("DATABASE_URL")
            .expect("set DATABASE_URL to a Postgres for tests, or run make test");
        let database = format!("test_{}", Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(&server).await.unwrap();
        // Roles belong to the whole server: tests make theirs one after the other.
        sqlx::query("SELECT pg_advisory_lock(hashtext('supercargo tests'))")
            .execute(&mut connection)
            .await
            .unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {database}")))
            .execute(&mut connection)
            .await
            .unwrap();
        let mut url = Url::parse(&server).unwrap();
        url.set_path(&database);
        let store = Store::connect(url.as_str(), "notifications", 8, &MIGRATIONS).await.unwrap();
        connection.close().await.unwrap();
        let settings = Settings {
            smtp_url: Some(format!("smtp://shop:secret@{smtp_address}?tls=none")),
            mail_from: Some("shop@example.com".into()),
            shop_name: "Mug Shop".into(),
        };
        let shop = settings.shop().unwrap();
        let mailer = Mailer::new(&settings.smtp_url().unwrap(), shop.from.clone()).unwrap();
        let graveyard = Graveyard::default();
        let graves = graveyard.0.clone();
        let sending = SendMail::new(store.clone(), mailer, graveyard);
        Self { notify: Notify::new(shop), sending, graves, store, server, database }
    }

    pub async fn close(self) {
        self.store.pool().close().await;
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.database);
        sqlx::query(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
    }

    /// Delivers as the consumer does: inbox and effect in one transaction.
    pub async fn deliver(&self, event: &Event) -> Result<(), HandleError> {
        let message = Message {
            subject: event.event_type.subject().into(),
            headers: Some(event.headers()),
            payload: event.data.to_string().into(),
        };
        let mut transaction = self.store.begin().await?;
        if transaction.first_time(NOTIFY_CONSUMER, &event.attributes.id).await? {
            self.notify.handle(&message, &mut transaction).await?;
        } else {
            self.notify.repeat(&message, &mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Does what is on the worklist, due or not, once; what is done leaves it.
    pub async fn send(&self) {
        for key in self.scheduled().await {
            if self.sending.perform(&key, 0).await.unwrap() == Next::Done {
                sqlx::query("DELETE FROM worklist WHERE key = $1")
                    .bind(key)
                    .execute(self.store.pool())
                    .await
                    .unwrap();
            }
        }
    }

    pub async fn scheduled(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT key FROM worklist ORDER BY key")
            .fetch_all(self.store.pool())
            .await
            .unwrap()
    }

    /// State and tries of the message about an event.
    pub async fn message(&self, event_id: &str) -> (String, i32) {
        sqlx::query_as("SELECT state, tries FROM messages WHERE event_id = $1")
            .bind(event_id)
            .fetch_one(self.store.pool())
            .await
            .unwrap()
    }
}

/// The sandbox: a real SMTP server with a mailbox.
pub struct Mailbox {
    pub smtp: String,
    http: String,
    client: reqwest::Client,
    stop: CancellationToken,
    _folder: TempDir,
}

impl Mailbox {
    pub async fn open() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let settings = sandbox::Settings {
            stripe_addr: free_address().to_string(),
            carrier_addr: free_address().to_string(),
            smtp_addr: free_address().to_string(),
            mailbox_addr: free_address().to_string(),
            data: folder.path().to_owned(),
            delivery: "0s".into(),
            webhook_url: None,
            stripe_key: "sk_test".into(),
            stripe_webhook_secret: String::new(),
            carrier_key: "ez_test".into(),
            carrier_webhook_secret: String::new(),
        };
        let (smtp, http) = (settings.smtp_addr.clone(), settings.mailbox_addr.clone());
        let stop = CancellationToken::new();
        tokio::spawn(sandbox::run(settings, stop.clone()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let started = Instant::now();
        while client.get(format!("http://{http}/health")).send().await.is_err() {
            assert!(started.elapsed() < Duration::from_secs(10), "the sandbox is not healthy within 10 s");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self { smtp, http, client, stop, _folder: folder }
    }

    /// Every mail about an order, oldest first.
    pub async fn mails(&self, order_id: &str) -> Vec<Value> {
        let url = format!("http://{}/messages?order={order_id}", self.http);
        let mut mails: Vec<Value> = self.client.get(url).send().await.unwrap().json().await.unwrap();
        mails.reverse();
        mails
    }

    pub async fn faults(&self, faults: Value) {
        let url = format!("http://{}/faults", self.http);
        assert!(self.client.post(url).json(&faults).send().await.unwrap().status().is_success());
    }

    pub async fn no_faults(&self) {
        self.client.delete(format!("http://{}/faults", self.http)).send().await.unwrap();
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An event of an order, of that number.
pub fn order_event(event_type: EventType, order_id: &str, sequence: i64) -> Event {
    let data = json!({
        "orderId": order_id, "namespace": "shop", "name": "web-1001", "sequence": sequence, "phase": "Placed",
        "at": "2026-11-20T10:00:00Z",
        "customer": {"email": "shopper@example.com", "name": "Zoë Müller"},
        "total": {"amount": "31.80", "currency": "EUR"},
        "lines": [{"sku": "MUG-01", "quantity": 4, "unitPrice": {"amount": "7.95", "currency": "EUR"},
                   "total": {"amount": "31.80", "currency": "EUR"}}],
    });
    Event::new(event_type, "operator", format!("{order_id}/{sequence}"), order_id, Timestamp::now(), &data)
        .unwrap()
}

/// A problem with an order's parcel.
pub fn problem_event(order_id: &str, revision: i64) -> Event {
    let data = json!({"orderId": order_id, "namespace": "shop", "name": "web-1001", "revision": revision,
        "phase": "Exception", "attempt": 1, "trackingNumber": "SC123"});
    let id = format!("{order_id}/shipment/{revision}");
    Event::new(EventType::ShipmentException, "shipping", id, order_id, Timestamp::now(), &data).unwrap()
}

/// A mail server that knows no recipient.
pub async fn refusing_server() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (reader, mut writer) = stream.split();
                let mut lines = BufReader::new(reader).lines();
                writer.write_all(b"220 refusing\r\n").await?;
                while let Some(line) = lines.next_line().await? {
                    let answer = match line.split(' ').next() {
                        Some("EHLO") => "250-refusing\r\n250 AUTH PLAIN\r\n",
                        Some("AUTH") => "235 ok\r\n",
                        Some("RCPT") => "550 5.1.1 no such user\r\n",
                        _ => "250 ok\r\n",
                    };
                    writer.write_all(answer.as_bytes()).await?;
                }
                std::io::Result::Ok(())
            });
        }
    });
    address
}
