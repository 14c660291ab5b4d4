-- question: What happened in one run, in its order: steps, calls, actions, outcomes?
-- param: run text!
-- param: limit int = 1000
SELECT e.seq, e.kind, e.ts_us, coalesce(e.step, c.step) AS step, c.call_id,
    coalesce(c.total_ms, try_cast(json_extract_string(e.body, '$.duration_ms') AS DOUBLE)) AS duration_ms,
    coalesce(c.outcome, json_extract_string(e.body, '$.status'), json_extract_string(e.body, '$.action'),
        json_extract_string(e.body, '$.metric')) AS status,
    coalesce(c.error_code, json_extract_string(e.body, '$.cause'),
        'withheld: ' || json_extract_string(e.body, '$.withheld')) AS cause,
    coalesce(c.layer, json_extract_string(e.body, '$.layer')) AS layer,
    c.model_answered, c.prompt, c.policy, c.policy_hash, c.verdict, c.cost_usd,
    coalesce(json_extract_string(e.body, '$.by'), e.actor) AS actor,
    json_extract_string(e.body, '$.ids') AS ids
FROM events e
LEFT JOIN calls c ON e.kind = 'call.end' AND c.tenant = $tenant AND c.run_id = $run AND e.event_id = c.call_id || '.e'
WHERE e.tenant = $tenant AND e.run = $run AND e.kind <> 'call.begin'
ORDER BY e.ts_us, e.seq
LIMIT $limit
