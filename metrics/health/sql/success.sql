-- name: Task success rate
-- question: Of the tasks whose outcome is known, how many succeeded?
-- unit: share
-- definition: Runs with outcome success / runs with a known outcome. A call without a run id is a run of its own; an outcome of a call counts for its run; human beats judge beats system, then the latest. `unknown`: runs without an outcome.
-- rows: runs
SELECT bucket, grp, 'success' AS part, sum(succeeded) AS k, sum(known) AS n, sum(runs) - sum(known) AS unknown
FROM counted GROUP BY ALL
