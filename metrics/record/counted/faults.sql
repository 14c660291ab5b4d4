-- One row for each run that failed, with the layer that is at fault.
SELECT {bucket} AS bucket, {groups}, automation, layer, 1 AS failed_runs
FROM faults {joined}
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until
    AND ($automation::VARCHAR IS NULL OR automation = $automation)
