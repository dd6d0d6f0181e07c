//! The stock ledger: holds, commits, releases and levels.
//!
//! The operator wishes, by the whole spec of a `StockReservation`, what should be true of an order's goods; this service
//! makes it true in one transaction and reports what has come true. [`ledger`], [`reservation`], [`record`], [`expiry`],
//! [`count`] and [`movement`] decide and touch nothing; [`store`] reads and writes tables; [`handlers`], [`questions`], [`routes`]
//! and [`timer`] are where messages, questions, requests and the passing of time come in.
//!
//! # Guarantees
//! - on hand = Σ received + returned + adjusted − shipped, reserved = Σ allocated − released − shipped = Σ live holds,
//!   available = on hand − reserved ≥ 0, whatever runs at once; [`audit::audit`] holds them against each other.
//! - The ledger is by order id, for ever: a wish that arrives late, twice or out of order moves no goods a second time,
//!   and after a release nothing is held or shipped for the order again.
//! - A hold is only ever taken by others when its `expiresAt` has passed.
//!
//! # Caveats
//! - An allocation that was refused is tried again only on a newer generation of its wish, not when goods come in.

pub mod audit;
pub mod count;
pub mod expiry;
pub mod handlers;
pub mod ledger;
pub mod movement;
mod publisher;
pub mod questions;
pub mod record;
pub mod reservation;
mod room;
pub mod routes;
mod settle;
pub mod stocktake;
pub mod store;
pub mod timer;
pub mod wish;

use std::sync::Arc;

use chassis::{Platform, Role, Store, Subscription, consumer, worklist};
use events::questions::{CountStock, ReadStock};
use events::{Command, CommandTarget, EventType, streams};
use resources::{StockReservationSpec, StockReservationStatus};
use rest::{Gate, Operation};
use sqlx::migrate::Migrator;

use crate::handlers::{Commands, ShippedOrders};
use crate::questions::Questions;
use crate::timer::ExpiryTimer;

/// The name of the service, which is also that of its schema.
pub const SERVICE: &str = "inventory";

/// The tables of this service.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

const CONCURRENCY: usize = 16;

/// What the routes are, for the OpenAPI document: path, method and what it does.
#[must_use]
pub fn operations() -> Vec<(String, String, Operation)> {
    routes::routes().operations()
}

/// Starts the service; it has no settings of its own. `gate` judges who moves stock.
///
/// # Errors
/// When the setting of its database is missing or wrong, a migration fails, or the process is told to stop.
pub async fn start(platform: Platform, gate: Gate) -> anyhow::Result<Role> {
    let store = Store::open(&platform, SERVICE, &MIGRATIONS).await?;
    let commands = Subscription {
        stream: streams::COMMANDS,
        consumer: "inventory-commands",
        subjects: vec![StockReservationSpec::SUBJECTS.to_owned()],
        concurrency: CONCURRENCY,
        together: 1,
    };
    let shipped = Subscription {
        stream: streams::EVENTS,
        consumer: "inventory-events",
        subjects: vec![EventType::OrderShipped.subject().to_owned()],
        concurrency: CONCURRENCY,
        together: 1,
    };
    let timer = ExpiryTimer { store: store.clone() };
    let questions = Arc::new(Questions { store: store.clone() });
    let apply = chassis::questions::answer_subject::<Command<StockReservationSpec>, StockReservationStatus>(
        platform.clone(),
        StockReservationSpec::APPLY,
        questions.clone(),
    );
    let counter = routes::Counter { store: store.clone(), platform: platform.clone(), gate };
    Ok(Role::new(SERVICE)
        .serving(routes::routes().router().with_state(counter))
        .doing("relay", chassis::relay(platform.clone(), store.clone()))
        .doing("commands", consumer::consume(platform.clone(), store.clone(), commands, Commands))
        .doing("events", consumer::consume(platform.clone(), store.clone(), shipped, ShippedOrders))
        .doing("expiry", worklist::work(platform.clone(), store, CONCURRENCY, timer))
        .doing("questions about reservations", apply)
        .doing(
            "questions about levels",
            chassis::questions::answer::<ReadStock>(platform.clone(), questions.clone()),
        )
        .doing("stocktakes", chassis::questions::answer::<CountStock>(platform, questions)))
}
