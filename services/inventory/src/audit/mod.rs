//! What this service answers to those who audit it: its ledger held against itself, and the facts of its orders.

mod facts;

use chassis::audit::{Finding, LedgerRule, hold_against_itself};
use sqlx::postgres::PgPool;

pub use facts::{StockFacts, count, facts_of, ids_after, lines_of, skus_of};

const RULES: [LedgerRule; 5] = [
    LedgerRule {
        rule: "on hand = received + returned + adjusted - shipped",
        query: "SELECT NULL AS order_id, sku, on_hand AS found, COALESCE(total, 0)::bigint AS expected
         FROM stock LEFT JOIN (
             SELECT sku, sum(CASE WHEN kind = 'shipped' THEN -quantity ELSE quantity END) AS total
             FROM movements WHERE kind IN ('received', 'returned', 'adjusted', 'shipped') GROUP BY sku
         ) AS ledger USING (sku)
         WHERE on_hand <> COALESCE(total, 0)",
    },
    LedgerRule {
        rule: "reserved = allocated - released - shipped",
        query: "SELECT NULL AS order_id, sku, reserved AS found, COALESCE(total, 0)::bigint AS expected
         FROM stock LEFT JOIN (
             SELECT sku, sum(CASE WHEN kind = 'allocated' THEN quantity ELSE -quantity END) AS total
             FROM movements WHERE kind IN ('allocated', 'released', 'shipped') GROUP BY sku
         ) AS ledger USING (sku)
         WHERE reserved <> COALESCE(total, 0)",
    },
    LedgerRule {
        rule: "reserved = what reservations hold",
        query: "SELECT NULL AS order_id, sku, COALESCE(reserved, 0) AS found, COALESCE(total, 0)::bigint AS expected
         FROM stock FULL JOIN (
             SELECT sku, sum(quantity) AS total FROM reservation_lines JOIN reservations USING (order_id)
             WHERE phase = 'Held' GROUP BY sku
         ) AS held USING (sku)
         WHERE COALESCE(reserved, 0) <> COALESCE(total, 0)",
    },
    LedgerRule {
        rule: "nothing is sold that is not there: 0 <= reserved <= on hand",
        query: "SELECT NULL AS order_id, sku, reserved AS found, on_hand AS expected
         FROM stock WHERE reserved < 0 OR on_hand < reserved",
    },
    LedgerRule {
        rule: "each order has in the ledger what its reservation says it holds and has shipped",
        query: "SELECT order_id, sku,
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
    },
];

/// Every counter held against the movements and the reservations that it stands for, as of one moment; empty when all is
/// well.
///
/// # Errors
/// When the database fails.
pub async fn audit(pool: &PgPool) -> anyhow::Result<Vec<Finding>> {
    hold_against_itself(pool, crate::SERVICE, &RULES).await
}
