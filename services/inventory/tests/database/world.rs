//! A database of the test's own, and the ways in which messages reach the service.

use chassis::{HandleError, Handler, Message, Store, Transaction};
use events::questions::{CountStock, ImportAnswer};
use events::{Command, StockLine};
use inventory::handlers::{Commands, apply_in_tx};
use inventory::stocktake::count_in_tx;
use inventory::{MIGRATIONS, SERVICE};
use jiff::Timestamp;
use resources::{ReservationPhase, StockReservationSpec, StockReservationStatus};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::Mutex;

/// Roles belong to the whole server: one test at a time makes the service's.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

pub struct World {
    pub store: Store,
    server: String,
    database: String,
}

pub type Wish = Command<StockReservationSpec>;

impl World {
    pub async fn open() -> World {
        let server = std::env::var("DATABASE_URL")
            .expect("set DATABASE_URL to a Postgres for tests, or run make test");
        let database = format!("test_{}", uuid::Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(&server).await.expect("no Postgres at DATABASE_URL");
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {database}")))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let (before, options) = server.split_once('?').map_or((server.as_str(), None), |(a, b)| (a, Some(b)));
        let (origin, _) = before.rsplit_once('/').unwrap();
        let url =
            format!("{origin}/{database}{}", options.map(|text| format!("?{text}")).unwrap_or_default());
        let alone = ONE_AT_A_TIME.lock().await;
        let store = Store::connect(&url, SERVICE, 20, &MIGRATIONS).await.unwrap();
        drop(alone);
        World { store, server, database }
    }

    /// Holds the ledger against itself, and drops the database.
    pub async fn close(self) {
        assert_eq!(inventory::audit::audit(self.store.pool()).await.unwrap(), []);
        self.store.pool().close().await;
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.database);
        sqlx::query(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
    }

    /// As the chassis delivers a command: once for each business key, then as a repetition; outages are tried again.
    pub async fn deliver(&self, wish: &Wish) {
        let message = Message {
            subject: wish.subject().to_owned(),
            headers: None,
            payload: serde_json::to_vec(wish).unwrap().into(),
        };
        self.retried(async |transaction| {
            if transaction.first_time("inventory-commands", &wish.key()).await? {
                Commands.handle(&message, transaction).await
            } else {
                Commands.repeat(&message, transaction).await
            }
        })
        .await;
    }

    pub async fn apply(&self, wish: &Wish, now: Timestamp) -> StockReservationStatus {
        self.retried(async |transaction| apply_in_tx(transaction, wish, now).await).await
    }

    pub async fn count(&self, question: &CountStock) -> Result<ImportAnswer, HandleError> {
        let mut transaction = self.store.begin().await?;
        let answer = count_in_tx(&mut transaction, question, Timestamp::now()).await?;
        transaction.commit().await?;
        Ok(answer)
    }

    pub async fn stock(&self, counts: &[(&str, i64)]) {
        self.count(&part(&uuid::Uuid::new_v4().to_string(), 0, 1, counts)).await.unwrap();
    }

    /// Does `work` in a transaction, again when the database ended it because another one was in its way.
    pub async fn retried<A>(&self, work: impl AsyncFn(&mut Transaction) -> Result<A, HandleError>) -> A {
        loop {
            let mut transaction = self.store.begin().await.unwrap();
            let done = match work(&mut transaction).await {
                Ok(answer) => transaction.commit().await.map(|()| answer).map_err(HandleError::from),
                Err(error) => Err(error),
            };
            match done {
                Ok(answer) => return answer,
                Err(HandleError::Database(error))
                    if error
                        .as_database_error()
                        .and_then(|refusal| refusal.code())
                        .is_some_and(|code| code.starts_with("40")) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// (on hand, reserved)
    pub async fn level(&self, sku: &str) -> (i64, i64) {
        sqlx::query_as("SELECT on_hand, reserved FROM stock WHERE sku = $1")
            .bind(sku)
            .fetch_one(self.store.pool())
            .await
            .unwrap()
    }

    /// Kind and quantity of the movements of `sku`, oldest first.
    pub async fn movements(&self, sku: &str) -> Vec<(String, i64)> {
        sqlx::query_as("SELECT kind, quantity FROM movements WHERE sku = $1 ORDER BY id")
            .bind(sku)
            .fetch_all(self.store.pool())
            .await
            .unwrap()
    }

    pub async fn phase(&self, order_id: &str) -> Option<String> {
        sqlx::query_scalar("SELECT phase FROM reservations WHERE order_id = $1")
            .bind(order_id)
            .fetch_optional(self.store.pool())
            .await
            .unwrap()
    }

    /// The ids of the events about `subject`, each with its type, oldest first.
    pub async fn told(&self, subject: &str) -> Vec<(String, String)> {
        sqlx::query_as(
            "SELECT body->>'eventType', body->>'id' FROM outbox
             WHERE kind = 'event' AND body->>'subject' = $1 ORDER BY id",
        )
        .bind(subject)
        .fetch_all(self.store.pool())
        .await
        .unwrap()
    }

    /// The reports for the child `uid`, oldest first.
    pub async fn reports(&self, uid: &str) -> Vec<Value> {
        sqlx::query_scalar(
            "SELECT body->'status' FROM outbox WHERE kind = 'status' AND body->>'uid' = $1 ORDER BY id",
        )
        .bind(uid)
        .fetch_all(self.store.pool())
        .await
        .unwrap()
    }
}

pub fn part(import_id: &str, part: u32, parts: u32, counts: &[(&str, i64)]) -> CountStock {
    CountStock {
        import_id: import_id.into(),
        part,
        parts,
        dry_run: false,
        counts: counts
            .iter()
            .map(|(sku, quantity)| StockLine { sku: (*sku).into(), quantity: *quantity })
            .collect(),
        cause: "stocktake".into(),
    }
}

/// A command of generation 1 of the child `uid-<order>`.
pub fn wish(order: &str, desired: &str, lines: &[(&str, u32)]) -> Wish {
    let money = json!({"amount": "1.00", "currency": "EUR"});
    let lines: Vec<Value> = lines
        .iter()
        .map(|(sku, quantity)| json!({"sku": sku, "quantity": quantity, "unitPrice": money, "total": money}))
        .collect();
    serde_json::from_value(json!({
        "orderId": order, "namespace": "shop", "name": format!("web-{order}"), "uid": format!("uid-{order}"),
        "generation": 1, "sentAt": "2026-01-01T00:00:00Z",
        "spec": {"orderRef": {"name": format!("web-{order}"), "id": order}, "lines": lines, "total": money, "desired": desired},
    }))
    .unwrap()
}

pub fn generation(mut wish: Wish, generation: i64) -> Wish {
    wish.generation = generation;
    wish
}

pub fn expiring(wish: Wish, at: Timestamp) -> Wish {
    let mut value = serde_json::to_value(wish).unwrap();
    value["spec"]["expiresAt"] = json!(at.to_string());
    serde_json::from_value(value).unwrap()
}

pub fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub fn phase(status: &StockReservationStatus) -> ReservationPhase {
    status.phase.unwrap()
}
