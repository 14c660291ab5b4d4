-- question: What was decided, and how did the calls end?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: automation text
SELECT automation, verdict, outcome, error_code, count(*) AS calls
FROM model_calls
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND ($automation::VARCHAR IS NULL OR automation = $automation)
GROUP BY ALL ORDER BY calls DESC, automation, verdict, outcome
