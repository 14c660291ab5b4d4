-- question: What was charged to each budget, by period?
-- param: since int = 0
-- param: until int = 9223372036854775807
WITH charged AS (
    SELECT unnest(CAST(json_extract(detail, '$.charges') AS JSON[])) AS charge
    FROM calls
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND contains(marks, 'charges')
)
SELECT charge->>'$[0]' AS allowance, (charge->>'$[1]')::BIGINT AS period_ts_us, count(*) AS calls,
    sum((charge->>'$[2]')::BIGINT) AS used
FROM charged
GROUP BY ALL
ORDER BY period_ts_us DESC, allowance
