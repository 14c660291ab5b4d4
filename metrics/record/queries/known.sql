-- question: Is a call or a run known, and when did the run begin?
-- param: call_id text
-- param: run_id text
SELECT
    EXISTS (SELECT 1 FROM calls WHERE tenant = $tenant AND call_id = $call_id::VARCHAR)
        OR EXISTS (SELECT 1 FROM events WHERE tenant = $tenant AND event_id = $call_id::VARCHAR || '.b') AS call,
    began_us IS NOT NULL AS run,
    began_us
FROM (
    SELECT coalesce(  -- a run without a model call is known by what its automation reported
        (SELECT min(ts_us) FROM calls WHERE tenant = $tenant AND run_id = $run_id::VARCHAR),
        (SELECT min(ts_us) FROM events WHERE tenant = $tenant AND run = $run_id::VARCHAR AND kind <> 'outcome')
    ) AS began_us
)
