//! Bookings with carriers and the tracking of parcels.
//!
//! A command says what is wished of the parcel of an order; the wish is stored and answered by work: [`parcel::next_step`]
//! decides what to ask the carrier, [`observe::apply`] what its answer means, [`engine::Engine`] stores each result in one
//! transaction with the events and the status report that tell of it. Webhooks only make a parcel due to be asked for.
//!
//! # Guarantees
//! - One booking an attempt: the carrier's reference and idempotency key are order id and attempt.
//! - `Cancelled` means that no label of that attempt is live, nor will be: a late command finds its tombstone.
//! - Every phase passed is told once as an event; the status shows the newest.

pub mod audit;
pub mod carrier;
pub mod easypost;
pub mod engine;
pub mod handlers;
pub mod observe;
pub mod parcel;
pub mod phases;
mod publisher;
pub mod questions;
pub mod receive;
pub mod routes;
mod settings;
mod signature;
mod store;

use std::sync::Arc;

use chassis::{Platform, Role, Store, Subscription, consumer, worklist};
use events::{CommandTarget, streams};
use resources::ShipmentSpec;
use rest::Operation;
use sqlx::migrate::Migrator;

pub use settings::Settings;

use crate::easypost::EasyPost;
use crate::engine::Engine;
use crate::handlers::Commands;
use crate::parcel::Policy;
use crate::questions::Apply;

/// The tables of the service.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How many commands are handled, and parcels worked on, at the same time.
const AT_ONCE: usize = 16;

/// What the OpenAPI document says of this service.
#[must_use]
pub fn operations() -> Vec<(String, String, Operation)> {
    vec![routes::operation()]
}

/// Starts shipping.
///
/// # Errors
/// When a setting is missing or wrong, or the database cannot be migrated.
pub async fn start(settings: Settings, platform: Platform) -> anyhow::Result<Role> {
    let settings = settings.check()?;
    let store = Store::open(&platform, "shipping", &MIGRATIONS).await?;
    let carrier = Arc::new(EasyPost::new(settings.url, settings.key, easypost::PATIENCE)?);
    let policy = Policy { poll: settings.poll, settle: Policy::SETTLE };
    let engine = Engine::new(store.clone(), carrier, policy);
    let subscription = Subscription {
        stream: streams::COMMANDS,
        consumer: "shipping-commands",
        subjects: vec![ShipmentSpec::SUBJECTS.to_owned()],
        concurrency: AT_ONCE,
        together: 1,
    };
    let apply = Arc::new(Apply::new(store.clone()));
    Ok(Role::new("shipping")
        .doing("relay", chassis::relay(platform.clone(), store.clone()))
        .doing("commands", consumer::consume(platform.clone(), store.clone(), subscription, Commands))
        .doing("questions", chassis::questions::answer_subject(platform.clone(), ShipmentSpec::APPLY, apply))
        .doing("parcels", worklist::work(platform, store.clone(), AT_ONCE, engine))
        .serving(routes::router(store, settings.webhook_secret)))
}
