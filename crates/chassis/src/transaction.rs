//! A transaction of a service: what it changes, and what it has to tell once that is true.

use std::collections::HashSet;
use std::ops::{Deref, DerefMut};

use events::Event;
use sqlx::{PgConnection, Postgres};

use crate::effect::{Concerns, effect_on_many};
use crate::{Point, StatusReport, Store, trace};

impl Store {
    /// Begins a transaction; it is rolled back unless committed.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        // In a task of its own, which ends also when nobody waits for it any more (a webhook's client that has gone): a
        // begin that is left off halfway would give the pool a connection in an open transaction, and what the next user
        // of it writes without one of his own would not be there after all.
        let pool = self.pool().clone();
        let beginning = tokio::spawn(async move { pool.begin().await });
        let inner = beginning.await.map_err(|_| sqlx::Error::WorkerCrashed)??;
        Ok(Transaction {
            inner,
            store: self.clone(),
            outbox: Outbox::default(),
            scheduled_work: false,
            about: "transaction",
            concerns: Concerns::default(),
        })
    }
}

/// A transaction that also holds what is to be told once it is committed.
///
/// It dereferences to the connection: `sqlx::query(…).execute(&mut **transaction)` with `transaction: &mut Transaction`.
pub struct Transaction {
    inner: sqlx::Transaction<'static, Postgres>,
    store: Store,
    outbox: Outbox,
    pub(crate) scheduled_work: bool,
    about: &'static str,
    pub(crate) concerns: Concerns,
}

impl Transaction {
    /// Says what this does, for the name of the fail point that its commit passes, and for whom: an order id, or a key with one.
    pub fn about(&mut self, what: &'static str, subject: &str) {
        self.about = what;
        self.concerns.note(subject);
    }

    /// Tells `event` once this is committed.
    pub fn publish(&mut self, event: &Event) {
        self.concerns.note(&event.attributes.subject);
        let body = crate::relay::OutboxEvent::of(event);
        self.outbox.push("event", event.attributes.id.clone(), serde_json::json!(body));
    }

    /// Reports `report` once this is committed.
    pub fn report(&mut self, report: &StatusReport) {
        let mut body = serde_json::json!(report);
        if let Some(trace) = trace::present() {
            body["trace"] = trace.to_string().into();
        }
        self.outbox.push("status", report.key(), body);
    }

    /// Remembers that `message_id` was handled by `consumer`; false when it had been before.
    ///
    /// # Errors
    /// When the inbox cannot be written.
    pub async fn first_time(&mut self, consumer: &str, message_id: &str) -> Result<bool, sqlx::Error> {
        Ok(!self.first_times(consumer, &[message_id]).await?.is_empty())
    }

    /// Remembers that all of `message_ids` were handled by `consumer`; answers those that had not been before.
    ///
    /// # Errors
    /// When the inbox cannot be written.
    pub(crate) async fn first_times(
        &mut self,
        consumer: &str,
        message_ids: &[&str],
    ) -> Result<HashSet<String>, sqlx::Error> {
        // In one order, so that two who remember some of the same wait for each other one way only.
        let new = sqlx::query_scalar(
            "INSERT INTO inbox (consumer, message_id)
             SELECT DISTINCT $1, message_id FROM unnest($2::text[]) AS message_id ORDER BY message_id
             ON CONFLICT DO NOTHING RETURNING message_id",
        );
        let new: Vec<String> = new.bind(consumer).bind(message_ids).fetch_all(&mut *self.inner).await?;
        Ok(new.into_iter().collect())
    }

    /// Writes what is to be told and makes everything true together, then wakes the relay and the worklist.
    ///
    /// # Errors
    /// When what is to be told cannot be written: then nothing is true. When the database does not confirm the commit: it may
    /// have happened or not, and is found out by redelivery.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        let Self { mut inner, store, outbox, scheduled_work, about, concerns } = self;
        let has_to_tell = outbox.write(&mut inner).await?;
        let mut inner = Some(inner);
        let point = Point::new(store.service(), about, "commit");
        effect_on_many(
            point,
            || concerns.subjects(),
            || {
                let inner = inner.take();
                async {
                    match inner {
                        Some(inner) => inner.commit().await,
                        // There is no second commit of a transaction.
                        None => Ok(()),
                    }
                }
            },
        )
        .await?;
        if has_to_tell {
            store.outbox_written.notify_one();
        }
        if scheduled_work {
            store.work_scheduled.notify_one();
        }
        Ok(())
    }
}

/// What a transaction is to tell, column by column, in the order in which it is told. It is written when all of it is there:
/// one statement, however much it is.
#[derive(Default)]
struct Outbox {
    kinds: Vec<&'static str>,
    keys: Vec<String>,
    bodies: Vec<serde_json::Value>,
}

impl Outbox {
    fn push(&mut self, kind: &'static str, key: String, body: serde_json::Value) {
        self.kinds.push(kind);
        self.keys.push(key);
        self.bodies.push(body);
    }

    /// True when there was something to write.
    async fn write(self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        if self.kinds.is_empty() {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO outbox (kind, message_key, body)
             SELECT kind, message_key, body
             FROM unnest($1::text[], $2::text[], $3::jsonb[]) WITH ORDINALITY AS told (kind, message_key, body, number)
             ORDER BY number",
        )
        .bind(self.kinds)
        .bind(self.keys)
        .bind(self.bodies)
        .execute(connection)
        .await?;
        Ok(true)
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.inner
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}
