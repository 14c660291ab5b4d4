-- question: How many calls were made each day, and how did they end?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: automation text
-- param: tz text = UTC
WITH d AS (
    SELECT strftime((make_timestamp(ts_us) AT TIME ZONE 'UTC') AT TIME ZONE $tz, '%Y-%m-%d') AS day,
        count(*) AS calls, count(*) FILTER (outcome = 'ok') AS ok, count(*) FILTER (outcome = 'refused') AS refused,
        count(*) FILTER (outcome NOT IN ('ok', 'refused')) AS failed, sum(cost_usd) AS cost_usd,
        quantile_cont(total_ms, [0.5, 0.95]) AS total, quantile_cont(overhead_ms, 0.95) AS overhead_p95_ms
    FROM model_calls
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND ($automation::VARCHAR IS NULL OR automation = $automation)
    GROUP BY day
)
SELECT day, calls, ok, refused, failed, cost_usd, total[1] AS total_p50_ms, total[2] AS total_p95_ms, overhead_p95_ms
FROM d
ORDER BY day
