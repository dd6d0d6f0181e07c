-- People who sign up: how they log in, what they say of themselves, and what they may.
ALTER TABLE users
    -- argon2id, as PHC text; null for an account without a password, made by the command line.
    ADD COLUMN password_hash   text,
    ADD COLUMN phone           text,
    ADD COLUMN addresses       jsonb  NOT NULL DEFAULT '[]',
    -- The id of an image.
    ADD COLUMN picture         text,
    ADD COLUMN tastes          jsonb  NOT NULL DEFAULT '[]',
    -- Tokens of the payment provider with their labels; never card data.
    ADD COLUMN payment_methods jsonb  NOT NULL DEFAULT '[]',
    ADD COLUMN permissions     text[] NOT NULL DEFAULT '{}',
    -- How many events were told of the account.
    ADD COLUMN revision        bigint NOT NULL DEFAULT 0;
-- Is there another admin?
CREATE INDEX users_admins ON users (id) WHERE 'admin' = ANY (permissions);

CREATE TABLE sessions (
    id            text        PRIMARY KEY,
    user_id       text        NOT NULL REFERENCES users (id),
    -- SHA-256 of the secret in the cookie, and of the one before it.
    refresh_hash  bytea       NOT NULL,
    previous_hash bytea,
    created_at    timestamptz NOT NULL,
    refreshed_at  timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    ended_at      timestamptz
);
CREATE INDEX sessions_by_user ON sessions (user_id, refreshed_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- The keys of tokens. One signs; the next is there a day before it does; the last still verifies for an hour.
CREATE TABLE signing_keys (
    kid            text        PRIMARY KEY,
    pkcs8          bytea       NOT NULL,
    public_x       text        NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    signs_from     timestamptz NOT NULL,
    signs_until    timestamptz NOT NULL,
    verifies_until timestamptz NOT NULL
);
CREATE INDEX signing_keys_by_end ON signing_keys (verifies_until);
