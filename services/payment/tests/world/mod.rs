//! The service on a throw-away database, with a provider of the test's choice.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of tests fails by panicking"
)]

pub mod bank;
pub mod town;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::Store;
use chassis::worklist::Work;
use events::Command;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use money::Money;
use payment::engine::Engine;
use payment::machine::Payment;
use payment::provider::Provider;
use payment::{MIGRATIONS, handlers, store, webhooks};
use resources::{OrderReference, PaymentDesired, PaymentSpec, PaymentStatus};
use serde_json::Value;
use sha2::Sha256;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub const SECRET: &str = "whsec_test";

pub struct World {
    pub store: Store,
    server: String,
    database: String,
}

/// A row of the ledger: entry, amount, reference.
pub type Booked = (String, i64, Option<String>);

impl World {
    pub async fn open() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = std::env::var("DATABASE_URL")
            .expect("set DATABASE_URL to a Postgres for tests, or run make test");
        let database = format!("test_{}", Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(&server).await.unwrap();
        let create = format!("CREATE DATABASE {database}");
        sqlx::query(AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
        // Roles belong to the whole server: tests make theirs one after the other.
        let lock = "SELECT pg_advisory_lock(hashtext('supercargo tests'))";
        sqlx::query(lock).execute(&mut connection).await.unwrap();
        let mut url: url::Url = server.parse().unwrap();
        url.set_path(&database);
        let store = Store::connect(url.as_str(), "payment", 8, &MIGRATIONS).await.unwrap();
        connection.close().await.unwrap();
        Self { store, server, database }
    }

    /// Audits the ledger and drops the database.
    pub async fn close(self) {
        assert_eq!(payment::audit::audit(self.store.pool()).await.unwrap(), []);
        self.store.pool().close().await;
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.database);
        sqlx::query(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
    }

    pub fn engine(&self, provider: Arc<dyn Provider>) -> Engine {
        Engine::new(self.store.clone(), provider, CancellationToken::new())
    }

    pub async fn take(&self, command: &Command<PaymentSpec>) -> PaymentStatus {
        let mut tx = self.store.begin().await.unwrap();
        let status = handlers::take_in_tx(&mut tx, command, Timestamp::now()).await.unwrap();
        tx.commit().await.unwrap();
        status
    }

    pub async fn payment(&self, order: &str) -> Payment {
        let mut connection = self.store.pool().acquire().await.unwrap();
        store::read(&mut connection, order).await.unwrap().unwrap()
    }

    pub async fn ledger(&self, order: &str) -> Vec<Booked> {
        let rows = sqlx::query("SELECT entry, amount, reference FROM ledger WHERE order_id = $1 ORDER BY id")
            .bind(order)
            .fetch_all(self.store.pool())
            .await
            .unwrap();
        rows.iter().map(|row| (row.get("entry"), row.get("amount"), row.get("reference"))).collect()
    }

    pub async fn entries(&self, order: &str) -> Vec<String> {
        self.ledger(order).await.into_iter().map(|(entry, _, _)| entry).collect()
    }

    /// The bodies in the outbox, of events or reports.
    pub async fn outbox(&self, kind: &str) -> Vec<Value> {
        sqlx::query_scalar("SELECT body FROM outbox WHERE kind = $1 ORDER BY id")
            .bind(kind)
            .fetch_all(self.store.pool())
            .await
            .unwrap()
    }

    /// The types of the events told.
    pub async fn told(&self) -> Vec<String> {
        let events = self.outbox("event").await;
        let kind = |event: &Value| event["eventType"].as_str().unwrap().to_owned();
        events.iter().map(|event| kind(event).replace("dev.supercargo.", "").replace(".v1", "")).collect()
    }

    /// The phases reported.
    pub async fn reported(&self) -> Vec<String> {
        let reports = self.outbox("status").await;
        reports.iter().map(|report| report["status"]["phase"].as_str().unwrap().to_owned()).collect()
    }

    /// When the worklist has the order due.
    pub async fn is_due(&self, order: &str) -> bool {
        sqlx::query_scalar("SELECT count(*) = 1 FROM worklist WHERE key = $1 AND due_at <= now()")
            .bind(order)
            .fetch_one(self.store.pool())
            .await
            .unwrap()
    }

    /// Serves the webhooks and answers where.
    pub async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v1/webhooks", listener.local_addr().unwrap());
        let router = webhooks::router(self.store.clone(), SECRET.into());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }
}

/// Works on an order until its phase is as wished, as the worklist would: when it is due, or something was heard.
pub async fn work_until(world: &World, engine: &Engine, order: &str, phase: &str) -> Payment {
    let started = Instant::now();
    loop {
        let next = engine.perform(order, 0).await.unwrap();
        let payment = world.payment(order).await;
        if payment.shown.phase.as_str() == phase {
            return payment;
        }
        assert!(started.elapsed() < Duration::from_secs(40), "not {phase} within 40 s: {payment:?} {next:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The command of a child's generation.
pub fn command(order: &str, generation: i64, desired: PaymentDesired, attempt: u32) -> Command<PaymentSpec> {
    let amount: Money = "31.80 EUR".parse().unwrap();
    Command {
        order_id: order.into(),
        namespace: "default".into(),
        name: "web-1001".into(),
        uid: Some(format!("uid-of-{order}")),
        generation,
        sent_at: Timestamp::now(),
        spec: PaymentSpec {
            order_ref: OrderReference { name: "web-1001".into(), id: order.into() },
            amount,
            method: Some("pm_card_visa".into()),
            retry: 0,
            attempt,
            desired,
            undo_retry: 0,
        },
    }
}

/// The header that signs a body now.
pub fn signature(secret: &str, body: &str) -> String {
    let now = Timestamp::now().as_second();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{now}.{body}").as_bytes());
    format!("t={now},v1={}", hex::encode(mac.finalize().into_bytes()))
}
