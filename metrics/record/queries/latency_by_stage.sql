-- question: How long did each stage of a call take?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: automation text
-- One stage after the other: each needs its own memory for exact quantiles.
WITH c AS NOT MATERIALIZED (
    SELECT admit_us, bind_us, clear_us, choose_us, invoke_us, screen_us,
        score_us, judge_us, act_us, restore_us, record_us
    FROM model_calls
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND ($automation::VARCHAR IS NULL OR automation = $automation)
        AND outcome <> 'interrupted'
), stages AS (
    SELECT 1 AS place, 'admit' AS stage, count(admit_us) AS calls, sum(admit_us)::BIGINT AS total_us,
        quantile_cont(admit_us, [0.5, 0.95, 0.99]) AS q FROM c
    UNION ALL SELECT 2 AS place, 'bind' AS stage, count(bind_us) AS calls, sum(bind_us)::BIGINT AS total_us,
        quantile_cont(bind_us, [0.5, 0.95, 0.99]) AS q FROM c
    UNION ALL SELECT 3 AS place, 'clear' AS stage, count(clear_us) AS calls, sum(clear_us)::BIGINT AS total_us,
        quantile_cont(clear_us, [0.5, 0.95, 0.99]) AS q FROM c
    UNION ALL SELECT 4 AS place, 'choose' AS stage, count(choose_us) AS calls, sum(choose_us)::BIGINT AS total_us,
        quantile_cont(choose_us, [0.5, 0.95, 0.99]) AS q FROM c
    UNION ALL SELECT 5 AS place, 'invoke' AS stage, count(invoke_us) AS calls, sum(invoke_us)::BIGINT AS total_us,
        quantile_cont(invoke_us, [0.5, 0.95, 0.99]) AS q FROM c
    UNION ALL SELECT 6 AS place, 'screen' AS stage, count(screen_us) AS calls, sum(screen_us)::BIGINT AS total_us,
        quantile_cont(screen_us, [0.5, 0.95, 0.99]) AS q FROM c
    UNION ALL SELECT 7 AS place, 'score' AS stage, count(score_us) AS calls, sum(score_us)::BIGINT AS total_us,
        quantile_cont(score_us, [0.5, 0.95, 0.99]) AS q FROM c
    UNION ALL SELECT 8 AS place, 'judge' AS stage, count(judge_us) AS calls, sum(judge_us)::BIGINT AS total_us,
        quantile_cont(judge_us, [0.5, 0.95, 0.99]) AS q FROM c
    UNION ALL SELECT 9 AS place, 'act' AS stage, count(act_us) AS calls, sum(act_us)::BIGINT AS total_us,
        quantile_cont(act_us, [0.5, 0.95, 0.99]) AS q FROM c
    UNION ALL SELECT 10 AS place, 'restore' AS stage, count(restore_us) AS calls, sum(restore_us)::BIGINT AS total_us,
        quantile_cont(restore_us, [0.5, 0.95, 0.99]) AS q FROM c
    UNION ALL SELECT 11 AS place, 'record' AS stage, count(record_us) AS calls, sum(record_us)::BIGINT AS total_us,
        quantile_cont(record_us, [0.5, 0.95, 0.99]) AS q FROM c
)
SELECT stage, calls, q[1] AS p50_us, q[2] AS p95_us, q[3] AS p99_us, total_us
FROM stages
WHERE calls > 0
ORDER BY place
