-- name: Volume
-- question: How many model calls were made, how did they end, and of how many runs were they?
-- unit: count
-- definition: Model calls by how they ended for their caller: `answered`, `held` (423: waits for a reviewer), `refused` (by policy, limit or key), `failed` (errors, cut answers, dead processes), `abandoned` (the caller left); together `calls`. `runs`: runs that began; `simulated`: calls of the simulated provider. Requests that ask no model do not count.
-- rows: calls, runs
SELECT bucket, grp,
    unnest(['calls', 'answered', 'held', 'refused', 'failed', 'abandoned', 'runs', 'simulated']) AS part,
    unnest([sum(calls), sum(answered), sum(held), sum(refused), sum(failed), sum(abandoned), sum(runs),
        sum(simulated)])::DOUBLE AS value
FROM counted GROUP BY bucket, grp
