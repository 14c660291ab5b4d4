-- Counts again the runs and the days that records above $since_seq touch: late facts restate them.

CREATE TEMP TABLE touched_runs AS
    SELECT DISTINCT tenant, run_id FROM calls WHERE seq > $since_seq
    UNION
    SELECT o.tenant, coalesce(c.run_id, o.run_id, o.call_id) FROM outcomes o
    LEFT JOIN calls c ON c.tenant = o.tenant AND c.call_id = o.call_id
    WHERE o.seq > $since_seq;

DELETE FROM runs USING touched_runs t WHERE runs.tenant = t.tenant AND runs.run_id = t.run_id;

INSERT INTO runs
WITH totals AS (
    SELECT tenant, run_id, arg_min(automation, ts_us) AS automation, min(ts_us) AS ts_us, max(end_us) AS end_us,
        count(*) AS calls, count(*) FILTER (outcome <> 'ok') AS failed,
        sum(cost_usd) AS cost_usd, count(*) FILTER (cost_usd IS NULL) AS unpriced,
        sum(coalesce(input_tokens, 0) + coalesce(cached_input_tokens, 0) + coalesce(cache_write_tokens, 0)
            + coalesce(output_tokens, 0) + coalesce(reasoning_tokens, 0) + coalesce(audio_input_tokens, 0)
            + coalesce(audio_output_tokens, 0) + coalesce(image_input_tokens, 0)
            + coalesce(image_output_tokens, 0)) AS tokens,
        bool_or(simulated) AS simulated
    FROM calls SEMI JOIN touched_runs USING (tenant, run_id)
    GROUP BY ALL
), facts AS (
    SELECT o.tenant, coalesce(c.run_id, o.run_id, o.call_id) AS run_id, o.metric, o.ts_us, o.source, o.corrected,
        coalesce(o.value > 0, o.word IN ('success', 'approved', 'released')) AS good,
        CASE o.source WHEN 'human' THEN 3 WHEN 'judge' THEN 2 ELSE 1 END AS weight, o.seq
    FROM outcomes o LEFT JOIN calls c ON c.tenant = o.tenant AND c.call_id = o.call_id
), judged AS (
    SELECT tenant, run_id,
        arg_max(good, (weight, ts_us, seq)) FILTER (metric = 'success' AND good IS NOT NULL) AS success,
        bool_or(coalesce(corrected, false) OR (metric = 'override' AND good)) AS overridden,
        arg_max(source, (weight, ts_us, seq)) FILTER (metric = 'success' AND good IS NOT NULL) AS outcome_source,
        max(ts_us) AS outcome_ts_us
    FROM facts SEMI JOIN touched_runs USING (tenant, run_id)
    GROUP BY ALL
)
SELECT tenant, run_id, t.automation, t.ts_us, t.end_us, coalesce(t.calls, 0), coalesce(t.failed, 0), t.cost_usd,
    coalesce(t.unpriced, 0), coalesce(t.tokens, 0), t.simulated, j.success, j.overridden, j.outcome_source,
    j.outcome_ts_us
FROM totals t LEFT JOIN judged j USING (tenant, run_id);

DROP TABLE touched_runs;

CREATE TEMP TABLE touched_days AS
    SELECT DISTINCT ts_us // 86400000000 AS number FROM calls WHERE seq > $since_seq;

DELETE FROM days USING touched_days t
WHERE days.day = strftime(make_timestamp(t.number * 86400000000), '%Y-%m-%d');

INSERT INTO days
SELECT strftime(make_timestamp(ts_us // 86400000000 * 86400000000), '%Y-%m-%d') AS day, tenant, automation, step,
    coalesce(model_answered, model_requested) AS model, prompt, policy, policy_hash, team, verdict, outcome, simulated,
    count(*), count(*) FILTER (outcome <> 'ok'), sum(cost_usd), count(*) FILTER (cost_usd IS NULL),
    sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens),
    sum(audio_input_tokens), sum(audio_output_tokens), sum(image_input_tokens),
    sum(image_output_tokens), sum(total_ms), sum(upstream_ms), sum(overhead_ms),
    sum(retry_count)
FROM calls
WHERE ts_us BETWEEN (SELECT min(number) FROM touched_days) * 86400000000
                AND (SELECT max(number) + 1 FROM touched_days) * 86400000000 - 1
    AND ts_us // 86400000000 IN (SELECT number FROM touched_days)
GROUP BY ALL;

DROP TABLE touched_days;
