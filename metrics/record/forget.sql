-- Deletes what the records say whose numbers stand in the stretches from $firsts to $lasts, both ends included.

CREATE TEMP TABLE gone AS SELECT unnest($firsts)::BIGINT AS first, unnest($lasts)::BIGINT AS last;

CREATE TEMP TABLE ended AS
SELECT e.seq, e.event_id, e.tenant, e.ts_us FROM events e JOIN gone g ON e.seq BETWEEN g.first AND g.last;

DELETE FROM contents WHERE (event_id, tenant) IN (SELECT (event_id, tenant) FROM ended);
DELETE FROM events WHERE seq IN (SELECT seq FROM ended);
DELETE FROM calls WHERE seq IN (SELECT seq FROM ended);
DELETE FROM attempts WHERE seq IN (SELECT seq FROM ended);
DELETE FROM entities WHERE seq IN (SELECT seq FROM ended);
DELETE FROM outcomes WHERE seq IN (SELECT seq FROM ended);

-- Runs none of whose calls is left.
DELETE FROM faults f WHERE f.ts_us <= (SELECT max(ts_us) FROM ended)
    AND NOT EXISTS (SELECT 1 FROM calls c WHERE c.tenant = f.tenant AND coalesce(c.run_id, c.call_id) = f.run_id)
    AND NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant = f.tenant AND e.kind = 'dead_letter' AND e.run = f.run_id);
DELETE FROM runs r WHERE coalesce(r.end_us, r.outcome_ts_us, r.ts_us) <= (SELECT max(ts_us) FROM ended)
    AND NOT EXISTS (SELECT 1 FROM calls c WHERE c.tenant = r.tenant AND coalesce(c.run_id, c.call_id) = r.run_id);

INSERT INTO facts VALUES ('forgotten', 1, NULL) ON CONFLICT DO UPDATE SET number = number + 1;

DROP TABLE gone;
