//! Does the ledger add up? What is shown is held against the entries that it stands for.

use std::fmt;

use anyhow::Context as _;
use serde::Serialize;
use sqlx::Row;
use sqlx::postgres::PgPool;

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The rule that is broken.
    pub rule: String,
    /// What it is about: an order.
    pub subject: String,
    /// What is there, in minor units or captures.
    pub found: i64,
    /// What should be there.
    pub expected: i64,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, subject, found, expected } = self;
        write!(formatter, "{subject}: {rule} does not hold: {found} instead of {expected}")
    }
}

/// Each answers subject, found and expected of what does not hold. The view `kept` is the money of each
/// attempt by the ledger.
const RULES: [(&str, &str); 5] = [
    (
        "captured = what the ledger took",
        "SELECT order_id AS subject, shown.captured AS found, COALESCE(sum(kept.captured), 0)::bigint AS expected
         FROM payments AS shown LEFT JOIN kept USING (order_id, currency) GROUP BY order_id, shown.captured
         HAVING shown.captured <> COALESCE(sum(kept.captured), 0)",
    ),
    (
        "refunded = what the ledger gave back",
        "SELECT order_id AS subject, shown.refunded AS found, COALESCE(sum(kept.refunded), 0)::bigint AS expected
         FROM payments AS shown LEFT JOIN kept USING (order_id, currency) GROUP BY order_id, shown.refunded
         HAVING shown.refunded <> COALESCE(sum(kept.refunded), 0)",
    ),
    (
        "at most one capture is kept",
        "SELECT order_id AS subject, count(*) AS found, 1::bigint AS expected
         FROM kept WHERE captured <> refunded GROUP BY order_id HAVING count(*) > 1",
    ),
    (
        "no more is given back than was taken",
        "SELECT order_id AS subject, refunded AS found, captured AS expected FROM kept WHERE refunded > captured",
    ),
    (
        "kept = what the phase says",
        // Strays are in no phase of the order while they are given back; a second one that is kept is found above.
        "SELECT payments.order_id AS subject, COALESCE(sum(kept.captured - kept.refunded), 0)::bigint AS found,
             (CASE WHEN phase = 'Captured' THEN amount ELSE 0 END) AS expected
         FROM payments LEFT JOIN kept ON kept.order_id = payments.order_id AND kept.attempt < 1000000
         WHERE phase IN ('Captured', 'Authorized', 'Declined', 'Voided', 'Refunded')
             AND (phase <> 'Captured' OR desired IN ('Captured', 'Authorized'))
         GROUP BY payments.order_id, phase, amount
         HAVING COALESCE(sum(kept.captured - kept.refunded), 0) <> (CASE WHEN phase = 'Captured' THEN amount ELSE 0 END)",
    ),
];

/// What does not hold; empty when all is well. All rules see the same moment.
///
/// # Errors
/// When the database fails.
pub async fn audit(pool: &PgPool) -> anyhow::Result<Vec<Finding>> {
    let mut transaction = pool.begin().await.context("failed to begin the audit of payments")?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .execute(&mut *transaction)
        .await
        .context("failed to prepare the audit of payments")?;
    let mut findings = Vec::new();
    for (rule, query) in RULES {
        let rows = sqlx::query(query)
            .fetch_all(&mut *transaction)
            .await
            .with_context(|| format!("failed to audit payments: {rule}"))?;
        for row in rows {
            findings.push(Finding {
                rule: rule.to_owned(),
                subject: row.try_get("subject")?,
                found: row.try_get("found")?,
                expected: row.try_get("expected")?,
            });
        }
    }
    transaction.rollback().await.context("failed to end the audit of payments")?;
    Ok(findings)
}
