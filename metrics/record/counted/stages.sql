-- One row for each stage of the calls of an automation: how many, how long, by the logarithm of their time to the base 1.02.
SELECT * FROM (
    SELECT bucket, automation, unnest(stages, recursive := true) FROM (
        SELECT {bucket} AS bucket, automation, [{summed}] AS stages FROM model_calls
        WHERE tenant = $tenant AND ts_us >= {since} AND ts_us < {until} AND outcome <> 'interrupted'
            AND ($automation::VARCHAR IS NULL OR automation = $automation)
        GROUP BY ALL)
) WHERE calls > 0
