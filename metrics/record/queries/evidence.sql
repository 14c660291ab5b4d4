-- question: What led to each output: prompt, policy, model, redactions, confidence, certificate, reviewer, outcome, action?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: automation text
-- param: from_seq int = 0
-- param: to_seq int = 9223372036854775807
-- param: through int = 9223372036854775807
WITH chosen AS (
    SELECT *, json_extract_string(detail, [
        '$.prompt.id', '$.prompt.version', '$.prompt.sha256', '$.verdict_rule', '$.audit.certificate',
        '$.audit.reason', '$.fallback.template', '$.review.id', '$.scores']) AS said  -- one look at the text
    FROM calls
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND seq BETWEEN $from_seq AND $to_seq
        AND seq <= $through
        AND ($automation IS NULL OR automation IN (SELECT unnest(string_split($automation::VARCHAR, ','))))
), found AS (
    SELECT seq, string_agg(side || ' ' || kind || ' ' || n, '; ' ORDER BY side, kind) AS redactions FROM entities
    WHERE tenant = $tenant AND seq BETWEEN $from_seq AND $to_seq GROUP BY seq
), decided AS (
    SELECT body->>'$.call_id' AS call_id, arg_max(body->>'$.review_id', seq) AS review_id, arg_max(actor, seq) AS reviewer,
        arg_max(body->>'$.state', seq) AS review_state, arg_max(body->>'$.reason', seq) AS review_reason,
        max(ts_us) AS decided_us
    FROM events WHERE tenant = $tenant AND kind = 'review.decided' AND seq <= $through GROUP BY ALL
), told AS (
    SELECT call_id, run_id, source, corrected OR (metric = 'override' AND value > 0) AS overridden,
        CASE WHEN metric = 'success' THEN coalesce(value > 0, word IN ('success', 'approved', 'released')) END AS good,
        ((CASE source WHEN 'human' THEN 3 WHEN 'judge' THEN 2 ELSE 1 END)::BIGINT, ts_us, seq) AS weight
    FROM outcomes WHERE tenant = $tenant AND seq <= $through
), said AS (
    SELECT c.seq, arg_max(good, weight) FILTER (good IS NOT NULL) AS success,
        arg_max(t.source, weight) FILTER (good IS NOT NULL) AS outcome_source, bool_or(t.overridden) AS overridden
    FROM chosen c JOIN told t ON t.call_id = c.call_id GROUP BY c.seq
), of_run AS (
    SELECT run_id, arg_max(good, weight) AS success, arg_max(source, weight) AS outcome_source
    FROM told WHERE call_id IS NULL AND good IS NOT NULL GROUP BY run_id
), acted AS (
    SELECT run, string_agg(DISTINCT kind, '; ' ORDER BY kind) AS actions FROM events
    WHERE tenant = $tenant AND kind LIKE 'action.%' AND seq <= $through GROUP BY run
)
SELECT c.seq, c.call_id || '.e' AS event_id, c.call_id, c.tenant, c.automation, c.run_id, c.step, c.ts_us, c.end_us,
    c.subject_ref, c.key_id, c.team, c.environment, c.data_class, c.endpoint, c.status, c.outcome AS call_outcome,
    c.error_code, c.prompt, c.said[1] AS prompt_id, c.said[2] AS prompt_version,
    c.said[3] AS prompt_sha256, c.policy, c.policy_hash, c.snapshot, c.git_commit, c.dirty,
    c.model_requested, c.model_answered, c.provider, c.simulated, c.attempts, f.redactions, c.restored, c.verdict,
    c.said[4] AS verdict_rule, c.confidence, c.said[9] AS scores,
    c.said[5] AS certificate, c.said[6] AS certificate_reason,
    c.said[7] AS fallback, coalesce(d.review_id, c.said[8]) AS review_id,
    d.review_state, d.reviewer, d.review_reason, d.decided_us, coalesce(s.success, r.success) AS success,
    coalesce(s.outcome_source, r.outcome_source) AS outcome_source, s.overridden, a.actions, c.cost_usd, c.total_ms
FROM chosen c LEFT JOIN found f USING (seq) LEFT JOIN decided d ON d.call_id = c.call_id LEFT JOIN said s USING (seq)
    LEFT JOIN of_run r ON r.run_id = c.run_id LEFT JOIN acted a ON a.run = c.run_id
ORDER BY c.seq
