-- One row for each event of the service layer: a step's end, a dead letter, an effect that was not made twice.
SELECT {bucket} AS bucket, {groups}, automation,
    (kind = 'step.end')::INT AS steps, (kind = 'step.end' AND body->>'$.status' = 'failed')::INT AS failed_steps,
    (kind = 'step.end' AND body->>'$.cause' LIKE '%time%out%')::INT AS timeouts,
    (kind = 'step.end' AND (body->>'$.attempt')::BIGINT > 1)::INT AS again,
    (kind = 'action.duplicate' OR body->>'$.status' = 'duplicate')::INT AS duplicates, (kind = 'dead_letter')::INT AS dead,
    (kind = 'run.end')::INT AS ended
FROM events {joined}
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until
    AND kind IN ('step.end', 'dead_letter', 'action.duplicate', 'run.end')
    AND ($automation::VARCHAR IS NULL OR automation = $automation)
