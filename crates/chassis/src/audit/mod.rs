//! What every service offers to those who audit it: its ledger held against itself, and what it has not told or done yet.
//!
//! Services never read each other's tables. Each has a module `audit` of its own, over a pool from [`look`], and whoever
//! audits the whole puts their answers together. Nothing here changes anything, but for [`publish_again`] and
//! [`publish_now`], which make the relay tell what was told or is late.

mod backlog;
mod ledger;
mod published;

pub use backlog::{OverdueWork, Unpublished, overdue_work, publish_now, unpublished};
pub use ledger::{Finding, LedgerRule, hold_against_itself};
pub use published::{PublishedEvent, publish_again, published_about, published_after};

use std::str::FromStr;

use anyhow::Context as _;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};

use crate::store::{open_pool, url_fault};

/// How many connections an audit keeps to each service's database.
const CONNECTIONS: u32 = 3;

/// Opens the database of `service` as it is: nothing is made or migrated, and nothing is waited for.
///
/// # Errors
/// When the URL is wrong, the server is not there, or the service was never started on it.
pub async fn look(url: &str, service: &'static str) -> anyhow::Result<PgPool> {
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(url_fault("it must begin with postgres://".to_owned()).into());
    }
    let options = PgConnectOptions::from_str(url).map_err(|error| url_fault(error.to_string()))?;
    let options = options.application_name("supercargo audit").options([("client_min_messages", "warning")]);
    let failed = || format!("failed to reach the database of {service} at DATABASE_URL");
    let mut connection = PgConnection::connect_with(&options).await.with_context(failed)?;
    let role = format!("supercargo_{service}");
    let (is_there, takes_role): (bool, bool) = sqlx::query_as(
        "SELECT to_regnamespace($1) IS NOT NULL,
             COALESCE((SELECT pg_has_role(current_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = $2), false)",
    )
    .bind(service)
    .bind(&role)
    .fetch_one(&mut connection)
    .await
    .with_context(failed)?;
    connection.close().await.with_context(failed)?;
    anyhow::ensure!(
        is_there,
        "the database at DATABASE_URL has no schema {service}: look whether it is the shop's, or start the shop on it once"
    );
    open_pool(options, service, takes_role.then_some(role), CONNECTIONS).await
}
