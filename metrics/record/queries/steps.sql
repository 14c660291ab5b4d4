-- question: How long did the steps of automations take, and how often did they fail?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: automation text
WITH tries AS (
    SELECT automation, step, json_extract_string(body, '$.step_kind') AS step_kind,
        json_extract_string(body, '$.status') AS status, json_extract_string(body, '$.cause') AS cause,
        try_cast(json_extract_string(body, '$.duration_ms') AS DOUBLE) AS duration_ms, run
    FROM events
    WHERE tenant = $tenant AND kind = 'step.end' AND ts_us >= $since AND ts_us < $until
        AND ($automation::VARCHAR IS NULL OR automation = $automation)
), summed AS (
    SELECT automation, step, any_value(step_kind) AS step_kind, count(*) AS tries, count(DISTINCT run) AS runs,
        count(*) FILTER (WHERE status = 'failed') AS failed, count(*) FILTER (WHERE cause = 'timeout') AS timeouts,
        count(*) FILTER (WHERE status = 'duplicate') AS duplicates,
        quantile_cont(duration_ms, [0.5, 0.95, 0.99]) AS q
    FROM tries
    GROUP BY automation, step
)
SELECT automation, step, step_kind, tries, runs, failed, timeouts, duplicates,
    q[1] AS p50_ms, q[2] AS p95_ms, q[3] AS p99_ms
FROM summed
ORDER BY automation, step
