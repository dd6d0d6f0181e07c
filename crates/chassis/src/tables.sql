-- Run at every start. What exists is looked up before it is asked for: CREATE INDEX and ALTER TABLE lock the table even where
-- there is nothing to do, and a replica that starts would wait for all who write, and hold up all who come after it.
CREATE TABLE IF NOT EXISTS inbox (
    consumer   text        NOT NULL,
    message_id text        NOT NULL,
    handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, message_id)
);
DO $$ BEGIN IF to_regclass('inbox_by_age') IS NULL THEN
    CREATE INDEX IF NOT EXISTS inbox_by_age ON inbox (handled_at);
END IF; END $$;

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
DO $$ BEGIN IF to_regclass('outbox_unpublished') IS NULL THEN
    CREATE INDEX IF NOT EXISTS outbox_unpublished ON outbox (id) WHERE published_at IS NULL;
END IF; END $$;
DO $$ BEGIN IF to_regclass('outbox_by_age') IS NULL THEN
    CREATE INDEX IF NOT EXISTS outbox_by_age ON outbox (published_at) WHERE published_at IS NOT NULL;
END IF; END $$;

CREATE TABLE IF NOT EXISTS worklist (
    key          text        PRIMARY KEY,
    due_at       timestamptz NOT NULL,
    attempts     integer     NOT NULL DEFAULT 0,
    version      bigint      NOT NULL DEFAULT 1,
    leased_until timestamptz,
    error        text
);
DO $$ BEGIN IF to_regclass('worklist_by_due') IS NULL THEN
    CREATE INDEX IF NOT EXISTS worklist_by_due ON worklist (due_at);
END IF; END $$;
-- Which taking of a key is the present one: a worker that was paused past its lease settles nothing.
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'worklist'::regclass AND attname = 'lease') THEN
    ALTER TABLE worklist ADD COLUMN IF NOT EXISTS lease uuid;
END IF; END $$;

-- Which stream of events each reader knows, by when it was made: another one has lost what was in the first.
CREATE TABLE IF NOT EXISTS known_streams (
    reader  text PRIMARY KEY,
    made_at text NOT NULL
);

-- Requests with an Idempotency-Key, and what was answered; kept for a day.
CREATE TABLE IF NOT EXISTS idempotency (
    caller     text        NOT NULL,
    key        text        NOT NULL,
    -- The hash of what was asked for.
    request    bytea       NOT NULL,
    status     integer,
    body       jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caller, key)
);
DO $$ BEGIN IF to_regclass('idempotency_by_age') IS NULL THEN
    CREATE INDEX IF NOT EXISTS idempotency_by_age ON idempotency (created_at);
END IF; END $$;
-- Who asks another service on behalf of the request, outside of a transaction, and until when nobody else does.
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'idempotency'::regclass AND attname = 'claim') THEN
    ALTER TABLE idempotency ADD COLUMN IF NOT EXISTS claim uuid, ADD COLUMN IF NOT EXISTS claimed_until timestamptz;
END IF; END $$;
