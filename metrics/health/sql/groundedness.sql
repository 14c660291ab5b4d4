-- name: Groundedness
-- question: How far do answers rest on what was retrieved?
-- unit: score from 0 to 1
-- definition: Mean of the scorer `grounding` over the answers it scored; `n`: those, `unknown`: the others.
-- rows: answers
SELECT bucket, grp, 'mean' AS part, sum(grounding) / nullif(sum(grounded), 0) AS value, sum(grounded) AS n,
    sum(answers) - sum(grounded) AS unknown
FROM counted GROUP BY bucket, grp
