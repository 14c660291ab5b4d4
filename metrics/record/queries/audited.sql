-- question: Which audited outputs were judged under a `certified` band, and what became of them?
-- param: since int = 0
-- param: automation text
-- param: window text
-- param: metric text = success
WITH judged AS (
    SELECT seq, call_id, run_id, end_us, automation, step, confidence, json_extract(detail, '$.audit') AS audit
    FROM calls
    WHERE tenant = $tenant AND ts_us >= $since AND ($automation IS NULL OR automation = $automation::VARCHAR)
        AND confidence IS NOT NULL AND contains(marks, 'audit')
), audited AS (
    SELECT *, end_us + (audit->>'$.deadline_s')::BIGINT * 1000000 AS deadline_us,
        count(*) OVER (PARTITION BY run_id) AS in_run
    FROM judged
    WHERE (audit->>'$.drawn')::BOOLEAN AND ($window IS NULL OR audit->>'$.window' = $window::VARCHAR)
), said AS (
    SELECT a.seq, o.seq AS n, o.ts_us, o.source,
        CASE WHEN o.corrected THEN true
             WHEN o.metric = 'override' THEN coalesce(o.value > 0, o.word IN ('override', 'edited', 'rejected'))
             WHEN o.metric = $metric THEN NOT coalesce(o.value > 0, o.word IN ('success', 'approved', 'released'))
        END AS error,
        coalesce((e.body->>'$.received_us')::BIGINT, e.ts_us) <= a.deadline_us AS in_time
    FROM audited a
    JOIN outcomes o ON o.tenant = $tenant
        AND (o.call_id = a.call_id OR (o.call_id IS NULL AND o.run_id = a.run_id AND a.in_run = 1))
    JOIN events e ON e.seq = o.seq AND e.tenant = $tenant
), best AS (  -- an answer that came too late cannot make an output correct
    SELECT seq, arg_max(error, (CASE source WHEN 'human' THEN 3 WHEN 'judge' THEN 2 ELSE 1 END, ts_us, n)) AS error
    FROM said WHERE error IS NOT NULL AND (error OR in_time)
    GROUP BY seq
)
SELECT a.call_id, a.end_us, a.automation, a.step, a.confidence AS score, b.error, a.deadline_us,
    (a.audit->>'$.rate')::DOUBLE AS rate, a.audit->>'$.window' AS window, a.audit->>'$.certificate' AS certificate,
    a.audit->>'$.reason' AS reason, a.audit->>'$.prompt' AS prompt, a.audit->>'$.model' AS model,
    a.audit->>'$.scorer' AS scorer, a.audit->>'$.policy' AS policy
FROM audited a LEFT JOIN best b USING (seq)
ORDER BY a.end_us, a.call_id
