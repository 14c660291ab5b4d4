-- question: What happened beside calls that a weekly review should mention, by kind and automation?
-- param: since int = 0
-- param: until int = 9223372036854775807
SELECT kind, automation, count(*) AS n, min(ts_us) AS first_ts_us, max(ts_us) AS last_ts_us
FROM events
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND (
    split_part(kind, '.', 1) IN ('policy', 'stop', 'certificate', 'split', 'budget', 'gap', 'alert', 'erasure', 'export',
        'key', 'user', 'role', 'weekly', 'retention', 'anchor', 'login') OR kind = 'review.revealed')
GROUP BY ALL
ORDER BY kind, automation
