//! Articles and prices; answers quotes.
//!
//! - [`quote`] prices an order, purely; [`Catalog`] answers `catalog.quote` and `catalog.import` from its own tables;
//! - [`import`] is the other end of `catalog.import`: it reads a file of articles and brings it to catalog and inventory.

mod answers;
mod article;
pub mod import;
mod publisher;
mod quote;
mod staging;
mod store;

use std::sync::Arc;

use chassis::{Platform, Role, Store};
use events::questions::{ImportArticles, Quote};
use sqlx::migrate::Migrator;

pub use answers::Catalog;
pub use quote::{Coupon, Discount, Listing, quote};
pub use staging::ImportError;

/// The tables of this service.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Opens the database and takes up the work.
///
/// # Errors
/// When the database's setting is missing or wrong, a migration fails, or the process is told to stop.
pub async fn start(platform: Platform) -> anyhow::Result<Role> {
    let store = Store::open(&platform, "catalog", &MIGRATIONS).await?;
    let catalog = Arc::new(Catalog::new(store.clone()));
    Ok(Role::new("catalog")
        .doing("relay", chassis::relay(platform.clone(), store))
        .doing("quotes", chassis::questions::answer::<Quote>(platform.clone(), catalog.clone()))
        .doing("imports", chassis::questions::answer::<ImportArticles>(platform, catalog)))
}
