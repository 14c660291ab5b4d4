-- question: How does each measure of each automation compare before and after a moment, as sums over runs by day?
-- param: since int!
-- param: split int!
-- param: until int!
-- param: automation text
-- Of each run of a day: k of n. `kk`, `kn`, `nn` are sums of products over runs, for variances that know that the calls of a run are alike.
-- What `runs` says is used where a run's calls are all of one day and automation; the others are added up from their calls.
WITH about AS NOT MATERIALIZED (
    SELECT *, ts_us >= $split AS late, (ts_us - $since) // 86400000000 AS slice,
        NOT shared AND ts_us >= $since AND end_us < $until AND (ts_us >= $split) = (end_us >= $split)
            AND (ts_us - $since) // 86400000000 = (end_us - $since) // 86400000000 AS whole
    FROM runs
    WHERE tenant = $tenant AND calls > 0 AND ts_us < $until AND end_us >= $since
), c AS NOT MATERIALIZED (
    SELECT *, coalesce(step, '') AS own_step, ts_us >= $split AS late, (ts_us - $since) // 86400000000 AS slice
    FROM model_calls
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until
        AND ($automation::VARCHAR IS NULL OR automation = $automation)
), spread AS MATERIALIZED (
    SELECT automation, late, slice, count(*) AS calls,
        count(*) FILTER (outcome IN ('error', 'truncated', 'interrupted')) AS errors,
        count(*) FILTER (outcome = 'refused' AND error_code IS DISTINCT FROM 'held_for_review') AS refused,
        count(*) FILTER (verdict IN ('hold', 'fallback', 'block')) AS withheld, sum(cost_usd::DECIMAL(24, 12)) AS cost_usd
    FROM c SEMI JOIN (FROM about WHERE NOT whole) s USING (run_id) GROUP BY automation, late, slice, run_id
), r AS NOT MATERIALIZED (
    SELECT automation, late, slice, calls, errors, refused, withheld, cost_usd::DECIMAL(24, 12) AS cost_usd FROM about
    WHERE whole AND ($automation::VARCHAR IS NULL OR automation = $automation)
    UNION ALL BY NAME FROM spread
), counts AS MATERIALIZED (  -- runs that are alike first: they are few
    SELECT automation, late, slice, sum(runs * calls) AS n, sum(runs * calls * calls) AS nn, sum(runs * errors) AS e,
        sum(runs * errors * errors) AS ee, sum(runs * errors * calls) AS en, sum(runs * refused) AS r,
        sum(runs * refused * refused) AS rr, sum(runs * refused * calls) AS rn, sum(runs * withheld) AS w,
        sum(runs * withheld * withheld) AS ww, sum(runs * withheld * calls) AS wn
    FROM (SELECT automation, late, slice, calls, errors, refused, withheld, count(*) AS runs FROM r GROUP BY ALL)
    GROUP BY ALL
), priced AS MATERIALIZED (  -- in slots of 2 %, so that nothing has to be sorted
    SELECT automation, late, slice, ceil(ln(cost_usd) / ln(1.02))::INTEGER AS slot, count(*) AS runs
    FROM r WHERE cost_usd > 0 GROUP BY ALL
), price_places AS (  -- ranks in millionths: whole numbers, so that sums do not depend on the order in which rows are met
    SELECT automation, slot, round(1e6 * (sum(n) OVER w - n / 2) / sum(n) OVER (PARTITION BY automation))::HUGEINT AS place
    FROM (SELECT automation, slot, sum(runs) AS n FROM priced GROUP BY ALL)
    WINDOW w AS (PARTITION BY automation ORDER BY slot)
), prices AS (
    SELECT a.automation, late, slice, sum(runs) AS n, sum(runs * place) AS k, sum(runs * place * place) AS kk
    FROM priced a JOIN price_places p ON p.automation IS NOT DISTINCT FROM a.automation AND p.slot = a.slot
    GROUP BY ALL
), times AS NOT MATERIALIZED (
    SELECT automation, own_step AS step, late, slice, run_id, ceil(ln(greatest(total_ms, 0.01)) / ln(1.02))::INTEGER AS slot
    FROM c WHERE outcome NOT IN ('refused', 'client_disconnected') AND total_ms IS NOT NULL
), lasting AS MATERIALIZED (
    SELECT automation, step, late, slice, slot, count(*) AS n FROM times GROUP BY ALL
), places AS MATERIALIZED (
    SELECT automation, step, slot,
        round(1e6 * (sum(n) OVER w - n / 2) / sum(n) OVER (PARTITION BY automation, step))::HUGEINT AS place
    FROM (SELECT automation, step, slot, sum(n) AS n FROM lasting GROUP BY ALL)
    WINDOW w AS (PARTITION BY automation, step ORDER BY slot)
), each AS (  -- as if every call were the only one of its run in its step
    SELECT l.automation, l.step, late, slice, n, n * place AS k, n * place * place AS kk, n * place AS kn, n AS nn,
        CASE WHEN place > 950000 THEN n ELSE 0 END AS slow, slow AS slow_slow, slow AS slow_n
    FROM lasting l JOIN places p ON p.automation IS NOT DISTINCT FROM l.automation AND p.step = l.step AND p.slot = l.slot
    UNION ALL BY NAME  -- what the products of those miss that are not
    SELECT t.automation, t.step, late, slice, 0 AS n, 0 AS k, sum(place) * sum(place) - sum(place * place) AS kk,
        sum(place) * count(*) - sum(place) AS kn, count(*) * count(*) - count(*) AS nn, 0 AS slow,
        count(*) FILTER (place > 950000) AS many, many * many - many AS slow_slow, many * count(*) - many AS slow_n
    FROM times t SEMI JOIN (FROM about WHERE calls > 1) USING (run_id)
        JOIN places p ON p.automation IS NOT DISTINCT FROM t.automation AND p.step = t.step AND p.slot = t.slot
    GROUP BY t.automation, t.step, late, slice, run_id HAVING count(*) > 1
), known AS (
    SELECT automation, late, slice, count(success) AS known, count(*) FILTER (success) AS good,
        count(*) FILTER (seen) AS seen, count(*) FILTER (seen AND overridden) AS overridden
    FROM about WHERE ts_us >= $since AND ($automation::VARCHAR IS NULL OR automation = $automation)
    GROUP BY ALL
), ranks AS MATERIALIZED (
    SELECT automation, step, late, slice, sum(COLUMNS(* EXCLUDE (automation, step, late, slice, many))) FROM each GROUP BY ALL
), found AS (
    SELECT automation, 'errors' AS measure, '' AS step, late, slice, e AS k, n, ee AS kk, en AS kn, nn FROM counts
    UNION ALL SELECT automation, 'refusals', '', late, slice, r, n, rr, rn, nn FROM counts
    UNION ALL SELECT automation, 'withheld', '', late, slice, w, n, ww, wn, nn FROM counts
    UNION ALL SELECT automation, 'success', '', late, slice, good, known, good, good, known FROM known WHERE known > 0
    UNION ALL SELECT automation, 'override', '', late, slice, overridden, seen, overridden, overridden, seen FROM known WHERE seen > 0
    UNION ALL SELECT automation, 'cost', '', late, slice, k / 1e6, n, kk / 1e12, k / 1e6, n FROM prices
    UNION ALL SELECT automation, 'latency', step, late, slice, k / 1e6, n, kk / 1e12, kn / 1e6, nn FROM ranks
    UNION ALL SELECT automation, 'slow', step, late, slice, slow, n, slow_slow, slow_n, nn FROM ranks
)
SELECT automation, measure, step, late, slice, k::DOUBLE AS k, n::DOUBLE AS n, kk::DOUBLE AS kk, kn::DOUBLE AS kn, nn::DOUBLE AS nn
FROM found
ORDER BY automation, measure, step, late, slice
