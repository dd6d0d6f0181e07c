-- The carts of each user, numbered in the order in which they were opened: one is open at most, the others are closed by a checkout.
CREATE TABLE carts (
    id           uuid        PRIMARY KEY,
    user_id      text        NOT NULL,
    number       bigint      NOT NULL,
    -- Where messages about the order go.
    email        text        NOT NULL,
    state        text        NOT NULL CHECK (state IN ('open', 'checking_out', 'ordered', 'refused')),
    opened_at    timestamptz NOT NULL,
    -- When the shopper last changed it.
    changed_at   timestamptz NOT NULL,
    -- When the catalog is asked about it again; null once it was left alone for long.
    validate_at  timestamptz,
    closed_at    timestamptz,
    -- What was asked for at checkout, as orders is asked to place it.
    request      jsonb,
    request_hash bytea,
    request_key  text,
    -- The lines at checkout: those of open carts are in cart_items.
    lines        jsonb,
    order_id     text,
    order_name   text,
    order_phase  text,
    refusal      text,
    UNIQUE (user_id, number),
    UNIQUE (user_id, request_key),
    CHECK ((state = 'open') = (closed_at IS NULL)),
    CHECK (state = 'open' OR (request IS NOT NULL AND request_hash IS NOT NULL AND lines IS NOT NULL)),
    CHECK ((state = 'ordered') = (order_id IS NOT NULL AND order_name IS NOT NULL)),
    CHECK ((state = 'refused') = (refusal IS NOT NULL))
);
CREATE UNIQUE INDEX carts_one_open ON carts (user_id) WHERE state = 'open';
CREATE INDEX carts_to_validate ON carts (validate_at) WHERE state = 'open';
CREATE INDEX carts_to_place ON carts (user_id) WHERE state = 'checking_out';

-- The lines of open carts. Who writes them holds the lock of their cart.
CREATE TABLE cart_items (
    cart_id           uuid        NOT NULL REFERENCES carts (id) ON DELETE CASCADE,
    sku               text        NOT NULL,
    position          integer     NOT NULL,
    quantity          integer     NOT NULL CHECK (quantity BETWEEN 1 AND 10000),
    added_at          timestamptz NOT NULL,
    -- The article as it was last seen.
    name              text        NOT NULL,
    image             text,
    available         bigint,
    gone              boolean     NOT NULL,
    price_minor_units bigint      NOT NULL,
    currency          text        NOT NULL,
    -- The price that the shopper was last told: another one is a warning.
    told_minor_units  bigint      NOT NULL,
    told_currency     text        NOT NULL,
    PRIMARY KEY (cart_id, sku)
);
CREATE INDEX cart_items_by_sku ON cart_items (sku, cart_id);

-- The newest change of each price that was heard of: an older one that comes late changes nothing.
CREATE TABLE prices (
    sku         text   PRIMARY KEY,
    revision    bigint NOT NULL,
    minor_units bigint NOT NULL,
    currency    text   NOT NULL
);
