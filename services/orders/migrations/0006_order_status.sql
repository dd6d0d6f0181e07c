-- How many orders are in each phase: Order_Status, a fold of order_views. A phase of '' is that of orders that are not quoted yet.
CREATE TABLE order_status (
    phase  text   PRIMARY KEY,
    orders bigint NOT NULL
);
-- What moved since that was last summed up: rows are only added, so that orders that move at once do not wait for each other.
CREATE TABLE order_status_moves (
    phase  text   NOT NULL,
    change bigint NOT NULL
);

CREATE FUNCTION note_phase() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO order_status_moves (phase, change) VALUES (COALESCE(OLD.phase, ''), -1);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO order_status_moves (phase, change) VALUES (COALESCE(NEW.phase, ''), 1);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER order_views_come_and_go AFTER INSERT OR DELETE ON order_views
    FOR EACH ROW EXECUTE FUNCTION note_phase();
CREATE TRIGGER order_views_move AFTER UPDATE OF phase ON order_views
    FOR EACH ROW WHEN (OLD.phase IS DISTINCT FROM NEW.phase) EXECUTE FUNCTION note_phase();

INSERT INTO order_status (phase, orders) SELECT COALESCE(phase, ''), count(*) FROM order_views GROUP BY 1;
