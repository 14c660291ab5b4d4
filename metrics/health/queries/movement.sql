-- question: How does each measure of each automation compare before and after a moment, as sums over runs by day?
-- param: since int!
-- param: split int!
-- param: until int!
-- param: automation text
-- Of each run of a day: k of n. `kk`, `kn`, `nn` are sums of products over runs, for variances that know that the calls of a run are alike.
WITH c AS (
    SELECT automation, run_id, coalesce(step, '') AS step, ts_us >= $split AS late,
        (ts_us - $since) // 86400000000 AS slice, outcome, error_code, verdict, total_ms, cost_usd
    FROM model_calls
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until
        AND ($automation::VARCHAR IS NULL OR automation = $automation)
), r AS (
    SELECT automation, late, slice, run_id, count(*) AS calls,
        count(*) FILTER (outcome IN ('error', 'truncated', 'interrupted')) AS failed,
        count(*) FILTER (outcome = 'refused' AND error_code IS DISTINCT FROM 'held_for_review') AS refused,
        count(*) FILTER (verdict IN ('hold', 'fallback', 'block')) AS withheld, sum(cost_usd::DECIMAL(24, 12)) AS cost_usd
    FROM c GROUP BY ALL
), prices AS (  -- ranks of slots of 2 %, so that nothing has to be sorted
    SELECT *, ceil(ln(cost_usd) / ln(1.02))::INTEGER AS slot FROM r WHERE cost_usd > 0
), price_places AS (
    SELECT automation, slot, ((sum(n) OVER w - n / 2) / sum(n) OVER (PARTITION BY automation))::DECIMAL(9, 6) AS place
    FROM (SELECT automation, slot, count(*) AS n FROM prices GROUP BY ALL)
    WINDOW w AS (PARTITION BY automation ORDER BY slot)
), times AS (
    SELECT *, ceil(ln(greatest(total_ms, 0.01)) / ln(1.02))::INTEGER AS slot
    FROM c WHERE outcome NOT IN ('refused', 'client_disconnected') AND total_ms IS NOT NULL
), time_places AS (
    SELECT automation, step, slot, ((sum(n) OVER w - n / 2) / sum(n) OVER (PARTITION BY automation, step))::DECIMAL(9, 6) AS place
    FROM (SELECT automation, step, slot, count(*) AS n FROM times GROUP BY ALL)
    WINDOW w AS (PARTITION BY automation, step ORDER BY slot)
), t AS (
    SELECT times.automation, times.step, late, slice, run_id, count(*) AS calls, sum(place) AS place,
        count(*) FILTER (place > 0.95) AS slow
    FROM times JOIN time_places p ON p.automation IS NOT DISTINCT FROM times.automation AND p.step = times.step
        AND p.slot = times.slot
    GROUP BY ALL
), known AS (
    SELECT automation, ts_us >= $split AS late, (ts_us - $since) // 86400000000 AS slice, run_id, success, seen, overridden
    FROM runs
    WHERE tenant = $tenant AND calls > 0 AND ts_us >= $since AND ts_us < $until
        AND ($automation::VARCHAR IS NULL OR automation = $automation)
), kn AS (
    SELECT automation, '' AS step, late, slice, 'errors' AS measure, failed AS k, calls AS n FROM r
    UNION ALL SELECT automation, '', late, slice, 'refusals', refused, calls FROM r
    UNION ALL SELECT automation, '', late, slice, 'withheld', withheld, calls FROM r
    UNION ALL SELECT prices.automation, '', late, slice, 'cost', place, 1 FROM prices
        JOIN price_places p ON p.automation IS NOT DISTINCT FROM prices.automation AND p.slot = prices.slot
    UNION ALL SELECT automation, step, late, slice, 'latency', place, calls FROM t
    UNION ALL SELECT automation, step, late, slice, 'slow', slow, calls FROM t
    UNION ALL SELECT automation, '', late, slice, 'success', success::INT, 1 FROM known WHERE success IS NOT NULL
    UNION ALL SELECT automation, '', late, slice, 'override', coalesce(overridden, false)::INT, 1 FROM known WHERE seen
), exact AS (  -- decimals, so that the sums do not depend on the order in which rows are met
    SELECT * REPLACE (k::DECIMAL(16, 6) AS k, n::DECIMAL(16, 6) AS n) FROM kn
)
SELECT automation, measure, step, late, slice, sum(k)::DOUBLE AS k, sum(n)::DOUBLE AS n, sum(k * k)::DOUBLE AS kk,
    sum(k * n)::DOUBLE AS kn, sum(n * n)::DOUBLE AS nn
FROM exact
GROUP BY ALL
ORDER BY automation, measure, step, late, slice
