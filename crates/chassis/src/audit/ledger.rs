//! Ledgers held against themselves, by SQL.

use std::fmt;

use anyhow::Context as _;
use serde::Serialize;
use sqlx::Row;
use sqlx::postgres::PgPool;

/// A rule that a ledger keeps to, as the query that finds what does not.
#[derive(Clone, Copy, Debug)]
pub struct LedgerRule {
    /// The rule, as a sentence.
    pub rule: &'static str,
    /// Answers `order_id` and `sku` (text, either may be null), `found` and `expected` (bigint) of what does not hold.
    pub query: &'static str,
}

/// Something in a ledger that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The rule that is broken.
    pub rule: &'static str,
    /// The order that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// The article that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// What is there: pieces, minor units, or a count.
    pub found: i64,
    /// What should be there.
    pub expected: i64,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, order_id, sku, found, expected } = self;
        match (order_id, sku) {
            (Some(order), Some(sku)) => write!(formatter, "order {order}, {sku}: ")?,
            (Some(order), None) => write!(formatter, "order {order}: ")?,
            (None, Some(sku)) => write!(formatter, "{sku}: ")?,
            (None, None) => {}
        }
        write!(formatter, "{rule} does not hold: {found} instead of {expected}")
    }
}

/// Everything that does not hold of `rules`, all as of one moment; empty when all is well.
///
/// # Errors
/// When the database fails.
pub async fn hold_against_itself(
    pool: &PgPool,
    ledger: &str,
    rules: &[LedgerRule],
) -> anyhow::Result<Vec<Finding>> {
    let begin = || format!("failed to begin the audit of the ledger of {ledger}");
    let mut transaction = pool.begin().await.with_context(begin)?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .execute(&mut *transaction)
        .await
        .with_context(begin)?;
    let mut findings = Vec::new();
    for LedgerRule { rule, query } in rules {
        let failed = || format!("failed to check of {ledger} that {rule}");
        for row in sqlx::query(*query).fetch_all(&mut *transaction).await.with_context(failed)? {
            findings.push(Finding {
                rule,
                order_id: row.try_get("order_id").with_context(failed)?,
                sku: row.try_get("sku").with_context(failed)?,
                found: row.try_get("found").with_context(failed)?,
                expected: row.try_get("expected").with_context(failed)?,
            });
        }
    }
    transaction.rollback().await.with_context(|| format!("failed to end the audit of {ledger}"))?;
    Ok(findings)
}
