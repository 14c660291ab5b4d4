-- question: Which models answered calls whose cost is not known, and with which kinds of tokens?
-- param: since int = 0
-- param: until int = 9223372036854775807
SELECT provider, coalesce(model_answered, model_requested) AS model,
    json_extract_string(detail, '$.service_tier') AS service_tier, count(*) AS calls,
    sum(input_tokens) AS input_tokens, sum(cached_input_tokens) AS cached_input_tokens,
    sum(cache_write_tokens) AS cache_write_tokens, sum(output_tokens) AS output_tokens,
    sum(reasoning_tokens) AS reasoning_tokens, sum(audio_input_tokens) AS audio_input_tokens,
    sum(audio_output_tokens) AS audio_output_tokens, sum(image_input_tokens) AS image_input_tokens,
    sum(image_output_tokens) AS image_output_tokens,
    min(ts_us) AS first_ts_us, max(ts_us) AS last_ts_us, list(DISTINCT automation ORDER BY automation) AS automations
FROM calls
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND cost_usd IS NULL AND output_tokens IS NOT NULL
GROUP BY ALL
ORDER BY calls DESC, model
