-- question: Which runs are worth reading: failed, changed or rejected by a human, the dearest first, a few of each automation?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: limit int = 3
SELECT run_id, automation, ts_us, end_us, calls, failed, cost_usd, success, overridden, outcome_source
FROM (
    SELECT *, row_number() OVER (PARTITION BY automation ORDER BY success IS NOT DISTINCT FROM false DESC,
        failed > 0 DESC, overridden IS NOT DISTINCT FROM true DESC, coalesce(cost_usd, 0) DESC, ts_us, run_id) AS place
    FROM runs
    WHERE tenant = $tenant AND calls > 0 AND ts_us >= $since AND ts_us < $until
        AND (success IS NOT DISTINCT FROM false OR failed > 0 OR overridden IS NOT DISTINCT FROM true)
)
WHERE place <= $limit
ORDER BY automation, place
