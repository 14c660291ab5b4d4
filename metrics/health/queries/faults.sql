-- question: Which runs failed, and which layer is at fault: orchestration, retrieval or prompt?
-- param: since int!
-- param: until int!
-- param: automation text
-- param: limit int = 10000
SELECT run_id, automation, ts_us, layer, reason
FROM faults
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND ($automation::VARCHAR IS NULL OR automation = $automation)
ORDER BY ts_us DESC, run_id
LIMIT $limit
