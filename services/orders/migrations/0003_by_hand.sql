-- What people had taken into their hands when an order was archived: the audit asks it of every order, and a snapshot is large.
ALTER TABLE orders_index
    ADD COLUMN settled      jsonb GENERATED ALWAYS AS (snapshot #> '{order,status,settledByHand}') STORED,
    ADD COLUMN money_repair jsonb GENERATED ALWAYS AS (snapshot #> '{order,status,moneyRepair}') STORED;
