-- question: What else is evidence: reviews, outcomes, policies, certificates, keys, roles, sign-ins, exports, erasures?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: automation text
-- param: from_seq int = 0
-- param: to_seq int = 9223372036854775807
-- param: through int = 9223372036854775807
SELECT seq, event_id, kind, ts_us, tenant, automation, run, step, actor, subject_ref, body
FROM events
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND seq BETWEEN $from_seq AND $to_seq
    AND seq <= $through AND kind NOT IN ('call.begin', 'call.end', 'call.reserved')
    AND ($automation IS NULL OR automation IS NULL
        OR automation IN (SELECT unnest(string_split($automation::VARCHAR, ','))))
ORDER BY seq
