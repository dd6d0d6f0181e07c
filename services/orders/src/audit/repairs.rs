//! What was repaired, by whom and when: table `repairs`. A row is written before anything is done, and closed afterwards.

use serde_json::Value;
use sqlx::postgres::PgPool;

/// A repair that is about to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Repair {
    /// The user, as the API server knows them.
    pub who: String,
    /// The rule that did not hold.
    pub rule: String,
    /// What is done about it.
    pub action: String,
    /// The order that it is about.
    pub order_id: Option<String>,
    /// The whole finding.
    pub finding: Value,
}

/// Writes down what is about to be done; answers its number.
///
/// # Errors
/// When the database fails.
pub async fn begin_repair(pool: &PgPool, repair: &Repair) -> Result<i64, sqlx::Error> {
    let Repair { who, rule, action, order_id, finding } = repair;
    sqlx::query_scalar(
        "INSERT INTO repairs (who, rule, action, order_id, finding) VALUES ($1, $2, $3, $4, $5) RETURNING id",
    )
    .bind(who)
    .bind(rule)
    .bind(action)
    .bind(order_id)
    .bind(finding)
    .fetch_one(pool)
    .await
}

/// Writes down what became of it.
///
/// # Errors
/// When the database fails.
pub async fn end_repair(pool: &PgPool, repair: i64, outcome: &str) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE repairs SET outcome = $2 WHERE id = $1")
        .bind(repair)
        .bind(outcome)
        .execute(pool)
        .await?;
    Ok(())
}
