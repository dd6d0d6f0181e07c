//! What every service stands on.
//!
//! A service is a library crate with one entry, `start(settings, platform) -> Role`. From here it takes its
//! [`Platform`] (NATS, Kubernetes, health, the signal to stop), its [`Store`] (a schema and role of its own on Postgres,
//! with inbox and outbox), its [`consumer`]s, [`questions`] and [`worklist`], and hands back a [`Role`] that [`run`]
//! carries until the process is told to stop.
//!
//! # Guarantees
//! - A handler's effects, the inbox key, the events and status reports that it made are committed together or not at all.
//! - What is committed to the outbox is published and reported at least once, also after a crash.
//! - A message is acknowledged after the commit of its handling; one that can never be handled is kept as a dead letter.
//! - On the signal to stop, what is being handled is finished first.

pub mod audit;
mod backoff;
pub mod clock;
pub mod consumer;
mod dead_letter;
pub mod effect;
pub mod gauges;
mod health;
mod http;
mod letters;
mod nats;
mod platform;
mod publish;
pub mod questions;
mod reconnect;
mod relay;
mod role;
mod sampling;
mod settings;
mod status;
mod store;
mod stream_loss;
mod telemetry;
mod time;
pub mod trace;
mod transaction;
pub mod worklist;

pub use backoff::Backoff;
pub use consumer::{HandleError, Handler, Message, Subscription};
pub use dead_letter::bury_event;
pub use effect::{LostAnswer, Point, effect};
pub use health::{Health, HealthCheck};
pub use http::Server;
pub use letters::{Letter, Letters, REDRIVEN_FOR};
pub use nats::NatsSettings;
pub use platform::Platform;
pub use publish::{publish_command, publish_event, publish_event_again};
pub use reconnect::MadeAnew;
pub use relay::relay;
pub use role::{Role, run};
pub use settings::{LogFormat, SettingError, Settings, required};
pub use status::{ChildKind, StatusReport};
pub use store::Store;
pub use stream_loss::{NewStream, new_stream};
pub use telemetry::{Metrics, start_telemetry};
pub use time::{from_database, to_database};
pub use transaction::Transaction;
