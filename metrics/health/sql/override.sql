-- name: Human override rate
-- question: How often did a human change or reject the output?
-- unit: share
-- definition: Part `of_seen`: runs whose output a human changed or rejected / runs whose output a human saw. Part `of_all`: the same / all runs. `unknown`: runs whose output nobody saw.
-- rows: runs
SELECT bucket, grp, unnest(['of_seen', 'of_all']) AS part, sum(overridden) AS k,
    unnest([sum(seen), sum(runs)]) AS n, unnest([sum(runs) - sum(seen), 0]) AS unknown
FROM counted GROUP BY bucket, grp
