//! Articles, prices and pictures; answers quotes.
//!
//! - [`quote`] prices an order, purely; [`Catalog`] answers `catalog.quote`, `catalog.import` and `catalog.articles` from its own
//!   tables;
//! - [`import`] is the other end of `catalog.import`: it reads a file of articles and brings it to catalog and inventory;
//! - [`Products`] and [`Images`] are what the routes show and change; [`Levels`] hears from inventory what can be had.

mod answers;
mod article;
mod etag;
mod images;
pub mod import;
mod levels;
mod pages;
mod product;
mod products;
mod publisher;
mod quote;
mod routes;
mod search;
mod settings;
mod staging;
mod store;

use std::sync::Arc;

use chassis::{Platform, Role, Store, consumer};
use events::questions::{ImportArticles, Quote, ReadArticles};
use rest::{Gate, Operation};
use sqlx::migrate::Migrator;

pub use answers::Catalog;
pub use images::{Images, TakenImage, Uploader};
pub use levels::Levels;
pub use pages::{Browse, Rendered};
pub use product::{NewProduct, Product, ProductContent};
pub use products::{Products, Shown};
pub use quote::{Coupon, Discount, Listing, quote};
pub use routes::{CatalogWrite, shown};
pub use settings::Settings;
pub use staging::ImportError;

/// The tables of this service.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// What the routes are, for the OpenAPI document: path, method and what it does.
#[must_use]
pub fn operations() -> Vec<(String, String, Operation)> {
    routes::operations()
}

/// Opens the database and takes up the work; `gate` judges who edits.
///
/// # Errors
/// When the database's setting is missing or wrong, a migration fails, or the process is told to stop.
pub async fn start(settings: Settings, platform: Platform, gate: Gate) -> anyhow::Result<Role> {
    let store = Store::open(&platform, "catalog", &MIGRATIONS).await?;
    let products = Arc::new(Products::new(store.clone()));
    let images = Arc::new(Images::new(store.clone(), &settings));
    let catalog = Arc::new(Catalog::new(store.clone()).shown_by(products.clone()));
    let levels = consumer::consume(platform.clone(), store.clone(), levels::subscription(), Levels);
    Ok(Role::new("catalog")
        .serving(shown(products.clone(), images.clone()))
        .serving(routes::edited(routes::Counter { products, images, gate }))
        .doing("relay", chassis::relay(platform.clone(), store))
        .doing("levels", levels)
        .doing("quotes", chassis::questions::answer::<Quote>(platform.clone(), catalog.clone()))
        .doing("articles", chassis::questions::answer::<ReadArticles>(platform.clone(), catalog.clone()))
        .doing("imports", chassis::questions::answer::<ImportArticles>(platform, catalog)))
}
