-- One row for each kind of value that redaction found on one side of a call.
SELECT {bucket} AS bucket, {groups}, automation, side || ' ' || kind AS kind, n, 1 AS times
FROM entities {joined}
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until
    AND ($automation::VARCHAR IS NULL OR automation = $automation)
