CREATE TABLE IF NOT EXISTS inbox (
    consumer   text        NOT NULL,
    message_id text        NOT NULL,
    handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, message_id)
);
CREATE INDEX IF NOT EXISTS inbox_by_age ON inbox (handled_at);

CREATE TABLE IF NOT EXISTS inbox_failures (
    consumer   text        NOT NULL,
    message_id text        NOT NULL,
    failures   bigint      NOT NULL,
    failed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, message_id)
);

CREATE TABLE IF NOT EXISTS outbox (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text        NOT NULL CHECK (kind IN ('event', 'status')),
    message_key  text        NOT NULL,
    body         jsonb       NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    attempts     integer     NOT NULL DEFAULT 0,
    next_at      timestamptz NOT NULL DEFAULT now(),
    error        text
);
CREATE INDEX IF NOT EXISTS outbox_unpublished ON outbox (id) WHERE published_at IS NULL;
CREATE INDEX IF NOT EXISTS outbox_by_age ON outbox (published_at) WHERE published_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS worklist (
    key          text        PRIMARY KEY,
    due_at       timestamptz NOT NULL,
    attempts     integer     NOT NULL DEFAULT 0,
    version      bigint      NOT NULL DEFAULT 1,
    leased_until timestamptz,
    error        text
);
CREATE INDEX IF NOT EXISTS worklist_by_due ON worklist (due_at);
-- Which taking of a key is the present one: a worker that was paused past its lease settles nothing.
ALTER TABLE worklist ADD COLUMN IF NOT EXISTS lease uuid;

-- Which stream of events each reader knows, by when it was made: another one has lost what was in the first.
CREATE TABLE IF NOT EXISTS known_streams (
    reader  text PRIMARY KEY,
    made_at text NOT NULL
);
