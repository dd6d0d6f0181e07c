//! The payment ledger and its providers.
//!
//! The service answers for the money of every order. [`machine`] decides, [`engine`] asks the [`provider`] and stores each
//! answer with its entries in the ledger, its events and its report in one transaction; [`handlers`] and [`questions`] take
//! wishes in, [`webhooks`] the provider's word; [`routes`] serves shoppers.

pub mod audit;
pub mod engine;
pub mod handlers;
pub mod machine;
pub mod provider;
mod publisher;
pub mod questions;
pub mod routes;
mod settings;
pub mod store;
pub mod stripe;
mod unsettled;
pub mod webhooks;

use std::sync::Arc;

use chassis::{Platform, Role, Store, Subscription, consumer, questions as asking, worklist};
use events::{CommandTarget, streams};
use resources::PaymentSpec;
use rest::{Gate, Operation};

pub use settings::{Checked, Settings};

/// How many payments are worked on at the same time.
const AT_ONCE: usize = 32;

/// The service's migrations.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// What the OpenAPI document says of this service.
#[must_use]
pub fn operations() -> Vec<(String, String, Operation)> {
    routes::routes().operations().into_iter().chain([webhooks::operation()]).collect()
}

/// Starts the service.
///
/// # Errors
/// When a setting is missing or wrong, or the database cannot be opened.
pub async fn start(settings: Settings, platform: Platform, gate: Gate) -> anyhow::Result<Role> {
    let settings = settings.check()?;
    let provider = Arc::new(stripe::Stripe::new(&settings)?);
    let store = Store::open(&platform, "payment", &MIGRATIONS).await?;
    let subscription = Subscription {
        stream: streams::COMMANDS,
        consumer: "payment-commands",
        subjects: vec![PaymentSpec::SUBJECTS.to_owned()],
        concurrency: 16,
        together: 1,
    };
    let engine = engine::Engine::new(store.clone(), provider, platform.stop.clone());
    let answerer = Arc::new(questions::ApplyPayment::new(store.clone()));
    let webhooks = webhooks::router(store.clone(), settings.webhook_secret);
    let counter = routes::Counter { store: store.clone(), gate, nats: platform.nats.clone() };
    let relay = chassis::relay(platform.clone(), store.clone());
    let commands = consumer::consume(platform.clone(), store.clone(), subscription, handlers::Commands);
    let apply = asking::answer_subject(platform.clone(), PaymentSpec::APPLY, answerer);
    let unsettled = unsettled::watch(platform.clone(), store.clone());
    let work = worklist::work(platform, store, AT_ONCE, engine);
    Ok(Role::new("payment")
        .doing("relay", relay)
        .doing("commands", commands)
        .doing("questions", apply)
        .doing("provider", work)
        .doing("unsettled", unsettled)
        .serving(routes::routes().router().with_state(counter))
        .serving(webhooks))
}
