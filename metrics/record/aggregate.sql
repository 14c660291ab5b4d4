-- Adds what the records above $since_seq, up to $seq, say to runs. Lists in `related` the runs that they are about, and in
-- `touched` whose days must be counted again.

CREATE TEMP TABLE new_runs AS
WITH fresh AS (
    SELECT * FROM model_calls WHERE seq > $since_seq AND seq <= $seq
), posted AS (
    SELECT *, CASE WHEN own BETWEEN 1500000000000000 AND 4500000000000000 THEN own END AS about_us
    FROM (SELECT *, try_cast('0x' || substr(call_id, 6, 14) AS BIGINT) AS own  -- the time within an id of our own
        FROM outcomes WHERE seq > $since_seq AND seq <= $seq)
), named AS (
    SELECT tenant, call_id, run_id FROM calls
    SEMI JOIN posted USING (tenant, call_id)
    WHERE ts_us BETWEEN (SELECT min(coalesce(about_us, 0)) - 86400000000 FROM posted WHERE call_id IS NOT NULL)
        AND (SELECT max(coalesce(about_us, 9000000000000000000)) + 86400000000 FROM posted WHERE call_id IS NOT NULL)
), facts AS (
    SELECT o.tenant, coalesce(n.run_id, o.run_id, o.call_id) AS run_id, o.ts_us, o.source,
        metric = 'success' AS about_success, o.corrected,
        coalesce(o.value > 0, o.word IN ('success', 'approved', 'released')) AS good, metric,
        {'weight': CASE o.source WHEN 'human' THEN 3 WHEN 'judge' THEN 2 ELSE 1 END,
            'ts_us': o.ts_us, 'seq': o.seq} AS said
    FROM posted o LEFT JOIN named n ON n.tenant = o.tenant AND n.call_id = o.call_id
), parts AS (
    SELECT tenant, run_id, arg_min(automation, ts_us) AS automation, min(ts_us) AS ts_us, max(end_us) AS end_us,
        count(*) AS calls, count(*) FILTER (outcome <> 'ok') AS failed,
        count(*) FILTER (outcome IN ('error', 'truncated', 'interrupted')) AS errors,
        count(*) FILTER (outcome = 'refused' AND error_code IS DISTINCT FROM 'held_for_review') AS refused,
        count(*) FILTER (verdict IN ('hold', 'fallback', 'block')) AS withheld,
        coalesce(min(automation) <> max(automation), false) OR count(automation) NOT IN (0, count(*)) AS shared,
        sum(cost_usd) AS cost_usd, count(*) FILTER (cost_usd IS NULL) AS unpriced,
        sum(coalesce(input_tokens, 0) + coalesce(cached_input_tokens, 0) + coalesce(cache_write_tokens, 0)
            + coalesce(output_tokens, 0) + coalesce(reasoning_tokens, 0) + coalesce(audio_input_tokens, 0)
            + coalesce(audio_output_tokens, 0) + coalesce(image_input_tokens, 0)
            + coalesce(image_output_tokens, 0)) AS tokens,
        bool_or(simulated) AS simulated, NULL::BOOLEAN AS success, NULL::BOOLEAN AS overridden, NULL::BOOLEAN AS seen,
        NULL::VARCHAR AS outcome_source, NULL::BIGINT AS outcome_ts_us,
        NULL::STRUCT(weight INTEGER, ts_us BIGINT, seq BIGINT) AS success_by
    FROM fresh GROUP BY tenant, run_id
    UNION ALL BY NAME
    SELECT tenant, run_id, 0 AS calls, 0 AS failed, 0 AS errors, 0 AS refused, 0 AS withheld, 0 AS unpriced, 0 AS tokens,
        arg_max(good, said) FILTER (about_success AND good IS NOT NULL) AS success,
        bool_or(coalesce(corrected, false) OR coalesce(metric = 'override' AND good, false)) AS overridden,
        bool_or(source = 'human' OR metric = 'override' OR coalesce(corrected, false)) AS seen,
        arg_max(source, said) FILTER (about_success AND good IS NOT NULL) AS outcome_source,
        max(ts_us) AS outcome_ts_us, max(said) FILTER (about_success AND good IS NOT NULL) AS success_by
    FROM facts GROUP BY tenant, run_id
    UNION ALL BY NAME  -- outcomes that came before the end of the call they name stood under the call's id
    SELECT r.tenant, f.run_id, 0 AS calls, 0 AS failed, 0 AS errors, 0 AS refused, 0 AS withheld, 0 AS unpriced, 0 AS tokens,
        r.success, r.overridden, r.seen, r.outcome_source, r.outcome_ts_us, r.success_by
    FROM runs r JOIN fresh f ON r.tenant = f.tenant AND r.run_id = f.call_id
    WHERE r.calls = 0 AND f.run_id <> f.call_id
)
SELECT tenant, run_id, md5_number_lower(tenant || chr(0) || run_id) AS run_hash, any_value(automation) AS automation,
    min(ts_us) AS ts_us, max(end_us) AS end_us, sum(calls)::BIGINT AS calls, sum(failed)::BIGINT AS failed,
    sum(errors)::BIGINT AS errors, sum(refused)::BIGINT AS refused, sum(withheld)::BIGINT AS withheld,
    coalesce(bool_or(shared), false) AS shared,
    sum(cost_usd) AS cost_usd, sum(unpriced)::BIGINT AS unpriced, sum(tokens)::BIGINT AS tokens,
    bool_or(simulated) AS simulated, arg_max(success, success_by) AS success, bool_or(overridden) AS overridden,
    bool_or(seen) AS seen, arg_max(outcome_source, success_by) AS outcome_source, max(outcome_ts_us) AS outcome_ts_us,
    max(success_by) AS success_by
