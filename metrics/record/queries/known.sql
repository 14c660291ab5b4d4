-- question: Is a call or a run known?
-- param: call_id text
-- param: run_id text
SELECT
    EXISTS (SELECT 1 FROM calls WHERE tenant = $tenant AND call_id = $call_id::VARCHAR)
        OR EXISTS (SELECT 1 FROM events WHERE tenant = $tenant AND event_id = $call_id::VARCHAR || '.b') AS call,
    EXISTS (SELECT 1 FROM calls WHERE tenant = $tenant AND run_id = $run_id::VARCHAR) AS run
