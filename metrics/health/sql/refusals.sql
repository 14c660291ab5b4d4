-- name: Refusals by reason
-- question: Which calls were not served because a policy, a limit or a key forbade it?
-- unit: count
-- definition: Model calls with the outcome `refused`, held ones left out, by error code.
-- rows: endings
SELECT bucket, grp, kind AS part, sum(n)::DOUBLE AS value
FROM counted WHERE refused = 1 AND kind <> 'held_for_review' GROUP BY ALL
