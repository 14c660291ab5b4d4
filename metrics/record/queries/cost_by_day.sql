-- question: What did each model cost each day? A call without a price counts as unpriced, never as 0.
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: automation text
-- param: tz text = UTC
SELECT strftime((make_timestamp(ts_us) AT TIME ZONE 'UTC') AT TIME ZONE $tz, '%Y-%m-%d') AS day,
    automation, provider, coalesce(model_answered, model_requested) AS model, count(*) AS calls,
    sum(cost_usd) AS cost_usd, count(*) FILTER (cost_usd IS NULL AND outcome = 'ok') AS unpriced,
    sum(input_tokens) AS input_tokens, sum(cached_input_tokens) AS cached_input_tokens,
    sum(cache_write_tokens) AS cache_write_tokens, sum(output_tokens) AS output_tokens,
    sum(reasoning_tokens) AS reasoning_tokens, bool_or(simulated) AS simulated
FROM calls
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND ($automation::VARCHAR IS NULL OR automation = $automation)
GROUP BY ALL ORDER BY day, cost_usd DESC NULLS LAST, model
