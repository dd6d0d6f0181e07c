//! Does the ledger add up? Every counter is held against the movements and the reservations that it stands for.

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
    /// What it is about: an article, or an order and an article.
    pub subject: String,
    /// What is there.
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

/// Each answers subject, found and expected of what does not hold.
const RULES: [(&str, &str); 4] = [
    (
        "on hand = received + returned + adjusted - shipped",
        "SELECT sku AS subject, on_hand AS found, COALESCE(total, 0)::bigint AS expected
         FROM stock LEFT JOIN (
             SELECT sku, sum(CASE WHEN kind = 'shipped' THEN -quantity ELSE quantity END) AS total
             FROM movements WHERE kind IN ('received', 'returned', 'adjusted', 'shipped') GROUP BY sku
         ) AS ledger USING (sku)
         WHERE on_hand <> COALESCE(total, 0)",
    ),
    (
        "reserved = allocated - released - shipped",
        "SELECT sku AS subject, reserved AS found, COALESCE(total, 0)::bigint AS expected
         FROM stock LEFT JOIN (
             SELECT sku, sum(CASE WHEN kind = 'allocated' THEN quantity ELSE -quantity END) AS total
             FROM movements WHERE kind IN ('allocated', 'released', 'shipped') GROUP BY sku
         ) AS ledger USING (sku)
         WHERE reserved <> COALESCE(total, 0)",
    ),
    (
        "reserved = what reservations hold",
        "SELECT sku AS subject, COALESCE(reserved, 0) AS found, COALESCE(total, 0)::bigint AS expected
         FROM stock FULL JOIN (
             SELECT sku, sum(quantity) AS total FROM reservation_lines JOIN reservations USING (order_id)
             WHERE phase = 'Held' GROUP BY sku
         ) AS held USING (sku)
         WHERE COALESCE(reserved, 0) <> COALESCE(total, 0)",
    ),
    (
        "each order has in the ledger what its reservation says it holds and has shipped",
        "SELECT concat('order ', order_id, ', ', sku) AS subject,
             COALESCE(moved.held + moved.out, 0)::bigint AS found, COALESCE(quantity, 0)::bigint AS expected
         FROM (
             SELECT order_id, sku,
                 sum(CASE kind WHEN 'allocated' THEN quantity WHEN 'released' THEN -quantity
                               WHEN 'shipped' THEN -quantity ELSE 0 END) AS held,
                 sum(CASE kind WHEN 'shipped' THEN quantity WHEN 'returned' THEN -quantity ELSE 0 END) AS out
             FROM movements WHERE order_id IS NOT NULL GROUP BY order_id, sku
         ) AS moved FULL JOIN (
             SELECT order_id, sku, quantity, phase FROM reservation_lines JOIN reservations USING (order_id)
             WHERE phase IN ('Held', 'Committed')
         ) AS kept USING (order_id, sku)
         WHERE COALESCE(moved.held, 0) <> CASE WHEN phase = 'Held' THEN quantity ELSE 0 END
            OR COALESCE(moved.out, 0) <> CASE WHEN phase = 'Committed' THEN quantity ELSE 0 END",
    ),
];

/// Everything that does not hold, as of one moment; empty when all is well.
///
/// # Errors
/// When the database fails.
pub async fn audit(pool: &PgPool) -> anyhow::Result<Vec<Finding>> {
    let mut transaction = pool.begin().await.context("failed to begin the audit of the stock ledger")?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .execute(&mut *transaction)
        .await
        .context("failed to begin the audit of the stock ledger")?;
    let mut findings = Vec::new();
    for (rule, query) in RULES {
        let failed = || format!("failed to check that {rule}");
        for row in sqlx::query(query).fetch_all(&mut *transaction).await.with_context(failed)? {
            findings.push(Finding {
                rule: rule.to_owned(),
                subject: row.try_get("subject").with_context(failed)?,
                found: row.try_get("found").with_context(failed)?,
                expected: row.try_get("expected").with_context(failed)?,
            });
        }
    }
    Ok(findings)
}
