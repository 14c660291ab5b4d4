-- question: How do shadow models compare with the models that answered, on the same calls?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: automation text
WITH copies AS (
    SELECT automation, json_extract_string(body, '$.call_id') AS call_id,
        json_extract_string(body, '$.provider') || '/' || json_extract_string(body, '$.model') AS shadow,
        json_extract_string(body, '$.outcome') AS outcome, (body->>'$.cost_usd')::DOUBLE AS cost_usd,
        (body->>'$.total_ms')::DOUBLE AS total_ms, (body->>'$.answer_chars')::BIGINT AS answer_chars,
        (body->>'$.same_text')::BOOLEAN AS same_text, (body->>'$.same_tools')::BOOLEAN AS same_tools,
        (body->>'$.word_overlap')::DOUBLE AS word_overlap
    FROM events
    WHERE tenant = $tenant AND kind = 'call.shadow' AND ts_us >= $since AND ts_us < $until
        AND ($automation IS NULL OR automation = $automation::VARCHAR)
)
SELECT s.automation, coalesce(c.model_answered, c.model_requested) AS model, s.shadow, count(*) AS copies,
    count(*) FILTER (s.outcome = 'ok') AS answered, count(*) FILTER (s.outcome = 'skipped') AS skipped,
    avg(same_text::INT) AS same_text, avg(same_tools::INT) AS same_tools, avg(word_overlap) AS word_overlap,
    sum(s.cost_usd) AS shadow_cost_usd, sum(c.cost_usd) FILTER (s.outcome = 'ok') AS cost_usd,
    median(s.total_ms) FILTER (s.outcome = 'ok') AS shadow_ms, median(c.total_ms) FILTER (s.outcome = 'ok') AS total_ms,
    avg(s.answer_chars) AS shadow_chars, avg(c.answer_chars) FILTER (s.outcome = 'ok') AS answer_chars,
    min_by(s.call_id, coalesce(word_overlap, 1)) AS least_alike
FROM copies s JOIN calls c ON c.tenant = $tenant AND c.call_id = s.call_id
    AND c.ts_us >= $since - 86400000000 AND c.ts_us < $until AND EXISTS (FROM copies)
GROUP BY ALL
ORDER BY copies DESC, shadow
