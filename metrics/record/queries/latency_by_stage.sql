-- question: How long did each stage of a call take?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: automation text
WITH c AS (
    SELECT admit_us, bind_us, clear_us, choose_us, invoke_us, screen_us, score_us, judge_us, act_us, restore_us,
        record_us
    FROM calls
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND ($automation::VARCHAR IS NULL OR automation = $automation) AND outcome <> 'interrupted'
), stages AS (
    UNPIVOT c ON COLUMNS(*) INTO NAME stage VALUE us
)
SELECT regexp_replace(stage, '_us$', '') AS stage, count(*) AS calls, quantile_cont(us, 0.5) AS p50_us,
    quantile_cont(us, 0.95) AS p95_us, quantile_cont(us, 0.99) AS p99_us, sum(us)::BIGINT AS total_us
FROM stages
GROUP BY stage
ORDER BY list_position(['admit', 'bind', 'clear', 'choose', 'invoke', 'screen', 'score', 'judge', 'act', 'restore',
    'record'], stage)
