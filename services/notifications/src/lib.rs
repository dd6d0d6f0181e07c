//! Messages to customers: one message an event, once.
//!
//! The events of an order that its customer should hear of become one email each: the message is composed and stored with
//! the inbox key in one transaction, and sent by SMTP afterwards, from a durable worklist.
//!
//! # Guarantees
//! - One message an event, also when the event is delivered or told again.
//! - A message is sent at least once. Between the mail server's acceptance and its being noted here a crash can send it a
//!   second time, with the same `Message-ID`, by which mailboxes recognize it.
//! - A refusal that may pass (the server is away, busy, or refuses our credentials) is retried for a day. One that will
//!   not, or a day of them, makes the message a dead letter with the error, `supercargo.dead.EVENTS.notifications-mail`;
//!   redriving it sends the message anew.

mod compose;
mod handlers;
mod letter;
mod mailer;
mod sending;
mod settings;
mod store;
mod text;
mod words;

use chassis::{Platform, Role, Store, Subscription, consumer, worklist};
use events::streams;

pub use compose::{ComposeError, Mail, Template, compose, subjects};
pub use handlers::{NOTIFY_CONSUMER, Notify};
pub use mailer::{Mailer, SendError, Sender};
pub use sending::{DeadLetters, JetStreamDeadLetters, MAIL_CONSUMER, SendMail};
pub use settings::{Settings, Shop, SmtpTls, SmtpUrl};
pub use store::{MIGRATIONS, Outgoing};

/// How many mails are sent at the same time.
const AT_ONCE: usize = 8;

/// Starts the service.
///
/// # Errors
/// When a setting is missing or wrong, a migration fails, or the process is told to stop.
pub async fn start(settings: Settings, platform: Platform) -> anyhow::Result<Role> {
    let shop = settings.shop()?;
    let mailer = Mailer::new(&settings.smtp_url()?, shop.from.clone())?;
    let store = Store::open(&platform, "notifications", &MIGRATIONS).await?;
    let events = Subscription {
        stream: streams::EVENTS,
        consumer: NOTIFY_CONSUMER,
        subjects: subjects(),
        concurrency: 2,
        together: 32,
    };
    let dead_letters = JetStreamDeadLetters(platform.jetstream.clone());
    let sending = SendMail::new(store.clone(), mailer, dead_letters);
    Ok(Role::new("notifications")
        .doing("events", consumer::consume(platform.clone(), store.clone(), events, Notify::new(shop)))
        .doing("mail", worklist::work(platform, store, AT_ONCE, sending)))
}
