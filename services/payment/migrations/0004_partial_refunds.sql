-- Parts of an order's money that staff give back of an order that keeps the rest.
CREATE TABLE partial_refunds (
    order_id        text        NOT NULL REFERENCES payments,
    number          bigint      NOT NULL CHECK (number > 0),
    attempt         bigint      NOT NULL,
    amount          bigint      NOT NULL CHECK (amount > 0),
    asked_by        text        NOT NULL,
    why             text        NOT NULL,
    state           text        NOT NULL CHECK (state IN ('asked', 'pending', 'given', 'refused')),
    refund          text        UNIQUE,
    refusal_reason  text,
    refusal_message text,
    asked           text,
    failures        bigint      NOT NULL DEFAULT 0,
    next_at         timestamptz NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, number),
    FOREIGN KEY (order_id, attempt) REFERENCES attempts (order_id, attempt)
);
COMMENT ON COLUMN partial_refunds.number IS 'from 1; part of the idempotency key at the provider';
COMMENT ON COLUMN partial_refunds.refund IS 'the provider''s id';
COMMENT ON COLUMN partial_refunds.asked IS 'the provider''s event that told of news, until the provider has been asked for them';
