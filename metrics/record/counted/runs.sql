-- One row for each run that began in the range; in a grouping by what calls have, one for each group it has a call of.
SELECT {bucket} AS bucket, {groups}, automation, 1 AS runs, (success IS NOT NULL)::INT AS known,
    (success IS NOT DISTINCT FROM true)::INT AS succeeded, (seen IS NOT DISTINCT FROM true)::INT AS seen,
    (overridden IS NOT DISTINCT FROM true)::INT AS overridden
FROM runs {joined}
WHERE tenant = $tenant AND calls > 0 AND ts_us >= $since AND ts_us < $until
    AND ($automation::VARCHAR IS NULL OR automation = $automation)
