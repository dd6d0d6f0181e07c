-- One row an article: what the ledger adds up to, maintained in the transaction that writes the ledger.
CREATE TABLE stock (
    sku      text   COLLATE "C" PRIMARY KEY CHECK (sku <> ''),
    on_hand  bigint NOT NULL DEFAULT 0,
    reserved bigint NOT NULL DEFAULT 0,
    -- +1 for each change; the id of its events.
    revision bigint NOT NULL DEFAULT 0,
    -- The reorder point: fewer available pieces than this are told as stock.below_minimum.
    minimum  bigint CHECK (minimum >= 0),
    CONSTRAINT never_oversold CHECK (reserved >= 0 AND on_hand >= 0 AND on_hand >= reserved)
) WITH (fillfactor = 80);

-- The ledger. Rows are only ever added.
CREATE TABLE movements (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku            text        COLLATE "C" NOT NULL REFERENCES stock (sku),
    kind           text        NOT NULL
        CHECK (kind IN ('received', 'returned', 'adjusted', 'allocated', 'released', 'shipped')),
    quantity       bigint      NOT NULL CHECK (quantity > 0 OR (kind = 'adjusted' AND quantity < 0)),
    -- The cause: an order, an import, or a reason in words.
    order_id       text,
    import_id      text,
    reason         text        NOT NULL CHECK (reason <> ''),
    -- The revision of the article's level that this movement is part of.
    stock_revision bigint      NOT NULL,
    at             timestamptz NOT NULL
);
CREATE INDEX movements_by_sku ON movements (sku, id);
CREATE INDEX movements_by_order ON movements (order_id) WHERE order_id IS NOT NULL;

CREATE FUNCTION refuse_to_rewrite_the_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the stock ledger is append-only: write a movement that corrects the level instead';
END $$;
CREATE TRIGGER movements_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON movements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite_the_ledger();

-- One row an order, kept for ever: also the tombstone that a late command finds.
CREATE TABLE reservations (
    order_id   text        PRIMARY KEY,
    namespace  text        NOT NULL,
    name       text        NOT NULL,
    phase      text        NOT NULL
        CHECK (phase IN ('Pending', 'Held', 'Insufficient', 'Committed', 'Released', 'Expired')),
    -- What was wished last.
    desired    text        CHECK (desired IN ('Held', 'Committed', 'Released')),
    -- +1 for each state that is reported.
    revision   bigint      NOT NULL DEFAULT 0,
    -- The child that was heard last, and its newest generation.
    child_uid  text,
    generation bigint,
    -- When a hold may be taken by others; absent when it may not.
    expires_at timestamptz,
    shortages  jsonb       NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((child_uid IS NULL) = (generation IS NULL)),
    CHECK (expires_at IS NULL OR phase = 'Held')
) WITH (fillfactor = 80);
CREATE INDEX reservations_by_expiry ON reservations (expires_at) WHERE phase = 'Held' AND expires_at IS NOT NULL;

-- The goods that the state of a reservation is about: held, shipped, asked for in vain, or given back.
CREATE TABLE reservation_lines (
    order_id text   NOT NULL REFERENCES reservations (order_id),
    sku      text   COLLATE "C" NOT NULL,
    quantity bigint NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, sku)
);
CREATE INDEX reservation_lines_by_sku ON reservation_lines (sku, order_id);

-- Stocktakes: parts are staged until all have arrived, then take effect together.
CREATE TABLE count_imports (
    import_id    text        PRIMARY KEY,
    parts        bigint      NOT NULL CHECK (parts > 0),
    cause        text        NOT NULL,
    begun_at     timestamptz NOT NULL,
    completed_at timestamptz,
    created      bigint      NOT NULL DEFAULT 0,
    changed      bigint      NOT NULL DEFAULT 0
);
CREATE INDEX count_imports_unfinished ON count_imports (begun_at) WHERE completed_at IS NULL;

CREATE TABLE count_parts (
    import_id text   NOT NULL REFERENCES count_imports (import_id) ON DELETE CASCADE,
    part      bigint NOT NULL CHECK (part >= 0),
    -- Tells a repeated part from another one under the same number.
    digest    text   NOT NULL,
    -- The counts until they took effect.
    counts    jsonb,
    PRIMARY KEY (import_id, part)
);
