-- Who has an account. An order names them by id; a guest has none.
CREATE TABLE users (
    id         text        PRIMARY KEY,
    email      text        NOT NULL UNIQUE CHECK (email = lower(email)),
    name       text,
    disabled   boolean     NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
