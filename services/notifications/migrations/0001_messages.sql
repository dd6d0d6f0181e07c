-- Who an order's messages go to, as its newest transition told. Events of parcels do not carry it.
CREATE TABLE contacts (
    order_id text   PRIMARY KEY,
    sequence bigint NOT NULL,
    email    text   NOT NULL,
    name     text   NOT NULL
);

-- One message an event.
CREATE TABLE messages (
    event_id   text        PRIMARY KEY,
    order_id   text        NOT NULL,
    order_name text        NOT NULL,
    template   text        NOT NULL,
    recipient  text        NOT NULL,
    subject    text        NOT NULL,
    text       text        NOT NULL,
    html       text        NOT NULL,
    message_id text        NOT NULL,
    state      text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed')),
    -- The event that it tells, to be kept with the error when the message cannot be sent.
    event      jsonb       NOT NULL,
    created_at timestamptz NOT NULL,
    -- Since when it is being sent: later than created_at when it was redriven.
    since      timestamptz NOT NULL,
    tries      integer     NOT NULL DEFAULT 0,
    error      text,
    settled_at timestamptz
);
CREATE INDEX messages_by_order ON messages (order_id);
CREATE INDEX messages_unsettled ON messages (since) WHERE state = 'pending';
