-- Refunds that are on their way, refunds that failed after they had arrived, and charges that nobody asked for.
ALTER TABLE attempts ADD COLUMN refund text;
COMMENT ON COLUMN attempts.refund IS 'the provider''s id of the refund that gives it back, or did';
COMMENT ON COLUMN attempts.attempt IS 'from 1000000 on: strays, charges under the order''s id that nobody asked for';
UPDATE attempts SET refund = (
    SELECT reference FROM ledger
    WHERE ledger.order_id = attempts.order_id AND ledger.attempt = attempts.attempt AND entry = 'refunded'
    ORDER BY id DESC LIMIT 1
) WHERE stage = 'refunded';

ALTER TABLE ledger DROP CONSTRAINT ledger_entry_check;
ALTER TABLE ledger ADD CONSTRAINT ledger_entry_check
    CHECK (entry IN ('intent_created', 'authorized', 'captured', 'captured_again', 'declined', 'action_required', 'unknown',
                     'voided', 'refund_pending', 'refunded', 'refund_failed', 'refund_refused'));
CREATE UNIQUE INDEX ledger_one_failure_a_refund ON ledger (order_id, attempt, reference) WHERE entry = 'refund_failed';

-- A refund that failed takes the money of one that had arrived back.
CREATE OR REPLACE VIEW kept AS
    SELECT order_id, attempt,
        COALESCE(sum(amount) FILTER (WHERE entry IN ('captured', 'captured_again')), 0)::bigint AS captured,
        (COALESCE(sum(amount) FILTER (WHERE entry = 'refunded'), 0)
            - COALESCE(sum(amount) FILTER (WHERE entry = 'refund_failed'), 0))::bigint AS refunded,
        max(currency) AS currency
    FROM ledger GROUP BY order_id, attempt;
