//! The durable history of every order, its snapshots and its archive.
//!
//! Every event of the stream `EVENTS` is copied into the append-only table `history`, those about articles too; the events
//! of an order also move its row in `orders_index`. Three questions are answered from them: was an order of this name
//! delivered before ([`events::questions::RecallName`]), keep this finished order for ever
//! ([`events::questions::Archive`]), and what happened to it ([`events::questions::ReadHistory`]).
//!
//! # Guarantees
//! - An event is recorded once, whatever the order and the number of its deliveries; a recorded event never changes (the
//!   database refuses it).
//! - `orders_index` is a fold of `history`, written in the same transaction.
//! - An order is `Archived` only when all its transitions are recorded and its money is decided; snapshot and the
//!   transitions that were filled in are committed before the answer.

mod archive;
pub mod audit;
pub mod change;
mod gaps;
pub mod handlers;
pub mod keep;
mod place;
mod placements;
#[cfg(test)]
mod plans_tests;
pub mod questions;
mod record;
pub mod reproject;
pub mod routes;
mod settings;
pub mod status;
mod store;
mod summary;
mod timeline;
mod views;

use std::sync::Arc;

use chassis::{Platform, Role, Store, Subscription, consumer, questions::answer};
use events::questions::{
    Archive, ChoosePayment, PlaceOrder, ReadHistory, ReadOwner, RecallName, RefundOrder,
};
use events::streams;
use rest::{Gate, Operation};

pub use place::{Desk, PlaceError};
pub use record::{OrderName, Record, RecordError, Transition};
pub use settings::Settings;
pub use store::MIGRATIONS;
pub use views::View;

use crate::handlers::RecordEvents;
use crate::questions::Librarian;
use crate::reproject::Reprojector;
use crate::routes::{Counter, Live, Seats};

/// How many transactions record events at the same time: meanwhile others gather for the next.
const AT_ONCE: usize = 2;

/// What the OpenAPI document says of this service.
#[must_use]
pub fn operations() -> Vec<(String, String, Operation)> {
    routes::routes().operations()
}

/// Starts the service; the resources of `namespaces` are kept, of all when there are none.
///
/// # Errors
/// When the database's setting is missing or wrong, a migration fails, or the process is told to stop.
pub async fn start(
    settings: Settings,
    platform: Platform,
    gate: Gate,
    namespaces: Vec<String>,
) -> anyhow::Result<Role> {
    let store = Store::open(&platform, "orders", &MIGRATIONS).await?;
    let librarian = Arc::new(Librarian::new(store.clone()));
    let seats = Seats::new(&settings);
    let desk = Desk {
        store: store.clone(),
        kubernetes: platform.kubernetes.clone(),
        namespace: settings.shop_namespace,
    };
    let live = Live::default();
    let clerk = Arc::new(desk.clone());
    let counter = Counter { desk, gate, live: live.clone(), seats, platform: platform.clone() };
    let events = Subscription {
        stream: streams::EVENTS,
        consumer: "orders-history",
        subjects: vec![streams::EVENTS_SUBJECTS.to_owned()],
        concurrency: AT_ONCE,
        together: 64,
    };
    Ok(Role::new("orders")
        .serving(routes::routes().router().with_state(counter))
        .doing("history", consumer::consume(platform.clone(), store.clone(), events, RecordEvents))
        .doing("recall", answer::<RecallName>(platform.clone(), librarian.clone()))
        .doing("archive", answer::<Archive>(platform.clone(), librarian.clone()))
        .doing("read", answer::<ReadHistory>(platform.clone(), librarian))
        .doing("place", answer::<PlaceOrder>(platform.clone(), clerk.clone()))
        .doing("owner", answer::<ReadOwner>(platform.clone(), clerk.clone()))
        .doing("pay", answer::<ChoosePayment>(platform.clone(), clerk.clone()))
        .doing("refund", answer::<RefundOrder>(platform.clone(), clerk))
        .doing(
            "reproject",
            answer::<reproject::Reproject>(platform.clone(), Arc::new(Reprojector(store.clone()))),
        )
        .doing(
            "status",
            answer::<status::ReadStatus>(platform.clone(), Arc::new(status::Counts(store.clone()))),
        )
        .doing("keep", keep::keep(platform.clone(), store.clone(), namespaces))
        .doing(
            "kept",
            answer::<keep::ReadKept>(platform.clone(), Arc::new(keep::Storekeeper { store: store.clone() })),
        )
        .doing("counts", status::keep_counting(platform.clone(), store.clone()))
        .doing("live", live.hear(platform.clone()))
        .doing("gaps", gaps::watch(platform, store)))
}
