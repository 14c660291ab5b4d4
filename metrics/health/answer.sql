-- Around every measure: the rows it counts, the shape of its figures, and Wilson's 95 % interval where it is a rate.
WITH counted AS (
{counted}
), measured AS (
    SELECT NULL::VARCHAR AS bucket, NULL::VARCHAR AS grp, '' AS part, NULL::DOUBLE AS value, NULL::DOUBLE AS k,
        NULL::DOUBLE AS n, NULL::DOUBLE AS unknown WHERE false
    UNION ALL BY NAME (
{measured}
    )
)
SELECT bucket, grp AS "group", part, coalesce(value, k / nullif(n, 0)) AS value,
    CASE WHEN k IS NOT NULL AND n > 0 THEN least(k / n, greatest(0, (k / n + z / 2 - spread) / (1 + z))) END AS low,
    CASE WHEN k IS NOT NULL AND n > 0 THEN greatest(k / n, least(1, (k / n + z / 2 + spread) / (1 + z))) END AS high,
    k::BIGINT AS k, n::BIGINT AS n, unknown::BIGINT AS unknown
FROM (
    SELECT *, sqrt(k / n * (1 - k / n) / n + z / (4 * n)) * sqrt(z * n) AS spread
    FROM (SELECT *, 1.959964 * 1.959964 / n AS z FROM measured)
)
ORDER BY bucket, grp, part
