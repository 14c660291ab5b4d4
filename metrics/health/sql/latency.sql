-- name: Latency by step
-- question: How long did calls take, and how much of it did the gateway add?
-- unit: ms
-- definition: p50, p95 and p99 (interpolated, exact) of the whole call (`total`), of the time spent waiting for models (`upstream`) and of the gateway's own share (`overhead`); group by step. Calls that were refused, or that their caller left, do not count; those that failed count with the time they took.
-- rows: calls
SELECT bucket, grp, unnest(['total_p50', 'total_p95', 'total_p99', 'upstream_p50', 'upstream_p95', 'upstream_p99',
        'overhead_p50', 'overhead_p95', 'overhead_p99']) AS part,
    unnest(list_concat(list_concat(quantile_cont(total_ms, [0.5, 0.95, 0.99]),
        quantile_cont(upstream_ms, [0.5, 0.95, 0.99])), quantile_cont(overhead_ms, [0.5, 0.95, 0.99]))) AS value,
    count(total_ms) AS n, count(*) - count(total_ms) AS unknown
FROM counted WHERE refused = 0 AND abandoned = 0 GROUP BY bucket, grp
