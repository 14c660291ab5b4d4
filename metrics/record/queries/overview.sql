-- question: What happened in a range of time?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: automation text
WITH c AS (
    SELECT * FROM calls WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND ($automation::VARCHAR IS NULL OR automation = $automation)
), e AS (
    SELECT sum(n) AS n FROM entities
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND ($automation::VARCHAR IS NULL OR automation = $automation)
)
SELECT count(*) AS calls, count(*) FILTER (outcome = 'ok') AS ok, count(*) FILTER (outcome = 'refused') AS refused,
    count(*) FILTER (outcome = 'error') AS errors, count(*) FILTER (outcome = 'interrupted') AS interrupted,
    count(*) FILTER (outcome NOT IN ('ok', 'refused', 'error', 'interrupted')) AS other,
    count(DISTINCT run_id) AS runs, count(DISTINCT automation) AS automations,
    count(*) FILTER (simulated) AS simulated, sum(cost_usd) AS cost_usd,
    count(*) FILTER (cost_usd IS NULL AND outcome = 'ok') AS unpriced,
    sum(input_tokens) AS input_tokens, sum(cached_input_tokens) AS cached_input_tokens,
    sum(output_tokens) AS output_tokens, sum(reasoning_tokens) AS reasoning_tokens,
    coalesce(any_value(e.n), 0)::BIGINT AS entities, sum(retry_count) AS retries,
    quantile_cont(total_ms, 0.5) AS total_p50_ms, quantile_cont(total_ms, 0.95) AS total_p95_ms,
    quantile_cont(total_ms, 0.99) AS total_p99_ms,
    quantile_cont(overhead_ms, 0.5) AS overhead_p50_ms, quantile_cont(overhead_ms, 0.95) AS overhead_p95_ms,
    quantile_cont(overhead_ms, 0.99) AS overhead_p99_ms,
    quantile_cont(ttft_ms, 0.5) AS ttft_p50_ms, quantile_cont(ttft_ms, 0.95) AS ttft_p95_ms,
    min(ts_us) AS first_ts_us, max(ts_us) AS last_ts_us
FROM c, e
