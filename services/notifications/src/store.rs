//! The tables `contacts` and `messages`.

use chassis::{Store, Transaction, from_database, to_database};
use events::{Attributes, Contact, Event, EventType, TraceParent};
use jiff::Timestamp;
use lettre::Address;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgRow;

use crate::compose::Mail;
use crate::text::message_id;

/// The service's own tables.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// A message that is to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// The event that it tells.
    pub event: Event,
    /// The order's namespace and name.
    pub order_name: String,
    /// To whom.
    pub recipient: Address,
    /// Its subject.
    pub subject: String,
    /// As text.
    pub text: String,
    /// As HTML.
    pub html: String,
    /// Its `Message-ID`, the same whenever it is sent.
    pub message_id: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// Since when it is being sent.
    pub since: Timestamp,
    /// How often that failed.
    pub tries: u32,
}

/// An event as it rests beside its message.
#[derive(Serialize, Deserialize)]
struct StoredEvent {
    #[serde(rename = "type")]
    event_type: String,
    id: String,
    source: String,
    subject: String,
    time: Timestamp,
    trace: String,
    data: Value,
}

impl StoredEvent {
    fn of(event: &Event) -> Self {
        let Event { event_type, attributes, data } = event;
        let Attributes { id, source, subject, time, trace } = attributes.clone();
        Self {
            event_type: event_type.cloud_event_type().to_owned(),
            id,
            source,
            subject,
            time,
            trace: trace.to_string(),
            data: data.clone(),
        }
    }

    fn into_event(self) -> Result<Event, String> {
        let Self { event_type, id, source, subject, time, trace, data } = self;
        let event_type = EventType::from_cloud_event_type(&event_type)
            .ok_or_else(|| format!("{event_type:?} is not in the catalogue"))?;
        let trace = TraceParent::parse(&trace).unwrap_or_else(|| TraceParent::of_order(&subject));
        Ok(Event { event_type, attributes: Attributes { id, source, subject, time, trace }, data })
    }
}

/// Remembers whom the order's messages go to, unless a newer transition told it already.
pub(crate) async fn remember_contact_in_tx(
    transaction: &mut Transaction,
    order_id: &str,
    sequence: i64,
    contact: &Contact,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO contacts (order_id, sequence, email, name) VALUES ($1, $2, $3, $4)
         ON CONFLICT (order_id) DO UPDATE SET sequence = excluded.sequence, email = excluded.email, name = excluded.name
         WHERE contacts.sequence < excluded.sequence",
    )
    .bind(order_id)
    .bind(sequence)
    .bind(&contact.email)
    .bind(&contact.name)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Whom the order's messages go to.
pub(crate) async fn contact_in_tx(
    transaction: &mut Transaction,
    order_id: &str,
) -> Result<Option<Contact>, sqlx::Error> {
    let row = sqlx::query("SELECT email, name FROM contacts WHERE order_id = $1")
        .bind(order_id)
        .fetch_optional(&mut **transaction)
        .await?;
    row.map(|row| Ok(Contact { id: None, email: row.try_get("email")?, name: row.try_get("name")? }))
        .transpose()
}

/// Takes `mail` about `event` for sending. One that was taken before is left alone, unless it had failed: the event was
/// redriven, and it is sent anew.
pub(crate) async fn accept_in_tx(
    transaction: &mut Transaction,
    event: &Event,
    mail: &Mail,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let Mail { template, order_id, order_name, recipient, subject, text, html } = mail;
    let id = &event.attributes.id;
    let stored =
        serde_json::to_value(StoredEvent::of(event)).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let accepted = sqlx::query(
        "INSERT INTO messages (event_id, order_id, order_name, template, recipient, subject, text, html, message_id, event,
             created_at, since)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
         ON CONFLICT (event_id) DO UPDATE SET state = 'pending', since = excluded.since, tries = 0, error = NULL,
             settled_at = NULL, recipient = excluded.recipient
         WHERE messages.state = 'failed'",
    )
    .bind(id)
    .bind(order_id)
    .bind(order_name)
    .bind(template.name())
    .bind(recipient.to_string())
    .bind(subject)
    .bind(text)
    .bind(html)
    .bind(message_id(id))
    .bind(stored)
    .bind(to_database(now))
    .execute(&mut **transaction)
    .await?;
    if accepted.rows_affected() == 1 {
        transaction.schedule(id, now).await?;
        metrics::counter!("supercargo_notifications_messages_total", "template" => template.name())
            .increment(1);
    }
    Ok(())
}

/// The message about that event, while it is to be sent.
pub(crate) async fn pending(store: &Store, event_id: &str) -> Result<Option<Outgoing>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT event, order_name, recipient, subject, text, html, message_id, created_at, since, tries FROM messages
         WHERE event_id = $1 AND state = 'pending'",
    )
    .bind(event_id)
    .fetch_optional(store.pool())
    .await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &PgRow) -> Result<Outgoing, sqlx::Error> {
    let broken = |column: &str, fault: String| sqlx::Error::ColumnDecode {
        index: column.into(),
        source: fault.into(),
    };
    let event: StoredEvent =
        serde_json::from_value(row.try_get("event")?).map_err(|error| broken("event", error.to_string()))?;
    let recipient: &str = row.try_get("recipient")?;
    Ok(Outgoing {
        event: event.into_event().map_err(|fault| broken("event", fault))?,
        order_name: row.try_get("order_name")?,
        recipient: recipient
            .parse()
            .map_err(|_| broken("recipient", format!("{recipient:?} is no address")))?,
        subject: row.try_get("subject")?,
        text: row.try_get("text")?,
        html: row.try_get("html")?,
        message_id: row.try_get("message_id")?,
        created_at: from_database(row.try_get("created_at")?),
        since: from_database(row.try_get("since")?),
        tries: row.try_get::<i32, _>("tries")?.unsigned_abs(),
    })
}

/// Notes that the mail server took the message.
pub(crate) async fn mark_sent(store: &Store, event_id: &str, now: Timestamp) -> Result<(), sqlx::Error> {
    settle(store, event_id, "sent", None, now).await
}

/// Notes that the message cannot be sent.
pub(crate) async fn mark_failed(
    store: &Store,
    event_id: &str,
    error: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    settle(store, event_id, "failed", Some(error), now).await
}

async fn settle(
    store: &Store,
    event_id: &str,
    state: &str,
    error: Option<&str>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE messages SET state = $2, error = $3, settled_at = $4, tries = tries + 1
         WHERE event_id = $1 AND state = 'pending'",
    )
    .bind(event_id)
    .bind(state)
    .bind(error)
    .bind(to_database(now))
    .execute(store.pool())
    .await?;
    Ok(())
}

/// Notes that it failed this time.
pub(crate) async fn mark_tried(store: &Store, event_id: &str, error: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE messages SET tries = tries + 1, error = $2 WHERE event_id = $1 AND state = 'pending'",
    )
    .bind(event_id)
    .bind(error)
    .execute(store.pool())
    .await?;
    Ok(())
}
