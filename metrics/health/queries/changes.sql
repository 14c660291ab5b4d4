-- question: What changed: prompts, policies, models, prices, certificates, stops, splits?
-- param: since int!
-- param: until int!
-- param: automation text
-- A value that a call carries has changed when it was not seen for a day (or never) and the call before it carried another.
WITH alike AS (  -- the calls of an hour that carry the same values, so that few rows are told apart by what they carry
    SELECT automation, prompt, policy, policy_hash, step, coalesce(model_answered, model_requested) AS model, provider,
        price_id, version, ts_us // 3600000000 AS hour, min(ts_us) AS ts_us, count(*) AS calls
    FROM model_calls
    WHERE tenant = $tenant AND ts_us >= $since - 2592000000000 AND ts_us < $until
        AND ($automation::VARCHAR IS NULL OR automation = $automation)
    GROUP BY ALL
), carried AS (
    SELECT automation, hour, ts_us, calls, unnest([
        {'what': 'prompt', 'name': split_part(prompt, '@', 1), 'value': prompt},
        {'what': 'policy', 'name': policy, 'value': policy_hash},
        {'what': 'model', 'name': coalesce(step, ''), 'value': model},
        {'what': 'price', 'name': provider || '/' || model, 'value': price_id},
        {'what': 'code', 'name': 'automation', 'value': version}
    ], recursive := true)
    FROM alike
), hours AS (
    SELECT automation, what, name, value, hour, min(ts_us) AS ts_us, sum(calls) AS calls
    FROM carried WHERE value IS NOT NULL GROUP BY ALL
), placed AS (
    SELECT *, lag(value) OVER (PARTITION BY automation, what, name ORDER BY ts_us) AS before,
        lag(ts_us) OVER (PARTITION BY automation, what, name, value ORDER BY ts_us) AS seen_us,
        sum(calls) OVER (PARTITION BY automation, what, name, value ORDER BY ts_us
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)::BIGINT AS calls_since
    FROM hours
)
SELECT ts_us, automation, what, name, before AS "from", value AS "to", calls_since AS calls
FROM placed
WHERE before <> value AND (seen_us IS NULL OR ts_us - seen_us > 86400000000) AND ts_us >= $since
UNION ALL
SELECT ts_us, automation, split_part(kind, '.', 1) AS what,
    coalesce(body->>'$.certificate', body->>'$.split', body->>'$.automation', '') AS name, body->>'$.from' AS "from",
    coalesce(body->>'$.to', split_part(kind, '.', 2)) AS "to", NULL AS calls
FROM events
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until
    AND kind IN ('certificate.activated', 'certificate.withdrawn', 'stop.set', 'stop.lifted', 'split.moved')
    AND ($automation::VARCHAR IS NULL OR automation IS NULL OR automation = $automation)
ORDER BY ts_us, automation, what, name
