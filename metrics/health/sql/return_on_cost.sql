-- name: Return on cost
-- question: How many minutes of work does a dollar buy?
-- unit: minutes per USD
-- definition: Time saved / cost of all calls of the period, shadow copies included, of the automations that have a baseline. `n`: successful runs; `unknown`: successful runs and answered calls that are left out for want of a baseline or a price.
-- rows: calls, runs, shadows
SELECT bucket, grp, 'return' AS part,
    sum(succeeded * minutes) / nullif(sum(coalesce(cost_usd, 0) + coalesce(shadow_usd, 0)) FILTER (minutes IS NOT NULL), 0)
        AS value,
    sum(succeeded) FILTER (minutes IS NOT NULL) AS n,
    sum(CASE WHEN minutes IS NULL THEN succeeded ELSE unpriced END) AS unknown
FROM (SELECT *, ($baselines::JSON ->> automation)::DOUBLE AS minutes FROM counted) GROUP BY bucket, grp
