-- Every event that was ever told, as it was told. Rows are only ever added.
CREATE TABLE history (
    ce_id       text        PRIMARY KEY,
    id          bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    event       text        NOT NULL,
    source      text        NOT NULL,
    subject     text        NOT NULL,
    order_id    text,
    namespace   text,
    name        text,
    sequence    bigint      CHECK (sequence > 0),
    phase       text,
    reason      text,
    at          timestamptz NOT NULL,
    data        jsonb       NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((order_id IS NULL) = (namespace IS NULL) AND (order_id IS NULL) = (name IS NULL)),
    CHECK (sequence IS NULL OR (order_id IS NOT NULL AND phase IS NOT NULL))
);
CREATE INDEX history_by_order ON history (order_id, id) WHERE order_id IS NOT NULL;
CREATE UNIQUE INDEX history_transitions ON history (order_id, sequence) WHERE sequence IS NOT NULL;

CREATE FUNCTION refuse_to_rewrite_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'history is append-only: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER history_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite_history();

-- One row an order: what its transitions add up to, and what was archived of it.
CREATE TABLE orders_index (
    order_id          text        PRIMARY KEY,
    namespace         text        NOT NULL,
    name              text        NOT NULL,
    -- The phase of the greatest sequence.
    phase             text,
    sequence          bigint      NOT NULL DEFAULT 0,
    -- The transitions 1 to this one are all recorded.
    complete_to       bigint      NOT NULL DEFAULT 0,
    -- Since when transitions between them are missing.
    gap_since         timestamptz,
    -- Its goods went out once: how far it came, and when.
    processed         boolean     NOT NULL DEFAULT false,
    processed_phase   text,
    processed_at      timestamptz,
    first_seen        timestamptz NOT NULL,
    archived_at       timestamptz,
    archived_sequence bigint,
    snapshot          jsonb,
    CHECK (complete_to <= sequence),
    CHECK ((gap_since IS NOT NULL) = (complete_to < sequence)),
    CHECK (processed = (processed_phase IS NOT NULL) AND processed = (processed_at IS NOT NULL)),
    CHECK ((archived_at IS NULL) = (snapshot IS NULL) AND (archived_at IS NULL) = (archived_sequence IS NULL))
);
CREATE INDEX orders_index_by_name ON orders_index (namespace, name, first_seen DESC);
CREATE INDEX orders_index_processed ON orders_index (namespace, name) WHERE processed;
CREATE INDEX orders_index_gaps ON orders_index (gap_since) WHERE gap_since IS NOT NULL;
