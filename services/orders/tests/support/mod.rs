//! A database of the test's own, and builders of what arrives there.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use async_nats::HeaderMap;
use chassis::questions::Answerer;
use chassis::{HandleError, Handler, Message, Store};
use events::questions::{
    Archive, ArchiveAnswer, ProcessedOrder, ReadHistory, ReadHistoryAnswer, RecallName, Reply,
};
use events::{Contact, Event, EventType, OrderTransition, PaymentChanged};
use jiff::{SignedDuration, Timestamp};
use orders::MIGRATIONS;
use orders::handlers::RecordEvents;
use orders::questions::Librarian;
use resources::{OrderPhase, PaymentPhase};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use uuid::Uuid;

const CONSUMER: &str = "orders-history";

/// The service's store and answers on a throw-away database.
pub struct Desk {
    pub store: Store,
    librarian: Librarian,
    server: String,
    database: String,
}

/// What `orders_index` says of an order.
pub struct IndexRow {
    pub phase: Option<String>,
    pub sequence: i64,
    pub complete_to: i64,
    pub has_gap: bool,
    pub processed: bool,
    pub snapshot: Option<Value>,
}

impl Desk {
    pub async fn open() -> Self {
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
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&database);
        let store = Store::connect(url.as_str(), "orders", 8, &MIGRATIONS).await.unwrap();
        connection.close().await.unwrap();
        Self { librarian: Librarian::new(store.clone()), store, server, database }
    }

    pub async fn close(self) {
        self.store.pool().close().await;
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.database);
        sqlx::query(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
    }

    /// Delivers as the consumer does: inbox and effect in one transaction.
    pub async fn deliver_message(&self, message: &Message) -> Result<(), HandleError> {
        let id = message.headers.as_ref().and_then(|headers| headers.get("ce-id")).unwrap().to_string();
        let mut transaction = self.store.begin().await?;
        if transaction.first_time(CONSUMER, &id).await? {
            RecordEvents.handle(message, &mut transaction).await?;
        } else {
            RecordEvents.repeat(message, &mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    pub async fn deliver(&self, event: &Event) {
        self.deliver_message(&message(event)).await.unwrap();
    }

    pub async fn archive(&self, question: Archive) -> Reply<ArchiveAnswer> {
        self.librarian.answer(question).await
    }

    pub async fn recall(&self, name: &str, asker: &str) -> Option<ProcessedOrder> {
        let question = RecallName { namespace: "shop".into(), name: name.into(), order_id: asker.into() };
        let Reply::Answer(answer) = self.librarian.answer(question).await else { panic!("no answer") };
        answer.processed
    }

    pub async fn history(&self, name: &str) -> ReadHistoryAnswer {
        let question = ReadHistory { namespace: "shop".into(), name: name.into() };
        let Reply::Answer(answer) = self.librarian.answer(question).await else { panic!("no answer") };
        answer
    }

    pub async fn index(&self, order_id: &str) -> IndexRow {
        let row = sqlx::query("SELECT * FROM orders_index WHERE order_id = $1")
            .bind(order_id)
            .fetch_one(self.store.pool())
            .await
            .unwrap();
        IndexRow {
            phase: row.get("phase"),
            sequence: row.get("sequence"),
            complete_to: row.get("complete_to"),
            has_gap: row.get::<Option<sqlx::types::time::OffsetDateTime>, _>("gap_since").is_some(),
            processed: row.get("processed"),
            snapshot: row.get("snapshot"),
        }
    }

    /// Returns once a transaction in this database waits for another.
    pub async fn something_waits(&self) {
        // The service's role is not told what others do.
        let mut observer = PgConnection::connect(&self.server).await.unwrap();
        let waits =
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock')";
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !sqlx::query_scalar::<_, bool>(waits)
            .bind(&self.database)
            .fetch_one(&mut observer)
            .await
            .unwrap()
        {
            assert!(std::time::Instant::now() < deadline, "nothing waits");
        }
    }

    pub async fn recorded_events(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT event FROM history ORDER BY id")
            .fetch_all(self.store.pool())
            .await
            .unwrap()
    }
}

pub fn event(event_type: EventType, service: &str, id: &str, subject: &str, data: Value) -> Event {
    Event::new(event_type, service, id.into(), subject, Timestamp::UNIX_EPOCH, &data).unwrap()
}

/// The event as it arrives.
pub fn message(event: &Event) -> Message {
    let headers: HeaderMap = event.headers();
    Message {
        subject: event.event_type.subject().into(),
        headers: Some(headers),
        payload: event.data.to_string().into(),
    }
}

/// An order that goes the straight way in five steps.
pub struct OrderFixture {
    pub id: String,
    name: String,
    start: Timestamp,
}

impl OrderFixture {
    pub fn new(name: &str) -> Self {
        let start = "2026-11-20T10:00:00Z".parse().unwrap();
        Self { id: Uuid::new_v4().to_string(), name: name.into(), start }
    }

    /// Another order of the name, a day later.
    pub fn later(name: &str) -> Self {
        let order = Self::new(name);
        Self { start: order.start + SignedDuration::from_hours(24), ..order }
    }

    pub fn transition(&self, sequence: i64) -> OrderTransition {
        let phase = match sequence {
            1 => OrderPhase::Placed,
            2 => OrderPhase::Reserved,
            3 => OrderPhase::Paid,
            4 => OrderPhase::Shipped,
            _ => OrderPhase::Completed,
        };
        OrderTransition {
            order_id: self.id.clone(),
            namespace: "shop".into(),
            name: self.name.clone(),
            sequence,
            phase,
            reason: None,
            message: None,
            at: self.start + SignedDuration::from_secs(sequence),
            customer: Contact { id: None, email: "shopper@example.com".into(), name: "A. Shopper".into() },
            total: Some("31.80 EUR".parse().unwrap()),
            lines: Vec::new(),
            payment: None,
            tracking_number: None,
            tracking_url: None,
            estimated_delivery: None,
        }
    }

    pub fn step(&self, sequence: i64) -> Event {
        let event_type = match sequence {
            1 => EventType::OrderPlaced,
            2 => EventType::OrderReserved,
            3 => EventType::OrderPaid,
            4 => EventType::OrderShipped,
            _ => EventType::OrderCompleted,
        };
        let transition = self.transition(sequence);
        let id = format!("{}/{sequence}", self.id);
        Event::new(event_type, "operator", id, &self.id, transition.at, &transition).unwrap()
    }

    pub fn archived(&self, sequence: i64) -> Event {
        let transition = self.transition(sequence);
        let at = self.start + SignedDuration::from_hours(1);
        let id = format!("{}/archived", self.id);
        Event::new(EventType::OrderArchived, "operator", id, &self.id, at, &transition).unwrap()
    }

    pub fn payment(&self, phase: PaymentPhase, revision: i64) -> Event {
        let money = |text: &str| text.parse().unwrap();
        let changed = PaymentChanged {
            order_id: self.id.clone(),
            namespace: "shop".into(),
            name: self.name.clone(),
            revision,
            phase,
            attempt: 1,
            amount: money("31.80 EUR"),
            captured: money("31.80 EUR"),
            refunded: money("0 EUR"),
            reason: None,
            message: None,
            reference: None,
        };
        let id = format!("{}/payment/{revision}", self.id);
        Event::new(EventType::PaymentCaptured, "payment", id, &self.id, self.start, &changed).unwrap()
    }

    /// The question that the operator asks at the end, telling the transitions named.
    pub fn archive(&self, sequence: i64, told: &[i64], payment: PaymentPhase) -> Archive {
        Archive {
            order_id: self.id.clone(),
            namespace: "shop".into(),
            name: self.name.clone(),
            phase: OrderPhase::Completed,
            sequence,
            transitions: told.iter().map(|sequence| self.transition(*sequence)).collect(),
            snapshot: json!({
                "order": {"kind": "Order", "metadata": {"name": self.name}, "status": {"phase": "Completed"}},
                "payment": {"kind": "Payment", "metadata": {"name": self.name},
                            "status": {"phase": payment.as_str(), "revision": 2}},
            }),
        }
    }
}
