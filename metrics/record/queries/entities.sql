-- question: Which kinds of values were found, and where?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: automation text
SELECT side, kind, sum(n)::BIGINT AS n, count(*) AS calls  -- one row for each call, side and kind
FROM entities
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND ($automation::VARCHAR IS NULL OR automation = $automation)
GROUP BY ALL ORDER BY n DESC, side, kind
