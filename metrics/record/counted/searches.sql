-- One row for each search of a run. What it should have found: reference ids, else what an accepted draft cites.
SELECT {bucket} AS bucket, {groups}, automation, 1 AS searches, empty::INT AS empty, (wanted IS NOT NULL)::INT AS known,
    CASE WHEN wanted IS NOT NULL THEN len(found) END AS found, len(list_intersect(found, wanted)) AS right_ones,
    (len(list_intersect(found, wanted)) > 0)::INT AS hits
FROM (
    SELECT *, string_split(nullif(body->>'$.ids', ''), ' ') AS found, coalesce((body->>'$.empty')::BOOLEAN, false) AS empty
    FROM events
    WHERE tenant = $tenant AND kind = 'retrieval' AND ts_us >= $since AND ts_us < $until
        AND ($automation::VARCHAR IS NULL OR automation = $automation)
) LEFT JOIN (
    SELECT run AS wanted_in, coalesce(
        arg_max(string_split(nullif(body->>'$.ids', ''), ' '), seq) FILTER (kind = 'retrieval.gold'),
        arg_max(string_split(nullif(body->>'$.ids', ''), ' '), seq) FILTER (kind = 'retrieval.cited' AND approved)) AS wanted
    FROM events SEMI JOIN (
        SELECT run FROM events WHERE tenant = $tenant AND kind = 'retrieval' AND ts_us >= $since AND ts_us < $until
    ) searched USING (run) LEFT JOIN (
        SELECT run_id, true AS approved FROM runs
        WHERE tenant = $tenant AND success AND outcome_source = 'human' AND NOT coalesce(overridden, false)
            AND ts_us >= $since - 2678400000000 AND ts_us < $until + 2678400000000
    ) ON run_id = run
    WHERE tenant = $tenant AND kind IN ('retrieval.gold', 'retrieval.cited')
        AND ts_us >= $since - 2678400000000 AND ts_us < $until + 2678400000000
    GROUP BY run
) ON wanted_in = run {joined}
