//! The one open cart of each user, its validation, and its checkout.
//!
//! [`mod@line`], [`change`], [`mod@validate`] and [`checkout`] decide and touch nothing; [`Carts`] makes each change in one transaction;
//! what takes longer (an order to be placed, a price to reach many carts) is on the worklist.
//!
//! # Guarantees
//! - A user has one open cart at most, whatever runs at once. Looking at it writes nothing.
//! - A checkout closes the cart and keeps what was asked for in one transaction. From then on its order is placed once, whatever is
//!   repeated and whatever crashes; or it is refused for good, and the lines are back in the open cart.
//! - The same request under the same `Idempotency-Key` gets the same answer for a day.
//! - A price that changed is said once by a validation, whoever noticed it.
//!
//! # Caveats
//! - What a cart shows is not promised: the order is quoted when it is placed.

mod carts;
mod catalog;
pub mod change;
pub mod checkout;
mod jobs;
pub mod line;
mod placing;
mod prices;
mod revalidate;
mod routes;
mod store;
pub mod validate;
pub mod views;

use chassis::{Platform, Role, Store, Subscription, consumer, worklist};
use events::{EventType, streams};
use rest::{Gate, Operation};
use sqlx::migrate::Migrator;

pub use carts::{Begun, Carts, Held, PutError};
pub use prices::{PRICES_CONSUMER, PriceChanges, reprice};
pub use revalidate::{Due, note_seen, take_due};

use crate::jobs::Jobs;
use crate::placing::Placing;
use crate::routes::{Shop, routes};

/// The tables of this service.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How many pieces of work are done at the same time.
const AT_ONCE: usize = 8;

/// What the OpenAPI document says of the routes: path, method and what it does.
#[must_use]
pub fn operations() -> Vec<(String, String, Operation)> {
    routes().operations()
}

/// Starts the service; it has no settings of its own.
///
/// # Errors
/// When the setting of its database is missing or wrong, a migration fails, or the process is told to stop.
pub async fn start(platform: Platform, gate: Gate) -> anyhow::Result<Role> {
    let store = Store::open(&platform, "cart", &MIGRATIONS).await?;
    let carts = Carts::new(store.clone());
    let placing = Placing::new(carts.clone(), platform.nats.clone());
    let shop = Shop { carts, placing: placing.clone(), nats: platform.nats.clone(), gate };
    let prices = Subscription {
        stream: streams::EVENTS,
        consumer: PRICES_CONSUMER,
        subjects: vec![EventType::PriceChanged.subject().to_owned()],
        concurrency: 1,
        together: 32,
    };
    Ok(Role::new("cart")
        .serving(routes().router().with_state(shop))
        .doing("relay", chassis::relay(platform.clone(), store.clone()))
        .doing("prices", consumer::consume(platform.clone(), store.clone(), prices, PriceChanges))
        .doing("validation", revalidate::keep_validating(platform.clone(), store.clone()))
        .doing("worklist", worklist::work(platform, store, AT_ONCE, Jobs { placing })))
}
