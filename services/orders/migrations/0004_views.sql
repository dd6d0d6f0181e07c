-- What shoppers read: one row an order, folded from the history; `supercargo orders reproject` makes it anew.
CREATE TABLE order_views (
    order_id          text        PRIMARY KEY,
    namespace         text        NOT NULL,
    name              text        NOT NULL,
    -- The customer's user id; absent for a guest.
    user_id           text,
    placed_at         timestamptz NOT NULL,
    -- The transition of the greatest sequence.
    sequence          bigint      NOT NULL DEFAULT 0,
    phase             text,
    transition        jsonb,
    -- What payment and shipping told last.
    payment_revision  bigint      NOT NULL DEFAULT 0,
    payment           jsonb,
    shipment_revision bigint      NOT NULL DEFAULT 0,
    shipment          jsonb
);
CREATE INDEX order_views_of_user ON order_views (user_id, placed_at DESC, order_id DESC) WHERE user_id IS NOT NULL;
CREATE INDEX order_views_by_phase ON order_views (phase);
CREATE INDEX order_views_by_name ON order_views (namespace, name);

-- What was asked for through REST, before and after it became an order: one row a key of a user.
CREATE TABLE placements (
    user_id      text        NOT NULL,
    request_key  text        NOT NULL,
    -- The hash of what was asked for, to tell another request under the same key.
    request_hash bytea       NOT NULL,
    -- The resource's name, derived from user and key.
    name         text        NOT NULL,
    request      jsonb       NOT NULL,
    asked_at     timestamptz NOT NULL,
    order_id     text,
    PRIMARY KEY (user_id, request_key)
);
CREATE UNIQUE INDEX placements_by_order ON placements (order_id) WHERE order_id IS NOT NULL;
