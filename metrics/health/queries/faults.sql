-- question: Which runs failed, and which layer is at fault: orchestration, retrieval or prompt?
-- param: since int!
-- param: until int!
-- param: automation text
-- param: limit int = 10000
-- The first that applies: orchestration (a dead letter, a step or a call whose last try failed, a review nobody answered),
-- retrieval (its last search was empty or missed all that was wanted, or its step failed), prompt (the answer was withheld,
-- not valid, named sources that were not found, or a human changed or rejected it), else unknown.
WITH failed AS (
    SELECT run_id, min(automation) AS automation, min(ts_us) AS ts_us, bool_or(overridden) AS overridden FROM (
        SELECT run_id, automation, ts_us, coalesce(overridden, false) AS overridden FROM runs
        WHERE tenant = $tenant AND calls > 0 AND NOT success AND ts_us >= $since AND ts_us < $until
        UNION ALL
        SELECT run, automation, ts_us, false FROM events
        WHERE tenant = $tenant AND kind = 'dead_letter' AND run IS NOT NULL AND ts_us >= $since AND ts_us < $until
    ) WHERE $automation::VARCHAR IS NULL OR automation = $automation
    GROUP BY run_id
), c AS (
    SELECT run_id, arg_max(outcome, ts_us) FILTER (outcome IS NOT NULL) AS ended, coalesce(step, '') AS step,
        arg_max(error_code, ts_us) AS code, arg_max(verdict, ts_us) AS verdict,
        bool_or(schema_score = 0) AS not_valid
    FROM model_calls SEMI JOIN failed USING (run_id)
    WHERE tenant = $tenant AND ts_us >= $since - 2678400000000 AND ts_us < $until + 2678400000000
    GROUP BY run_id, step
), calls_say AS (
    SELECT run_id, min(coalesce(code, ended)) FILTER (ended IN ('error', 'truncated', 'interrupted')) AS broken,
        min(verdict) FILTER (verdict IN ('hold', 'block', 'fallback')) AS withheld, bool_or(not_valid) AS not_valid
    FROM c GROUP BY run_id
), e AS (
    SELECT run AS run_id, seq, kind, coalesce(step, '') AS step, body->>'$.status' AS status, body->>'$.cause' AS cause,
        body->>'$.layer' AS layer, string_split(nullif(body->>'$.ids', ''), ' ') AS ids,
        coalesce((body->>'$.empty')::BOOLEAN, false) AS empty, (body->>'$.unknown')::BIGINT AS unknown
    FROM events
    WHERE tenant = $tenant AND run IN (SELECT run_id FROM failed)
        AND kind IN ('step.end', 'dead_letter', 'retrieval', 'retrieval.cited', 'retrieval.gold')
        AND ts_us >= $since - 2678400000000 AND ts_us < $until + 2678400000000
), steps AS (
    SELECT run_id, step, arg_max({'status': status, 'cause': cause, 'layer': layer}, seq) AS last
    FROM e WHERE kind IN ('step.end', 'dead_letter') GROUP BY run_id, step
), steps_say AS (
    SELECT run_id,
        min(coalesce(last.cause, 'failed')) FILTER (coalesce(last.layer, '') NOT IN ('retrieval', 'prompt')) AS machinery,
        min(coalesce(last.cause, 'failed')) FILTER (last.layer = 'retrieval') AS search_failed,
        min(coalesce(last.cause, 'failed')) FILTER (last.layer = 'prompt') AS prompt_failed
    FROM steps WHERE last.status = 'failed' OR last.status IS NULL GROUP BY run_id
), searches_say AS (
    SELECT run_id, arg_max(empty, seq) FILTER (kind = 'retrieval') AS empty,
        arg_max(ids, seq) FILTER (kind = 'retrieval') AS found, arg_max(ids, seq) FILTER (kind = 'retrieval.gold') AS wanted,
        max(unknown) AS unknown
    FROM e GROUP BY run_id
), reviews_say AS (
    SELECT DISTINCT k.run_id, true AS expired
    FROM events v JOIN model_calls k ON k.tenant = $tenant AND k.call_id = v.body->>'$.call_id'
    WHERE v.tenant = $tenant AND v.kind = 'review.decided' AND v.body->>'$.state' = 'expired' AND v.ts_us >= $since
        AND k.ts_us >= $since - 2678400000000 AND k.ts_us < $until + 2678400000000
)
SELECT f.run_id, f.automation, f.ts_us,
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
FROM failed f LEFT JOIN calls_say USING (run_id) LEFT JOIN steps_say USING (run_id) LEFT JOIN searches_say USING (run_id)
    LEFT JOIN reviews_say USING (run_id)
ORDER BY ts_us DESC, run_id
LIMIT $limit
