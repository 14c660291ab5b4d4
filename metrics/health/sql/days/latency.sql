-- From the histograms of days: the middle of the slot that a percentile falls in, within 1 %.
WITH e AS (
    SELECT bucket, grp, 'total' AS what, unnest(map_entries(total_slots)) AS e FROM counted
    UNION ALL SELECT bucket, grp, 'upstream', unnest(map_entries(upstream_slots)) FROM counted
    UNION ALL SELECT bucket, grp, 'overhead', unnest(map_entries(overhead_slots)) FROM counted
), s AS (
    SELECT bucket, grp, what, e.key AS slot, sum(e.value) AS n FROM e GROUP BY ALL
), upto AS (
    SELECT *, sum(n) OVER (PARTITION BY bucket, grp, what ORDER BY slot) AS upto,
        sum(n) OVER (PARTITION BY bucket, grp, what) AS total
    FROM s
)
SELECT bucket, grp, what || '_p' || percent AS part, pow(1.02, min(slot) FILTER (upto >= percent / 100 * total) - 0.5) AS value,
    any_value(total) AS n
FROM upto, (VALUES (50), (95), (99)) p(percent)
GROUP BY bucket, grp, what, percent
