-- name: Cost
-- question: What was spent, and on what?
-- unit: USD
-- definition: Sum of the known costs of all calls and their shadow copies, in the parts of cost per successful output. `n`: calls; `unknown`: answered calls without a known price, which are not in the sum.
-- rows: calls, shadows
WITH s AS (
    SELECT bucket, grp, sum(calls) AS n, sum(unpriced) AS unknown, coalesce(sum(cost_usd), 0) AS cost,
        coalesce(sum(failed_usd), 0) AS failed, coalesce(sum(retried_usd), 0) AS retried,
        coalesce(sum(judge_usd), 0) AS judge, coalesce(sum(shadow_usd), 0) AS shadow
    FROM counted GROUP BY bucket, grp
)
SELECT bucket, grp, unnest(['total', 'answers', 'failed', 'retried', 'judge', 'shadow']) AS part, n, unknown,
    unnest([cost + shadow, cost - failed - retried - judge, failed, retried, judge, shadow]) AS value
FROM s
