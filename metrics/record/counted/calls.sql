-- One row for each model call that began in the range.
SELECT {bucket} AS bucket, {groups}, automation, total_ms, upstream_ms, overhead_ms, ttft_ms, 1 AS calls,
    (outcome = 'ok')::INT AS answered, (outcome = 'refused' AND error_code IS NOT DISTINCT FROM 'held_for_review')::INT AS held,
    (outcome = 'refused' AND error_code IS DISTINCT FROM 'held_for_review')::INT AS refused,
    (outcome IN ('error', 'truncated', 'interrupted'))::INT AS failed, (outcome = 'client_disconnected')::INT AS abandoned,
    (verdict IS NOT DISTINCT FROM 'fallback')::INT AS fallbacks, (verdict IS NOT NULL)::INT AS judged,
    (reused IS NOT NULL)::INT AS reused, coalesce(retry_count, 0) AS client_retries,
    greatest(attempts - 1, 0) AS more_tries, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
    reasoning_tokens, audio_input_tokens, audio_output_tokens, image_input_tokens, image_output_tokens,
    (outcome = 'ok' AND input_tokens IS NULL)::INT AS uncounted, simulated::INT AS simulated, cost_usd, (cost_usd IS NULL AND outcome = 'ok')::INT AS unpriced, judge_usd,
    CASE WHEN outcome = 'ok' OR (outcome = 'refused' AND error_code IS NOT DISTINCT FROM 'held_for_review') THEN retried_usd END AS retried_usd,
    CASE WHEN outcome <> 'ok' AND (outcome <> 'refused' OR error_code IS DISTINCT FROM 'held_for_review') THEN cost_usd - coalesce(judge_usd, 0) END AS failed_usd
FROM model_calls
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until
    AND ($automation::VARCHAR IS NULL OR automation = $automation)
