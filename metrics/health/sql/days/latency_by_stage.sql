-- From the histograms of whole days, and of the calls before and after them: the middle of the slot that a percentile falls in, within 1 %.
WITH d AS (
    SELECT stage, calls, total_us, slots FROM day_stages
    WHERE tenant = $tenant AND day >= $first::DATE AND day < $last::DATE
        AND ($automation::VARCHAR IS NULL OR automation = $automation)
    UNION ALL SELECT stage, calls, total_us, slots FROM ({before})
    UNION ALL SELECT stage, calls, total_us, slots FROM ({after})
), s AS (
    SELECT stage, e.key AS slot, sum(e.value) AS n FROM (SELECT stage, unnest(map_entries(slots)) AS e FROM d) GROUP BY ALL
), upto AS (
    SELECT *, sum(n) OVER (PARTITION BY stage ORDER BY slot) AS upto, sum(n) OVER (PARTITION BY stage) AS total FROM s
), q AS (
    SELECT stage, pow(1.02, min(slot) FILTER (upto >= 0.5 * total) - 0.5) AS p50_us,
        pow(1.02, min(slot) FILTER (upto >= 0.95 * total) - 0.5) AS p95_us,
        pow(1.02, min(slot) FILTER (upto >= 0.99 * total) - 0.5) AS p99_us
    FROM upto GROUP BY stage
)
SELECT stage, calls, p50_us, p95_us, p99_us, total_us
FROM q JOIN (SELECT stage, sum(calls)::BIGINT AS calls, sum(total_us)::BIGINT AS total_us FROM d GROUP BY stage) USING (stage)
ORDER BY list_position(['admit', 'bind', 'clear', 'choose', 'invoke', 'screen', 'score', 'judge', 'act', 'restore', 'record'], stage)
