-- question: Which calls were made, newest first?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: automation text
-- param: verdict text
-- param: outcome text
-- param: model text
-- param: step text
-- param: entity text
-- param: run text
-- param: before_seq int = 9223372036854775807
-- param: limit int = 100
WITH page AS (
    SELECT seq FROM calls
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND seq < $before_seq
        AND ($automation::VARCHAR IS NULL OR automation = $automation)
        AND ($verdict::VARCHAR IS NULL OR verdict = $verdict)
        AND ($outcome::VARCHAR IS NULL OR outcome = $outcome)
        AND ($run::VARCHAR IS NULL OR run_id = $run)
        AND ($step::VARCHAR IS NULL OR step = $step)
        AND ($model::VARCHAR IS NULL OR model_answered = $model OR model_requested = $model)
        AND ($entity::VARCHAR IS NULL OR seq IN (
            SELECT seq FROM entities
            WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND kind = $entity))
    ORDER BY seq DESC
    LIMIT $limit
), ends AS (
    SELECT min(seq) AS first, max(seq) AS last FROM page  -- the rows stand close together: read only that stretch
), found AS (
    SELECT seq, sum(n)::BIGINT AS n FROM entities
    WHERE tenant = $tenant AND seq BETWEEN (SELECT first FROM ends) AND (SELECT last FROM ends)
    GROUP BY seq
)
SELECT seq, call_id, ts_us, automation, run_id, step, endpoint, stream, status, outcome, error_code, layer, verdict,
    confidence, policy, policy_hash, model_requested, model_answered, provider, simulated, cost_usd,
    coalesce(input_tokens, 0) + coalesce(cached_input_tokens, 0) + coalesce(cache_write_tokens, 0)
        + coalesce(audio_input_tokens, 0) + coalesce(image_input_tokens, 0) AS tokens_in,
    coalesce(output_tokens, 0) + coalesce(reasoning_tokens, 0) + coalesce(audio_output_tokens, 0)
        + coalesce(image_output_tokens, 0) AS tokens_out,
    usage_estimated, total_ms, upstream_ms, overhead_ms, ttft_ms, attempts, retry_count, prompt, team, environment,
    data_class, coalesce(found.n, 0) AS entities
FROM calls SEMI JOIN page USING (seq) LEFT JOIN found USING (seq)
WHERE tenant = $tenant AND seq BETWEEN (SELECT first FROM ends) AND (SELECT last FROM ends)
ORDER BY seq DESC
