-- The resources of orders that are not archived yet, as they were seen last: what a lost cluster is made again from.
CREATE TABLE kept_resources (
    order_id  text        NOT NULL,
    -- Order, StockReservation, Payment or Shipment.
    kind      text        NOT NULL,
    uid       text        NOT NULL,
    -- The resourceVersion, which grows for as long as the cluster is the same.
    version   numeric     NOT NULL,
    resource  jsonb       NOT NULL,
    kept_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, kind)
);
