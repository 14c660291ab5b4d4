-- One row for each review that was opened in the range, with its state at the range's end.
SELECT {bucket} AS bucket, {groups}, automation, 1 AS opened, coalesce(state, 'open') AS state,
    (coalesce(decided_us, seen_us) > deadline_us)::INT AS late, (coalesce(decided_us, seen_us) - ts_us) / 3600e6 AS age_h
FROM (
    SELECT min(ts_us) FILTER (kind = 'review.opened') AS ts_us, any_value(automation) AS automation,
        any_value(body->>'$.call_id') AS reviewed, min(ts_us) FILTER (kind = 'review.decided') AS decided_us,
        any_value(body->>'$.state') FILTER (kind = 'review.decided') AS state,
        min((body->>'$.deadline_us')::BIGINT) AS deadline_us
    FROM events
    WHERE tenant = $tenant AND kind IN ('review.opened', 'review.decided') AND ts_us >= $since AND ts_us < $until
        AND ($automation::VARCHAR IS NULL OR automation = $automation)
    GROUP BY body->>'$.review_id'
), (SELECT least($until, number) AS seen_us FROM facts WHERE name = 'ts_us') {joined}
WHERE ts_us IS NOT NULL
