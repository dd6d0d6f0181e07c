-- How far `supercargo orders reproject` has come: one row while it is under way, so that it goes on where it was broken off.
CREATE TABLE reprojection (
    singleton  boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
    started_at timestamptz NOT NULL,
    -- Open orders come first, then those that have ended.
    stage      text        NOT NULL CHECK (stage IN ('open', 'ended')),
    -- The last order of the stage that is done.
    after      text        NOT NULL DEFAULT '',
    done       bigint      NOT NULL DEFAULT 0,
    total      bigint      NOT NULL
);
CREATE INDEX orders_index_open ON orders_index (order_id)
    WHERE phase IS NULL OR phase NOT IN ('Completed', 'Rejected', 'Failed', 'Cancelled');
