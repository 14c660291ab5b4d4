-- question: Which runs were there, newest first? A call without a run id is a run of its own.
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: automation text
-- param: limit int = 100
SELECT run_id, automation, ts_us, end_us, calls, failed, cost_usd, unpriced, tokens::BIGINT AS tokens, simulated,
    success, overridden, outcome_source, outcome_ts_us
FROM runs
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND ($automation::VARCHAR IS NULL OR automation = $automation)
ORDER BY ts_us DESC, run_id
LIMIT $limit
