-- Few payments are in a phase that somebody has to look at: they are counted for the metrics.
CREATE INDEX payments_unsettled ON payments (phase) WHERE phase IN ('Unknown', 'Failed');
