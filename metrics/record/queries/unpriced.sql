-- question: Which models answered calls whose cost is not known?
-- param: since int = 0
-- param: until int = 9223372036854775807
SELECT provider, coalesce(model_answered, model_requested) AS model, count(*) AS calls,
    coalesce(sum(input_tokens + cached_input_tokens + cache_write_tokens + output_tokens + reasoning_tokens
        + audio_input_tokens + audio_output_tokens
        + coalesce(image_input_tokens, 0) + coalesce(image_output_tokens, 0)), 0) AS tokens,
    min(ts_us) AS first_ts_us, max(ts_us) AS last_ts_us, list(DISTINCT automation ORDER BY automation) AS automations
FROM calls
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND cost_usd IS NULL AND output_tokens IS NOT NULL
GROUP BY ALL
ORDER BY calls DESC, model
