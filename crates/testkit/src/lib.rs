//! Builders, conditions and handles on the real stack for tests.
//!
//! A test opens a shop of its own on the running stack, places orders and waits for conditions:
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use testkit::{Stack, order};
//!
//! let shop = Stack::from_env().await?.shop().await?;
//! let sku = shop.article("12.50", 10).await?;
//! let placed = shop.place(order().item(&sku, 2)).await?;
//! shop.completes(&placed).await?;
//! shop.settled().await?;
//! shop.close().await
//! # }
//! ```
//!
//! Nothing sleeps: the Kubernetes API is watched; what cannot be watched is asked again in short turns, each bounded, and what
//! is missing at the end is told with the order's state, its children and its history.

mod address;
mod books;
mod commands;
#[cfg(feature = "crash")]
pub mod crash;
mod database;
mod history;
mod mailbox;
mod messages;
mod order;
mod proxy;
mod report;
mod settled;
mod shop;
mod stack;
mod stock;
mod visitor;
mod waiting;
mod webhooks;

pub use address::free_address;
pub use books::{Faults, Intent, Money, Parcel};
pub use commands::{Ended, Program};
pub use database::ScratchDatabase;
pub use history::{History, names};
pub use mailbox::Mail;
pub use messages::{DeadLetter, raw_event, transition_event};
pub use order::{OrderBuilder, order};
pub use proxy::{ApiProxy, EventFaults, Passed, ProxyFaults};
pub use settled::{Mails, Settled};
pub use shop::{Placed, Policy, TestShop, policy};
pub use stack::{Stack, unique};
pub use stock::Level;
pub use visitor::{Answer, PASSWORD, Told, Visitor};
pub use waiting::{PATIENCE, eventually};
