-- What `supercargo audit --repair` did, for ever.
CREATE TABLE repairs (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    -- The user, as the API server knows them.
    who      text        NOT NULL CHECK (who <> ''),
    -- The rule that did not hold, and what was done about it.
    rule     text        NOT NULL,
    action   text        NOT NULL,
    order_id text,
    finding  jsonb       NOT NULL,
    -- Absent until it was done; then whether it worked.
    outcome  text
);
CREATE INDEX repairs_by_order ON repairs (order_id) WHERE order_id IS NOT NULL;
