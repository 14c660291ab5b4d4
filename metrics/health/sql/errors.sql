-- name: Errors by kind
-- question: Which calls failed, and of what?
-- unit: count
-- definition: Model calls that ended in an error, cut off or with a dead process, or that their caller left, by error code.
-- rows: endings
SELECT bucket, grp, kind AS part, sum(n)::DOUBLE AS value FROM counted WHERE refused = 0 GROUP BY ALL
