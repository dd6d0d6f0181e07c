-- The parcel of each order: what is wished for and what has come true. Once a row is there it stays: it is also the
-- tombstone that keeps a late booking from reviving what was cancelled.
CREATE TABLE shipments (
    order_id            text        PRIMARY KEY,
    namespace           text        NOT NULL,
    name                text        NOT NULL,
    uid                 text,
    generation          bigint      NOT NULL,
    observed_generation bigint,
    desired             text        NOT NULL CHECK (desired IN ('Delivered', 'Cancelled')),
    wished_attempt      bigint      NOT NULL,
    cancelled_attempt   bigint,
    attempt             bigint      NOT NULL,
    spec                jsonb       NOT NULL,
    phase               text,
    revision            bigint      NOT NULL,
    cancel_refused      boolean     NOT NULL,
    reason              text,
    message             text,
    track_at            timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now()
);

-- What is known of the label of each attempt. A row is written before the carrier is called for the first time.
CREATE TABLE bookings (
    order_id            text        NOT NULL REFERENCES shipments,
    attempt             bigint      NOT NULL,
    reference           text        NOT NULL UNIQUE,
    asked               boolean     NOT NULL,
    open_since          timestamptz,
    lost_until          timestamptz,
    carrier_shipment_id text,
    tracking_number     text,
    tracking_url        text,
    estimated_delivery  timestamptz,
    voided              boolean     NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, attempt)
);
CREATE INDEX bookings_by_tracking_number ON bookings (tracking_number) WHERE tracking_number IS NOT NULL;

-- Every step that a carrier told, each once, never changed.
CREATE TABLE tracking (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id text        NOT NULL,
    attempt  bigint      NOT NULL,
    status   text        NOT NULL,
    detail   text        NOT NULL,
    message  text,
    at       timestamptz NOT NULL,
    told_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (order_id, attempt, status, detail, at),
    FOREIGN KEY (order_id, attempt) REFERENCES bookings
);
