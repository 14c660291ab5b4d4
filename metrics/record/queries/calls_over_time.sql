-- question: How many calls were made in each slice of time, how did they end, and what did they cost?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: automation text
-- param: slice_s int = 3600
SELECT ts_us // (1000000 * $slice_s::BIGINT) * (1000000 * $slice_s::BIGINT) AS slice_ts_us,
    CASE WHEN outcome = 'ok' THEN coalesce(verdict, 'pass') WHEN error_code = 'held_for_review' THEN 'hold'
        ELSE outcome END AS ending,
    count(*) AS calls, coalesce(sum(cost_usd), 0) AS cost_usd,
    count(*) FILTER (cost_usd IS NULL AND outcome = 'ok') AS unpriced
FROM model_calls
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until
    AND ($automation::VARCHAR IS NULL OR automation = $automation)
GROUP BY ALL ORDER BY slice_ts_us, ending
