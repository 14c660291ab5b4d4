-- Which layer is at fault in each run of `failed`, whose calls began between $first_us and $last_us.
-- The first that applies: orchestration (a dead letter, a step or a call whose last try failed, a review nobody answered),
-- retrieval (its last search was empty or missed all that was wanted, or its step failed), prompt (the answer was withheld,
-- not valid, named sources that were not found, or a human changed or rejected it), else unknown.
INSERT INTO faults BY NAME
WITH of_calls AS MATERIALIZED (
    SELECT c.tenant, c.run_id, call_id, coalesce(step, '') AS step, outcome, error_code, verdict, schema_score,
        {'ts_us': ts_us, 'seq': seq} AS moment
    FROM model_calls c SEMI JOIN failed f ON f.tenant = c.tenant AND f.run_id = c.run_id
    WHERE ts_us BETWEEN $first_us AND $last_us
), tries AS (
    SELECT tenant, run_id, arg_max(outcome, moment) FILTER (outcome IS NOT NULL) AS ended, arg_max(error_code, moment) AS code,
        arg_max(verdict, moment) AS verdict, bool_or(schema_score = 0) AS not_valid
    FROM of_calls GROUP BY tenant, run_id, step
), calls_say AS (
    SELECT tenant, run_id, min(coalesce(code, ended)) FILTER (ended IN ('error', 'truncated', 'interrupted')) AS broken,
        min(verdict) FILTER (verdict IN ('hold', 'block', 'fallback')) AS withheld, bool_or(not_valid) AS not_valid
    FROM tries GROUP BY tenant, run_id
), e AS (
    SELECT tenant, run_id, seq, kind, step, body->>'$.status' AS status, body->>'$.cause' AS cause,
        body->>'$.layer' AS layer, string_split(nullif(body->>'$.ids', ''), ' ') AS ids,
        coalesce((body->>'$.empty')::BOOLEAN, false) AS empty, (body->>'$.unknown')::BIGINT AS unknown
    FROM told SEMI JOIN failed USING (tenant, run_id)
), steps AS (
    SELECT tenant, run_id, step, arg_max({'status': status, 'cause': cause, 'layer': layer}, seq) AS last
    FROM e WHERE kind IN ('step.end', 'dead_letter') GROUP BY tenant, run_id, step
), steps_say AS (
    SELECT tenant, run_id,
        min(coalesce(last.cause, 'failed')) FILTER (coalesce(last.layer, '') NOT IN ('retrieval', 'prompt')) AS machinery,
        min(coalesce(last.cause, 'failed')) FILTER (last.layer = 'retrieval') AS search_failed,
        min(coalesce(last.cause, 'failed')) FILTER (last.layer = 'prompt') AS prompt_failed
    FROM steps WHERE last.status = 'failed' OR last.status IS NULL GROUP BY tenant, run_id
), searches_say AS (
    SELECT tenant, run_id, arg_max(empty, seq) FILTER (kind = 'retrieval') AS empty,
        arg_max(ids, seq) FILTER (kind = 'retrieval') AS found, arg_max(ids, seq) FILTER (kind = 'retrieval.gold') AS wanted,
        max(unknown) AS unknown
    FROM e GROUP BY tenant, run_id
), reviews_say AS (
    SELECT DISTINCT c.tenant, c.run_id, true AS expired
    FROM of_calls c SEMI JOIN events v ON v.tenant = c.tenant AND c.call_id = v.body->>'$.call_id'
        AND v.kind = 'review.decided' AND v.body->>'$.state' = 'expired' AND v.ts_us >= $first_us
)
SELECT run_hash, f.tenant, f.run_id, f.automation, f.ts_us,
    CASE WHEN machinery IS NOT NULL OR broken IS NOT NULL OR expired THEN 'orchestration'
        WHEN empty OR search_failed IS NOT NULL OR (len(wanted) > 0 AND NOT list_has_any(coalesce(found, []), wanted)) THEN 'retrieval'
        WHEN prompt_failed IS NOT NULL OR not_valid OR unknown > 0 OR overridden OR withheld IS NOT NULL THEN 'prompt'
        ELSE 'unknown' END AS layer,
    CASE WHEN machinery IS NOT NULL THEN 'step: ' || machinery WHEN broken IS NOT NULL THEN 'call: ' || broken
        WHEN expired THEN 'review expired' WHEN search_failed IS NOT NULL THEN 'search: ' || search_failed
        WHEN empty THEN 'search found nothing'
        WHEN len(wanted) > 0 AND NOT list_has_any(coalesce(found, []), wanted) THEN 'search missed what was wanted'
        WHEN prompt_failed IS NOT NULL THEN 'answer: ' || prompt_failed WHEN not_valid THEN 'answer not valid'
        WHEN unknown > 0 THEN 'sources that were not found' WHEN overridden THEN 'changed or rejected by a human'
        WHEN withheld IS NOT NULL THEN 'answer withheld: ' || withheld ELSE '' END AS reason
FROM failed f LEFT JOIN calls_say USING (tenant, run_id) LEFT JOIN steps_say USING (tenant, run_id)
    LEFT JOIN searches_say USING (tenant, run_id) LEFT JOIN reviews_say USING (tenant, run_id);