FROM parts GROUP BY tenant, run_id;

CREATE TEMP TABLE placed AS
SELECT new_runs.*, runs.rowid AS place FROM new_runs LEFT JOIN runs USING (run_hash);

CREATE TEMP TABLE touched AS  -- where runs were, where they are now, where calls and their copies are
SELECT runs.tenant, runs.ts_us FROM runs JOIN placed ON runs.rowid = placed.place
UNION SELECT coalesce(runs.tenant, placed.tenant), least(runs.ts_us, placed.ts_us)
    FROM placed LEFT JOIN runs ON runs.rowid = placed.place
UNION SELECT tenant, ts_us FROM model_calls WHERE seq > $since_seq AND seq <= $seq
UNION SELECT tenant, ts_us FROM events WHERE seq > $since_seq AND seq <= $seq AND kind IN (
    'call.shadow', 'retrieval', 'step.end', 'dead_letter', 'action.duplicate', 'run.end');

CREATE TEMP TABLE related AS  -- judged: what is known of their outputs or searches, and so of each of their calls, may differ
SELECT tenant, run_id, md5_number_lower(tenant || chr(0) || run_id) AS run_hash, bool_or(judged) AS judged
FROM (
    SELECT tenant, run_id, outcome_ts_us IS NOT NULL AS judged FROM new_runs
    UNION ALL
    SELECT tenant, run, kind = 'retrieval' FROM events
    WHERE seq > $since_seq AND seq <= $seq AND run IS NOT NULL
        AND kind IN ('step.end', 'dead_letter', 'retrieval', 'retrieval.gold', 'retrieval.cited')
) GROUP BY tenant, run_id;

UPDATE runs SET
    automation = CASE WHEN new.ts_us IS NULL OR runs.ts_us <= new.ts_us THEN runs.automation ELSE new.automation END,
    ts_us = least(runs.ts_us, new.ts_us), end_us = greatest(runs.end_us, new.end_us),
    calls = runs.calls + new.calls, failed = runs.failed + new.failed,
    errors = runs.errors + new.errors, refused = runs.refused + new.refused, withheld = runs.withheld + new.withheld,
    shared = runs.shared OR new.shared
        OR (runs.calls > 0 AND new.calls > 0 AND runs.automation IS DISTINCT FROM new.automation),
    cost_usd = coalesce(runs.cost_usd + new.cost_usd, runs.cost_usd, new.cost_usd),
    unpriced = runs.unpriced + new.unpriced, tokens = runs.tokens + new.tokens,
    simulated = coalesce(runs.simulated OR new.simulated, runs.simulated, new.simulated),
    success = CASE WHEN coalesce(runs.success_by >= new.success_by, new.success_by IS NULL)
        THEN runs.success ELSE new.success END,
    outcome_source = CASE WHEN coalesce(runs.success_by >= new.success_by, new.success_by IS NULL)
        THEN runs.outcome_source ELSE new.outcome_source END,
    success_by = greatest(runs.success_by, new.success_by),
    overridden = coalesce(runs.overridden OR new.overridden, runs.overridden, new.overridden),
    seen = coalesce(runs.seen OR new.seen, runs.seen, new.seen),
    outcome_ts_us = greatest(runs.outcome_ts_us, new.outcome_ts_us)
FROM placed AS new WHERE runs.rowid = new.place;

INSERT INTO runs BY NAME SELECT * EXCLUDE (place) FROM placed WHERE place IS NULL;

DROP TABLE placed;

DROP TABLE new_runs;

DELETE FROM runs WHERE calls = 0 AND (tenant, run_id) IN (
    SELECT (tenant, call_id) FROM calls WHERE seq > $since_seq AND seq <= $seq AND run_id <> call_id);
