-- name: Fallback rate
-- question: How often did a fallback stand in for the model's answer?
-- unit: share
-- definition: Calls with the verdict `fallback` / calls whose answer was judged.
-- rows: calls
SELECT bucket, grp, 'fallback' AS part, sum(fallbacks) AS k, sum(judged) AS n FROM counted GROUP BY bucket, grp
