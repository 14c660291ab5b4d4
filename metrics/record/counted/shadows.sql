-- One row for each shadow copy of a call.
SELECT {bucket} AS bucket, {groups}, automation, (body->>'$.cost_usd')::DOUBLE AS shadow_usd
FROM events {joined}
WHERE tenant = $tenant AND kind = 'call.shadow' AND ts_us >= $since AND ts_us < $until
    AND ($automation::VARCHAR IS NULL OR automation = $automation)
