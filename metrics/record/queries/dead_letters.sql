-- question: Which automations have dead letters that nobody has dealt with?
-- param: since int
SELECT automation, count(*)::BIGINT AS runs, string_agg(DISTINCT cause, ', ' ORDER BY cause) AS causes, max(ts_us) AS newest_us
FROM (
    SELECT run, min(automation) AS automation, arg_max(kind, seq) AS last, max(ts_us) AS ts_us,
        arg_max(coalesce(body->>'$.cause', ''), seq) FILTER (kind = 'dead_letter') AS cause
    FROM events
    WHERE tenant = $tenant AND ts_us >= $since AND run IS NOT NULL
        AND kind IN ('dead_letter', 'run.replayed', 'run.discarded', 'run.end', 'action.resolved')
    GROUP BY run
)
WHERE last = 'dead_letter'
GROUP BY automation
ORDER BY automation
