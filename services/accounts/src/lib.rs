//! Customers: sign-up, sessions, tokens, profiles and permissions; answers whether one may order.
//!
//! - REST: [`Entrance`] lets people in and out, [`Profiles`] is what they say of themselves, [`Administration`] manages them;
//! - [`Accounts`] answers `accounts.check` for the operator, `accounts.session` and `accounts.keys` for whoever judges tokens,
//!   and the [`questions`] of the command line;
//! - [`client`] asks those: `supercargo accounts add|disable|enable|grant-admin|list`.

mod answers;
mod check;
pub mod client;
mod entrance;
mod guesses;
mod logouts;
mod managed;
mod password_change;
mod passwords;
mod permissions;
mod profile;
mod profiles;
mod publisher;
pub mod questions;
mod routes;
mod sessions;
mod store;
mod tokens;
mod upkeep;
mod user;

use std::collections::BTreeSet;
use std::sync::Arc;

use chassis::questions::answer;
use chassis::{Platform, Role, Store, clock};
use events::questions::{CheckCustomer, CheckSession, ReadKeys};
use rest::{Gate, Operation};
use sqlx::migrate::Migrator;

use crate::answers::Answers;
use crate::logouts::Logouts;
use crate::questions::{AddUser, GrantAdmin, ListUsers, SetDisabled};
use crate::routes::Desk;

pub use answers::{Accounts, AccountsError};
pub use check::check;
pub use entrance::{Entered, Entrance, LogIn, Refreshed, Register};
pub use guesses::Origin;
pub use managed::{Administration, ManagedUser, Permissions};
pub use password_change::{Changer, PasswordChange};
pub use passwords::Password;
pub use permissions::Asker;
pub use profile::{PaymentMethod, Profile, ProfileChange};
pub use profiles::Profiles;
pub use sessions::Ticket;
pub use tokens::Token;

/// The tables of this service.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// What the OpenAPI document says of this service.
#[must_use]
pub fn operations() -> Vec<(String, String, Operation)> {
    routes::routes().operations()
}

/// Opens the database and takes up the work; `permissions` are those that the services ask for.
///
/// # Errors
/// When the database's setting is missing or wrong, a migration fails, or the process is told to stop.
pub async fn start(platform: Platform, gate: Gate, permissions: BTreeSet<String>) -> anyhow::Result<Role> {
    let store = Store::open(&platform, "accounts", &MIGRATIONS).await?;
    let entrance = Entrance::open(store.clone(), clock::now()).await?;
    let logouts = Logouts::new(platform.nats.clone(), gate.clone());
    let answers = Arc::new(Answers::new(Accounts::new(store.clone()), logouts.clone()));
    let desk = Desk {
        store: store.clone(),
        gate,
        entrance: entrance.clone(),
        profiles: Profiles::new(store.clone()),
        administration: Administration::new(store.clone(), permissions),
        logouts,
    };
    Ok(Role::new("accounts")
        .serving(routes::router(desk))
        .doing("relay", chassis::relay(platform.clone(), store.clone()))
        .doing("upkeep", upkeep::keep(platform.clone(), store, entrance))
        .doing("checks", answer::<CheckCustomer>(platform.clone(), answers.clone()))
        .doing("sessions", answer::<CheckSession>(platform.clone(), answers.clone()))
        .doing("keys", answer::<ReadKeys>(platform.clone(), answers.clone()))
        .doing("additions", answer::<AddUser>(platform.clone(), answers.clone()))
        .doing("disabling", answer::<SetDisabled>(platform.clone(), answers.clone()))
        .doing("admins", answer::<GrantAdmin>(platform.clone(), answers.clone()))
        .doing("lists", answer::<ListUsers>(platform, answers)))
}
