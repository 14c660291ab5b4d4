-- question: What else happened: outcomes, activations, keys, logins, gaps?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: kind text
-- param: run text
-- param: call_id text
-- param: before_seq int = 9223372036854775807
-- param: limit int = 100
SELECT seq, event_id, kind, ts_us, automation, run, step, actor, subject_ref, body
FROM events
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND seq < $before_seq
    AND ($kind::VARCHAR IS NULL OR kind = $kind)
    AND ($run::VARCHAR IS NULL OR run = $run)
    AND ($call_id::VARCHAR IS NULL OR event_id IN ($call_id || '.b', $call_id || '.e')
        OR json_extract_string(body, '$.call_id') = $call_id)
ORDER BY seq DESC
LIMIT $limit
