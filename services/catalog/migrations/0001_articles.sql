-- What can be ordered. Amounts are counts of the currency's minor unit.
CREATE TABLE articles (
    sku               text        PRIMARY KEY,
    name              text        NOT NULL,
    description       text,
    image             text,
    price_minor_units bigint      NOT NULL CHECK (price_minor_units >= 0),
    currency          text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    -- How often the price has changed: the revision of the event price.changed.
    price_revision    bigint      NOT NULL DEFAULT 0,
    -- True: known, but sold no more.
    retired           boolean     NOT NULL DEFAULT false,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);

-- What a shopper may name for a reduction.
CREATE TABLE coupons (
    code              text        PRIMARY KEY,
    kind              text        NOT NULL CHECK (kind IN ('percent', 'amount')),
    percent           smallint    CHECK (percent BETWEEN 1 AND 100),
    amount_minor_units bigint     CHECK (amount_minor_units > 0),
    currency          text        CHECK (currency ~ '^[A-Z]{3}$'),
    active            boolean     NOT NULL DEFAULT true,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CHECK (CASE kind
        WHEN 'percent' THEN percent IS NOT NULL AND amount_minor_units IS NULL AND currency IS NULL
        ELSE percent IS NULL AND amount_minor_units IS NOT NULL AND currency IS NOT NULL
    END)
);

-- Imports that are arriving, and the answers of those that took effect.
CREATE TABLE imports (
    import_id    uuid        PRIMARY KEY,
    parts        integer     NOT NULL CHECK (parts > 0),
    created      bigint      NOT NULL DEFAULT 0,
    changed      bigint      NOT NULL DEFAULT 0,
    started_at   timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz
);

-- The parts of imports that are arriving; gone once the import takes effect.
CREATE TABLE import_parts (
    import_id uuid    NOT NULL REFERENCES imports ON DELETE CASCADE,
    part      integer NOT NULL CHECK (part >= 0),
    articles  jsonb   NOT NULL,
    PRIMARY KEY (import_id, part)
);
