-- name: Time saved
-- question: How many minutes of work did automations save?
-- unit: minutes
-- definition: Successful runs times the minutes that one task took without the automation (`minutes_per_task` of its baseline in policies/automations). `unknown`: successful runs of automations without a baseline, which are not in the sum; `n`: successful runs in it.
-- rows: runs
SELECT bucket, grp, 'saved' AS part, sum(succeeded * ($baselines::JSON ->> automation)::DOUBLE) AS value,
    sum(succeeded) FILTER (($baselines::JSON ->> automation) IS NOT NULL) AS n,
    sum(succeeded) FILTER (($baselines::JSON ->> automation) IS NULL) AS unknown
FROM counted GROUP BY bucket, grp
