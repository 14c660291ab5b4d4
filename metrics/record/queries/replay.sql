-- question: Which calls were alike in everything that a policy can see, and what did they use?
-- param: since int!
-- param: until int!
-- param: automation text
-- param: by_size int = 0
-- param: by_run int = 0
-- param: cuts text
WITH blocked AS (
    SELECT call_id, min(kind) AS kind FROM entities
    WHERE tenant = $tenant AND side = 'request' AND ts_us >= $since AND ts_us < $until GROUP BY call_id
), chosen AS (
    SELECT c.*, b.kind AS blocked_kind FROM calls c
    LEFT JOIN blocked b ON c.error_code = 'content_blocked' AND b.call_id = c.call_id
    WHERE c.tenant = $tenant AND c.ts_us >= $since AND c.ts_us < $until
        AND ($automation IS NULL OR c.automation = $automation::VARCHAR)
        AND (c.policy IS NOT NULL OR c.error_code = 'ungoverned')
)
SELECT tenant, automation, team, environment, data_class, endpoint, stream, model_requested, provider, step, policy,
    outcome, error_code, price_id, blocked_kind,
    json_extract(detail, '$.labels')::VARCHAR AS labels, json_extract(detail, '$.tightened')::VARCHAR AS tightened,
    json_extract(detail, '$.features')::VARCHAR AS features, json_extract(detail, '$.route')::VARCHAR AS route,
    json_extract(detail, '$.prompt')::VARCHAR AS prompt, json_extract(detail, '$.tools')::VARCHAR AS tools,
    json_extract_string(detail, '$.refused_by') AS refused_by,
    verdict, json_extract_string(detail, '$.verdict_rule') AS verdict_rule, (detail->>'$.escalated')::BIGINT AS escalated,
    CASE WHEN confidence IS NOT NULL THEN list_count(list_filter(list_transform(string_split($cuts, ','),
        lambda c: TRY_CAST(c AS DOUBLE)), lambda c: confidence >= c)) END AS score_band, max(confidence) AS confidence,
    list_sort(list_distinct(list_transform(CAST(json_extract(detail, '$.findings') AS JSON[]), lambda f: concat_ws(
        '|', split_part(f->>'$[0]', ':', 1), f->>'$[1]', round((f->>'$[4]')::DOUBLE, 2), f->>'$[6]')))) AS findings,
    CASE WHEN $by_size = 1 THEN request_chars END AS request_chars,
    CASE WHEN $by_run = 1 THEN run_id END AS run_id,
    count(*) AS calls, sum(cost_usd) AS cost_usd, count(*) FILTER (cost_usd IS NOT NULL) AS priced,
    sum(input_tokens) AS input_tokens, sum(cached_input_tokens) AS cached_input_tokens,
    sum(cache_write_tokens) AS cache_write_tokens, sum(output_tokens) AS output_tokens,
    sum(reasoning_tokens) AS reasoning_tokens, sum(audio_input_tokens) AS audio_input_tokens,
    sum(audio_output_tokens) AS audio_output_tokens, sum(image_input_tokens) AS image_input_tokens,
    sum(image_output_tokens) AS image_output_tokens,
    min(call_id) AS first_call, max(call_id) AS last_call, max(ts_us) AS last_us
FROM chosen
GROUP BY ALL
