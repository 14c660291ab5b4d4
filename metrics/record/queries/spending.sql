-- question: What was spent in each hour, by whom a budget can be given?
-- param: since int!
-- param: until int!
-- param: automation text
SELECT (ts_us // 3600000000) * 3600000000 AS hour_us, automation, team, key_id, policy, count(*) AS calls,
    coalesce(sum(cost_usd), 0) AS usd,
    coalesce(sum(input_tokens + cached_input_tokens + cache_write_tokens + output_tokens + reasoning_tokens
        + audio_input_tokens + audio_output_tokens
        + coalesce(image_input_tokens, 0) + coalesce(image_output_tokens, 0)), 0) AS tokens
FROM calls
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until
    AND ($automation IS NULL OR automation = $automation::VARCHAR)
GROUP BY ALL
ORDER BY hour_us
