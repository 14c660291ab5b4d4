-- One row for each answered or withheld model call: what its answer was like, and whether its run's search found something.
SELECT {bucket} AS bucket, {groups}, automation, (schema_score = 1)::INT AS valid,
    (schema_score IS NOT NULL)::INT AS checked, grounding, (grounding IS NOT NULL)::INT AS grounded,
    coalesce(contains(marks, 'declined'), false)::INT AS declined, 1 AS answers,
    (own.seen AND NOT coalesce(searched_in_vain, false))::INT AS seen,
    (own.seen AND NOT coalesce(searched_in_vain, false) AND own.overridden)::INT AS overridden
FROM (
    SELECT * FROM model_calls
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND verdict IS NOT NULL
        AND ($automation::VARCHAR IS NULL OR automation = $automation)
) LEFT JOIN (
    SELECT run_id, seen, overridden FROM runs
    WHERE tenant = $tenant AND ts_us >= $since - 2678400000000 AND ts_us < $until AND seen
) own USING (run_id) LEFT JOIN (
    SELECT run AS searched, arg_max(coalesce((body->>'$.empty')::BOOLEAN, false), seq) AS searched_in_vain FROM events
    WHERE tenant = $tenant AND kind = 'retrieval' AND ts_us >= $since - 2678400000000 AND ts_us < $until + 2678400000000
    GROUP BY run
) ON searched = run_id
