-- The totals of whole days, in place of the rows that they were counted from.
SELECT {bucket} AS bucket, {grp}::VARCHAR AS grp, *
FROM {table}
WHERE tenant = $tenant AND dim = '{dim}' AND day >= $first::DATE AND day < $last::DATE {only}
    AND ($automation::VARCHAR IS NULL OR automation = $automation)
