-- SKUs stand in one order on every database, whatever its locale: pages go on where the one before ended.
ALTER TABLE articles ALTER COLUMN sku TYPE text COLLATE "C";

-- The words of an article. Punctuation parts words, as it does in what a shopper types: else `MUG-01` would be the word `mug`
-- and the number `-01`.
ALTER TABLE articles
    ADD COLUMN categories text[]   NOT NULL DEFAULT '{}',
    -- Image ids, or what an import had in its column `image`, which stays in `image` and is shown first.
    ADD COLUMN images     text[]   NOT NULL DEFAULT '{}',
    -- +1 for each change.
    ADD COLUMN revision   bigint   NOT NULL DEFAULT 1,
    ADD COLUMN search     tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple', translate(
        sku || ' ' || name || ' ' || coalesce(description, ''),
        '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', repeat(' ', 32)))) STORED;

CREATE INDEX articles_listed ON articles (sku) WHERE NOT retired;
-- Without a list of pending entries, which every search would read through.
CREATE INDEX articles_by_word ON articles USING gin (search) WITH (fastupdate = off) WHERE NOT retired;
CREATE INDEX articles_by_categories ON articles USING gin (categories) WITH (fastupdate = off) WHERE NOT retired;

-- The articles of each category in the order of their pages. The index on `categories` finds them without order: every page
-- would read and sort the whole category.
CREATE TABLE article_categories (
    category text COLLATE "C" NOT NULL,
    sku      text COLLATE "C" NOT NULL,
    PRIMARY KEY (category, sku)
);

CREATE FUNCTION list_in_categories() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM article_categories WHERE category = ANY(OLD.categories) AND sku = OLD.sku;
    END IF;
    IF NOT NEW.retired THEN
        INSERT INTO article_categories (category, sku)
        SELECT DISTINCT category, NEW.sku FROM unnest(NEW.categories) AS category;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER new_articles_are_listed AFTER INSERT ON articles
    FOR EACH ROW WHEN (cardinality(NEW.categories) > 0) EXECUTE FUNCTION list_in_categories();
CREATE TRIGGER changed_articles_are_listed AFTER UPDATE ON articles
    FOR EACH ROW WHEN (OLD.categories <> NEW.categories OR OLD.retired <> NEW.retired)
    EXECUTE FUNCTION list_in_categories();

-- How many pieces of an article can be had, as far as it was heard: also of one that is not here yet, since an import counts the
-- stock first. Apart from the articles, which are wide, indexed, and locked while an import takes effect.
CREATE TABLE levels (
    sku       text   COLLATE "C" PRIMARY KEY,
    available bigint NOT NULL,
    -- The number of the change in inventory: an older one that is heard later counts no more.
    revision  bigint NOT NULL
) WITH (fillfactor = 70);

-- Pictures by what they are: the SHA-256 of the bytes in hex.
CREATE TABLE images (
    id          text        COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{64}$'),
    kind        text        NOT NULL CHECK (kind IN ('image/png', 'image/jpeg')),
    -- As it is shown: an orientation is applied.
    width       integer     NOT NULL CHECK (width > 0),
    height      integer     NOT NULL CHECK (height > 0),
    bytes       bytea       NOT NULL,
    uploaded_by text        NOT NULL,
    uploaded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX images_by_user ON images (uploaded_by);
-- They are compressed as they are.
ALTER TABLE images ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- The same, smaller: made when first asked for.
CREATE TABLE image_widths (
    id      text        COLLATE "C" NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    width   integer     NOT NULL CHECK (width > 0),
    bytes   bytea       NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, width)
);
ALTER TABLE image_widths ALTER COLUMN bytes SET STORAGE EXTERNAL;
