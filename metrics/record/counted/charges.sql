-- One row for each charge of a call to a budget.
SELECT {bucket} AS bucket, {groups}, automation, charge->>'$[0]' AS kind, (charge->>'$[2]')::BIGINT AS n,
    1 AS times
FROM (
    SELECT *, unnest(CAST(json_extract(detail, '$.charges') AS JSON[])) AS charge FROM calls
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND contains(marks, 'charges')
        AND ($automation::VARCHAR IS NULL OR automation = $automation)
)
