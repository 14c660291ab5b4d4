-- One row for each model call that did not end well, with what the caller was told.
SELECT {bucket} AS bucket, {groups}, automation, coalesce(error_code, outcome) AS kind, 1 AS n,
    (outcome = 'refused')::INT AS refused, 1 AS times
FROM model_calls
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND outcome <> 'ok'
    AND ($automation::VARCHAR IS NULL OR automation = $automation)
