-- The money of each attempt, derived from the ledger.
CREATE VIEW kept AS
    SELECT order_id, attempt,
        COALESCE(sum(amount) FILTER (WHERE entry IN ('captured', 'captured_again')), 0)::bigint AS captured,
        COALESCE(sum(amount) FILTER (WHERE entry = 'refunded'), 0)::bigint AS refunded
    FROM ledger GROUP BY order_id, attempt;
