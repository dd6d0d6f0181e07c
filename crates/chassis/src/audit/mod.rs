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

use anyhow::Context as _;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection};

use crate::store::{connect_options, open_pool};

/// How many connections an audit keeps to each service's database.
const CONNECTIONS: u32 = 3;

/// Opens the database of `service` as it is: nothing is made or migrated, and nothing is waited for.
///
/// # Errors
/// When the URL is wrong, the server is not there, or the service was never started on it.
pub async fn look(url: &str, service: &'static str) -> anyhow::Result<PgPool> {
    let options = connect_options(url, "supercargo audit")?;
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

/// The ids of at most `limit` orders after `after` in a table with the columns `order_id` and `namespace`, in the order of the
/// index; of one namespace when it is given.
///
/// # Errors
/// When the database fails.
pub async fn order_ids_after(
    pool: &PgPool,
    table: &'static str,
    namespace: Option<&str>,
    after: &str,
    limit: i64,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT order_id FROM {table} WHERE order_id > $1 AND ($2::text IS NULL OR namespace = $2)
         ORDER BY order_id LIMIT $3"
    )))
    .bind(after)
    .bind(namespace)
    .bind(limit)
    .fetch_all(pool)
    .await
}
