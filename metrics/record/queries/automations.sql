-- question: Which automations made calls, and how do they fare?
-- param: since int = 0
-- param: until int = 9223372036854775807
SELECT automation, any_value(team) AS team, count(*) AS calls, count(DISTINCT run_id) AS runs,
    count(*) FILTER (outcome = 'ok') AS ok, count(*) FILTER (outcome = 'refused') AS refused, sum(cost_usd) AS cost_usd,
    count(*) FILTER (cost_usd IS NULL AND outcome = 'ok') AS unpriced,
    quantile_cont(total_ms, 0.5) AS total_p50_ms, quantile_cont(total_ms, 0.95) AS total_p95_ms,
    quantile_cont(overhead_ms, 0.95) AS overhead_p95_ms, max(ts_us) AS last_ts_us
FROM calls
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until
GROUP BY automation
ORDER BY calls DESC, automation
