-- How often logging in failed, of late, by whom it was tried for: an email, whether or not anybody has it; an email from one
-- address; or a browser that has been in before. Nothing of that is kept but a hash.
CREATE TABLE login_failures (
    who      bytea       PRIMARY KEY,
    -- When the first of them was: after a quarter of an hour they count no more.
    since    timestamptz NOT NULL,
    failures integer     NOT NULL
);
CREATE INDEX login_failures_by_age ON login_failures (since);
