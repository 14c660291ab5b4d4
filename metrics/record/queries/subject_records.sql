-- question: Which records are about a subject, or have one of these ids (separated by commas)? In the order of their numbers.
-- param: subject_ref text
-- param: event_ids text
-- param: after_seq int = 0
-- param: limit int = 1000
SELECT e.seq, e.event_id, e.kind, e.ts_us, e.automation, e.run, e.step, e.subject_ref, e.body,
    c.endpoint, c.outcome, c.model_answered, c.provider, c.policy, c.policy_hash, c.verdict, c.data_class,
    (SELECT to_json(list_sort(list(DISTINCT n.kind))) FROM entities n WHERE n.seq = e.seq AND n.tenant = $tenant) AS entities,
    EXISTS (SELECT 1 FROM contents s WHERE s.event_id = e.event_id AND s.tenant = $tenant) AS sealed
FROM events e LEFT JOIN calls c ON c.seq = e.seq
WHERE e.tenant = $tenant AND e.seq > $after_seq AND e.kind <> 'call.begin'
    AND (e.subject_ref = $subject_ref OR list_contains(string_split($event_ids::VARCHAR, ','), e.event_id))
ORDER BY e.seq
LIMIT $limit
