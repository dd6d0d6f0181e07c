-- One row an order: what is wanted of its money, and what was last shown of it.
CREATE TABLE payments (
    order_id       text        PRIMARY KEY,
    namespace      text        NOT NULL,
    name           text        NOT NULL,
    child_uid      text,
    generation     bigint      NOT NULL DEFAULT 0,
    desired        text        NOT NULL CHECK (desired IN ('Captured', 'Authorized', 'Cancelled', 'Refunded')),
    attempt        bigint      NOT NULL CHECK (attempt >= 0),
    method         text,
    amount         bigint      NOT NULL CHECK (amount >= 0),
    currency       text        NOT NULL,
    undone_attempt bigint,
    phase          text        NOT NULL,
    phase_attempt  bigint      NOT NULL,
    reason         text,
    message        text,
    reference      text,
    action_url     text,
    captured       bigint      NOT NULL DEFAULT 0,
    refunded       bigint      NOT NULL DEFAULT 0,
    revision       bigint      NOT NULL,
    told_revision  bigint      NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL DEFAULT now(),
    changed_at     timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN payments.undone_attempt IS 'nothing at this attempt or an earlier one may ever take money again';
COMMENT ON COLUMN payments.captured IS 'as last shown; the ledger is the truth';

-- One row an attempt: one intent at the provider.
CREATE TABLE attempts (
    order_id        text        NOT NULL REFERENCES payments,
    attempt         bigint      NOT NULL,
    method          text        NOT NULL,
    amount          bigint      NOT NULL CHECK (amount >= 0),
    currency        text        NOT NULL,
    capture         text        NOT NULL CHECK (capture IN ('automatic', 'manual')),
    stage           text        NOT NULL,
    intent          text        UNIQUE,
    reason          text,
    message         text,
    refund_reason   text,
    refund_message  text,
    refund_refusals bigint      NOT NULL DEFAULT 0,
    refund_retry    boolean     NOT NULL DEFAULT false,
    action_url      text,
    create_lost     boolean     NOT NULL DEFAULT false,
    must_search     boolean     NOT NULL DEFAULT false,
    searched_at     timestamptz,
    asked           text,
    failures        bigint      NOT NULL DEFAULT 0,
    polls           bigint      NOT NULL DEFAULT 0,
    outage          text,
    next_at         timestamptz NOT NULL,
    planned_at      timestamptz NOT NULL,
    version         bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, attempt)
);
COMMENT ON COLUMN attempts.asked IS 'the provider''s event that told of news, until the provider has been asked for them';
COMMENT ON COLUMN attempts.version IS 'raised by each stored answer: an answer to a question asked of an older version is dropped';

-- What happened to the money. Rows are only ever added; all amounts are derived from them.
CREATE TABLE ledger (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id  text        NOT NULL,
    attempt   bigint      NOT NULL,
    entry     text        NOT NULL CHECK (entry IN ('intent_created', 'authorized', 'captured', 'captured_again',
                                                    'declined', 'action_required', 'unknown', 'voided', 'refunded',
                                                    'refund_refused')),
    amount    bigint      NOT NULL CHECK (amount >= 0),
    currency  text        NOT NULL,
    reference text,
    event_id  text,
    round     integer,
    at        timestamptz NOT NULL,
    FOREIGN KEY (order_id, attempt) REFERENCES attempts (order_id, attempt),
    CHECK ((entry = 'captured') = (round IS NOT NULL))
);
COMMENT ON COLUMN ledger.round IS 'of a capture: how often the order''s money had been given back before';
CREATE INDEX ledger_by_order ON ledger (order_id);
-- A second capture while the first is kept has the same round, and cannot be booked as one: it is captured_again, and
-- given back at once.
CREATE UNIQUE INDEX ledger_one_capture ON ledger (order_id, round) WHERE entry = 'captured';
CREATE UNIQUE INDEX ledger_one_capture_an_attempt ON ledger (order_id, attempt)
    WHERE entry IN ('captured', 'captured_again');
CREATE UNIQUE INDEX ledger_one_refund ON ledger (order_id, attempt, reference) NULLS NOT DISTINCT
    WHERE entry = 'refunded';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: add a row that corrects the other';
END $$;
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
