//! Customers; answers whether one may order.
//!
//! - [`Accounts`] answers `accounts.check` for the operator, and the [`questions`] of the command line;
//! - [`client`] asks those: `supercargo accounts add|disable|enable|list`.

mod answers;
mod check;
pub mod client;
pub mod questions;
mod store;
mod user;

use std::sync::Arc;

use chassis::{Platform, Role, Store};
use events::questions::CheckCustomer;
use sqlx::migrate::Migrator;

use crate::questions::{AddUser, ListUsers, SetDisabled};

pub use answers::{Accounts, AccountsError};
pub use check::check;

/// The tables of this service.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Opens the database and takes up the work.
///
/// # Errors
/// When the database's setting is missing or wrong, a migration fails, or the process is told to stop.
pub async fn start(platform: Platform) -> anyhow::Result<Role> {
    let store = Store::open(&platform, "accounts", &MIGRATIONS).await?;
    let accounts = Arc::new(Accounts::new(store));
    Ok(Role::new("accounts")
        .doing("checks", chassis::questions::answer::<CheckCustomer>(platform.clone(), accounts.clone()))
        .doing("additions", chassis::questions::answer::<AddUser>(platform.clone(), accounts.clone()))
        .doing("disabling", chassis::questions::answer::<SetDisabled>(platform.clone(), accounts.clone()))
        .doing("lists", chassis::questions::answer::<ListUsers>(platform, accounts)))
}
