-- question: How do candidates, or with `by_arm` the arms of splits, do: calls, failures, slow calls, cost, outcomes?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: policy text
-- param: split text
-- param: by_arm int = 0
-- param: slow_ms int = 9223372036854775807
WITH chosen AS (
    SELECT call_id, run_id, outcome, total_ms, cost_usd,
        CASE WHEN $by_arm = 0 THEN automation END AS automation, CASE WHEN $by_arm = 0 THEN step END AS step,
        CASE WHEN $by_arm = 1 THEN policy END AS policy,
        CASE WHEN $by_arm = 1 THEN json_extract_string(detail, '$.route.split') END AS split,
        CASE WHEN $by_arm = 1 THEN json_extract_string(detail, '$.route.arm') END AS arm
    FROM calls
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND outcome NOT IN ('refused', 'client_disconnected')
        AND ($policy IS NULL OR policy = $policy::VARCHAR)
        AND ($split IS NULL OR json_extract_string(detail, '$.route.split') = $split::VARCHAR)
), asked AS (
    SELECT call_id, CASE WHEN $by_arm = 0 THEN arg_max(provider || '/' || model, n) END AS model FROM attempts
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND purpose IS NULL GROUP BY call_id
), seen AS (
    SELECT DISTINCT coalesce(c.run_id, o.run_id, o.call_id) AS run_id FROM outcomes o
    LEFT JOIN calls c ON c.tenant = $tenant AND c.call_id = o.call_id
    WHERE o.tenant = $tenant AND o.source = 'human'
), by_run AS (
    SELECT automation, step, model, policy, split, arm, run_id, count(*) AS calls,
        count(*) FILTER (outcome <> 'ok') AS failed, count(*) FILTER (total_ms > $slow_ms) AS slow,
        coalesce(sum(cost_usd), 0) AS cost_usd
    FROM chosen JOIN asked USING (call_id)
    GROUP BY ALL
)
SELECT b.automation, step, model, policy, split, arm, sum(b.calls)::BIGINT AS calls, sum(b.failed)::BIGINT AS failed,
    sum(slow)::BIGINT AS slow, count(*) AS runs, sum(b.cost_usd) AS cost_usd, sum(b.cost_usd * b.cost_usd) AS cost_sq,
    count(r.success) AS known, count(*) FILTER (r.success) AS succeeded, count(s.run_id) AS seen,
    count(*) FILTER (s.run_id IS NOT NULL AND r.overridden) AS overridden
FROM by_run b
LEFT JOIN runs r ON r.tenant = $tenant AND r.run_id = b.run_id
LEFT JOIN seen s ON s.run_id = b.run_id
GROUP BY ALL
ORDER BY ALL
