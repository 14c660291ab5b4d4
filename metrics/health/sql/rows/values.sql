-- One row for each kind of value that redaction found on one side of a call.
SELECT {bucket} AS bucket, {group} AS grp, automation, side || ' ' || kind AS kind, n
FROM entities {joined}
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until
    AND ($automation::VARCHAR IS NULL OR automation = $automation)
