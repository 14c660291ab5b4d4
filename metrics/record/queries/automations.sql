-- question: Which automations made calls, and how do they fare?
-- param: since int = 0
-- param: until int = 9223372036854775807
WITH c AS (
    SELECT automation, any_value(team) AS team, count(*) AS calls, count(*) FILTER (outcome = 'ok') AS ok,
        count(*) FILTER (outcome = 'refused') AS refused, sum(cost_usd) AS cost_usd,
        count(*) FILTER (cost_usd IS NULL AND outcome = 'ok') AS unpriced,
        quantile_cont(total_ms, [0.5, 0.95]) AS total, quantile_cont(overhead_ms, 0.95) AS overhead_p95_ms,
        max(ts_us) AS last_ts_us
    FROM model_calls
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until
    GROUP BY automation
), r AS (
    SELECT automation, count(*) AS runs FROM runs
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until
    GROUP BY automation
)
SELECT c.automation, team, calls, coalesce(runs, 0) AS runs, ok, refused, cost_usd, unpriced,
    total[1] AS total_p50_ms, total[2] AS total_p95_ms, overhead_p95_ms, last_ts_us
FROM c LEFT JOIN r ON r.automation IS NOT DISTINCT FROM c.automation
ORDER BY calls DESC, c.automation
