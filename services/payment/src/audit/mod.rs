//! What this service answers to those who audit it: its ledger held against itself, the facts of its orders, and the
//! provider's own books.

mod books;
mod facts;

use chassis::audit::{Finding, LedgerRule, hold_against_itself};
use sqlx::postgres::PgPool;

pub use books::{Books, BooksPage, ProviderMoney, RefundsPage};
pub use facts::{MoneyFacts, facts_of, ids_after, intents_of, known};

/// The view `kept` is the money of each attempt by the ledger.
const RULES: [LedgerRule; 5] = [
    LedgerRule {
        rule: "captured = what the ledger took",
        query: "SELECT order_id, NULL AS sku, shown.captured AS found, COALESCE(sum(kept.captured), 0)::bigint AS expected
         FROM payments AS shown LEFT JOIN kept USING (order_id, currency) GROUP BY order_id, shown.captured
         HAVING shown.captured <> COALESCE(sum(kept.captured), 0)",
    },
    LedgerRule {
        rule: "refunded = what the ledger gave back",
        query: "SELECT order_id, NULL AS sku, shown.refunded AS found, COALESCE(sum(kept.refunded), 0)::bigint AS expected
         FROM payments AS shown LEFT JOIN kept USING (order_id, currency) GROUP BY order_id, shown.refunded
         HAVING shown.refunded <> COALESCE(sum(kept.refunded), 0)",
    },
    LedgerRule {
        rule: "at most one capture is kept",
        query: "SELECT order_id, NULL AS sku, count(*) AS found, 1::bigint AS expected
         FROM kept WHERE captured <> refunded GROUP BY order_id HAVING count(*) > 1",
    },
    LedgerRule {
        rule: "no more is given back than was taken",
        query: "SELECT order_id, NULL AS sku, refunded AS found, captured AS expected FROM kept WHERE refunded > captured",
    },
    LedgerRule {
        rule: "kept = what the phase says",
        // Strays are in no phase of the order while they are given back; a second one that is kept is found above.
        query: "SELECT payments.order_id, NULL AS sku, COALESCE(sum(kept.captured - kept.refunded), 0)::bigint AS found,
             (CASE WHEN phase = 'Captured' THEN amount - given.parts ELSE 0 END) AS expected
         FROM payments CROSS JOIN LATERAL (
             SELECT COALESCE(sum(amount), 0)::bigint AS parts FROM partial_refunds
             WHERE partial_refunds.order_id = payments.order_id AND partial_refunds.attempt = payments.attempt
                 AND state = 'given'
         ) AS given LEFT JOIN kept ON kept.order_id = payments.order_id AND kept.attempt < 1000000
         WHERE phase IN ('Captured', 'Authorized', 'Declined', 'Voided', 'Refunded')
             AND (phase <> 'Captured' OR desired IN ('Captured', 'Authorized'))
         GROUP BY payments.order_id, phase, amount, given.parts
         HAVING COALESCE(sum(kept.captured - kept.refunded), 0)
             <> (CASE WHEN phase = 'Captured' THEN amount - given.parts ELSE 0 END)",
    },
];

/// What is shown held against the entries that it stands for, as of one moment; empty when all is well. Amounts are in minor
/// units.
///
/// # Errors
/// When the database fails.
pub async fn audit(pool: &PgPool) -> anyhow::Result<Vec<Finding>> {
    hold_against_itself(pool, "payment", &RULES).await
}
