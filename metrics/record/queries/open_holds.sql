-- question: Which held outputs waited for a reviewer at a moment, the oldest first?
-- param: until int = 9223372036854775807
-- param: limit int = 500
WITH said AS (  -- of each event only whose review it is about: most were decided long ago
    SELECT seq, kind = 'review.decided' AS decided, body->>'$.review_id' AS review_id FROM events
    WHERE tenant = $tenant AND kind IN ('review.opened', 'review.decided') AND ts_us < $until
), waiting AS (
    SELECT min(seq) AS seq FROM said GROUP BY review_id HAVING NOT bool_or(decided)
)
SELECT body->>'$.review_id' AS review_id, automation, body->>'$.call_id' AS call_id, ts_us AS opened_ts_us,
    (body->>'$.deadline_us')::BIGINT AS deadline_us
FROM events SEMI JOIN waiting USING (seq)
WHERE tenant = $tenant AND kind = 'review.opened' AND body->>'$.review_kind' = 'hold'
ORDER BY opened_ts_us, review_id
LIMIT $limit
