-- What else stands in the ledger about the runs in `related`, from $floor_us on, and which of them failed.

INSERT INTO related  -- those whose reviewer did not answer
SELECT DISTINCT tenant, run_id, md5_number_lower(tenant || chr(0) || run_id), false FROM calls SEMI JOIN (
    SELECT tenant, body->>'$.call_id' AS call_id FROM events
    WHERE seq > $since_seq AND seq <= $seq AND kind = 'review.decided' AND body->>'$.state' = 'expired'
) USING (tenant, call_id)
WHERE ts_us >= $floor_us;

CREATE TEMP TABLE told AS
SELECT e.tenant, run AS run_id, seq, ts_us, kind, automation, coalesce(step, '') AS step, body
FROM events e SEMI JOIN related r ON r.tenant = e.tenant AND r.run_id = e.run
WHERE kind IN ('step.end', 'dead_letter', 'retrieval', 'retrieval.gold', 'retrieval.cited') AND ts_us >= $floor_us;

CREATE TEMP TABLE begun AS
SELECT l.*, automation, ts_us, end_us, success, coalesce(overridden, false) AS overridden
FROM (SELECT run_hash, tenant, run_id, bool_or(judged) AS judged FROM related GROUP BY ALL) l
LEFT JOIN (FROM runs WHERE calls > 0) r USING (run_hash);

INSERT INTO touched  -- days of searches, and of the calls between the first and the last of a run
SELECT tenant, ts_us FROM told WHERE kind = 'retrieval'
UNION SELECT tenant, unnest(list_append(range(ts_us, least(end_us, ts_us + 2678400000000), 43200000000), end_us))
    FROM begun WHERE judged AND ts_us IS NOT NULL;

CREATE TEMP TABLE failed AS
SELECT run_hash, tenant, run_id, coalesce(b.automation, d.automation) AS automation, coalesce(b.ts_us, d.ts_us) AS ts_us,
    end_us, overridden
FROM begun b LEFT JOIN (
    SELECT tenant, run_id, arg_min(automation, seq) AS automation, min(ts_us) AS ts_us FROM told
    WHERE kind = 'dead_letter' GROUP BY tenant, run_id
) d USING (tenant, run_id)
WHERE NOT success OR d.ts_us IS NOT NULL;

DELETE FROM faults WHERE run_hash IN (SELECT run_hash FROM related);
