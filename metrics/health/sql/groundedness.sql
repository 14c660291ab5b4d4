-- name: Groundedness
-- question: How far do answers rest on what was retrieved?
-- unit: score from 0 to 1
-- definition: Mean of the scorer `grounding` over the answers it scored; `n`: those, `unknown`: the others.
-- rows: answers
SELECT bucket, grp, 'mean' AS part, avg(grounding) AS value, count(grounding) AS n, count(*) - count(grounding) AS unknown
FROM counted GROUP BY bucket, grp
