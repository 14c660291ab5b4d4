-- question: Which held outputs waited for a reviewer at a moment, the oldest first?
-- param: until int = 9223372036854775807
-- param: limit int = 500
SELECT body->>'$.review_id' AS review_id, any_value(automation) AS automation, any_value(body->>'$.call_id') AS call_id,
    min(ts_us) AS opened_ts_us, min((body->>'$.deadline_us')::BIGINT) AS deadline_us
FROM events
WHERE tenant = $tenant AND kind IN ('review.opened', 'review.decided') AND ts_us < $until
GROUP BY body->>'$.review_id'
HAVING count(*) FILTER (kind = 'review.decided') = 0 AND any_value(body->>'$.review_kind') = 'hold'
ORDER BY opened_ts_us, review_id
LIMIT $limit
