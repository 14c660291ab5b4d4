-- name: Cost per successful output
-- question: What does one successful output cost, everything included?
-- unit: USD
-- definition: Part `total`: cost of all calls of the period, shadow copies included / runs with outcome success. The parts `failed` (calls that did not end well; one held for a reviewer has its answer), `retried` (failed tries within answered and held calls), `judge` (models asked to score) and `shadow` (copies) say how much of it each causes; `answers` is the rest. `unknown`: answered calls without a known price, which are not in the sum; `n`: successful runs.
-- rows: calls, runs, shadows
WITH s AS (
    SELECT bucket, grp, coalesce(sum(succeeded), 0) AS n, sum(unpriced) AS unknown, coalesce(sum(cost_usd), 0) AS cost,
        coalesce(sum(failed_usd), 0) AS failed, coalesce(sum(retried_usd), 0) AS retried,
        coalesce(sum(judge_usd), 0) AS judge, coalesce(sum(shadow_usd), 0) AS shadow
    FROM counted GROUP BY bucket, grp
)
SELECT bucket, grp, unnest(['total', 'answers', 'failed', 'retried', 'judge', 'shadow']) AS part, n, unknown,
    unnest([cost + shadow, cost - failed - retried - judge, failed, retried, judge, shadow]) / nullif(n, 0) AS value
FROM s
