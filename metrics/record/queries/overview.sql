-- question: What happened in a range of time?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: automation text
WITH t AS (
    SELECT count(*) AS calls, count(*) FILTER (outcome = 'ok') AS ok, count(*) FILTER (outcome = 'refused') AS refused,
        count(*) FILTER (outcome = 'error') AS errors, count(*) FILTER (outcome = 'interrupted') AS interrupted,
        count(*) FILTER (outcome NOT IN ('ok', 'refused', 'error', 'interrupted')) AS other,
        count(DISTINCT automation) AS automations,
        count(*) FILTER (simulated) AS simulated, sum(cost_usd) AS cost_usd,
        count(*) FILTER (cost_usd IS NULL AND outcome = 'ok') AS unpriced,
        sum(input_tokens) AS input_tokens, sum(cached_input_tokens) AS cached_input_tokens,
        sum(output_tokens) AS output_tokens, sum(reasoning_tokens) AS reasoning_tokens, sum(retry_count) AS retries,
        quantile_cont(total_ms, [0.5, 0.95, 0.99]) AS total, quantile_cont(overhead_ms, [0.5, 0.95, 0.99]) AS overhead,
        quantile_cont(ttft_ms, [0.5, 0.95]) AS ttft, min(ts_us) AS first_ts_us, max(ts_us) AS last_ts_us
    FROM model_calls
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND ($automation::VARCHAR IS NULL OR automation = $automation)
), r AS (
    SELECT count(*) AS runs FROM runs
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND ($automation::VARCHAR IS NULL OR automation = $automation)
), e AS (
    SELECT coalesce(sum(n), 0)::BIGINT AS entities FROM entities
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND ($automation::VARCHAR IS NULL OR automation = $automation)
)
SELECT calls, ok, refused, errors, interrupted, other, runs, automations, simulated, cost_usd, unpriced, input_tokens,
    cached_input_tokens, output_tokens, reasoning_tokens, entities, retries,
    total[1] AS total_p50_ms, total[2] AS total_p95_ms, total[3] AS total_p99_ms,
    overhead[1] AS overhead_p50_ms, overhead[2] AS overhead_p95_ms, overhead[3] AS overhead_p99_ms,
    ttft[1] AS ttft_p50_ms, ttft[2] AS ttft_p95_ms, first_ts_us, last_ts_us
FROM t, r, e
