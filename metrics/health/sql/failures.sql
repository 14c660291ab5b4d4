-- name: Failed runs by layer
-- question: Which layer costs the most failures?
-- unit: count
-- definition: Runs that failed (outcome no success, or a dead letter), each once, by the first layer that explains it: part `orchestration`, `retrieval`, `prompt` or `unknown`. A run belongs to its begin; one without calls to the moment it became a dead letter.
-- rows: faults
SELECT bucket, grp, layer AS part, sum(failed_runs)::DOUBLE AS value
FROM counted GROUP BY bucket, grp, layer
