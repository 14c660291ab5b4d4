-- name: Layer: orchestration
-- question: How often does the machinery around models and searches fail?
-- unit: share
-- definition: Of the ends of steps: part `failed`, part `timeout`, part `again` (a second or later try) / ends of steps. Part `dead`: dead letters / runs that ended or became one. Part `duplicates`: effects that were not made a second time / ends of steps.
-- rows: steps
SELECT bucket, grp, unnest(['failed', 'timeout', 'again', 'dead', 'duplicates']) AS part,
    unnest([sum(failed_steps), sum(timeouts), sum(again), sum(dead), sum(duplicates)]) AS k,
    unnest([sum(steps), sum(steps), sum(steps), sum(ended) + sum(dead), sum(steps)]) AS n
FROM counted GROUP BY bucket, grp
