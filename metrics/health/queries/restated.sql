-- question: Which runs of which weeks got the outcome that counts after a given record, so that figures shown before are restated?
-- param: after_seq int!
-- param: since int = 0
-- param: until int = 9223372036854775807
SELECT strftime(DATE '1970-01-01' + (ts_us // 86400000000)::INTEGER, '%G-W%V') AS week, automation, count(*) AS runs,
    count(*) FILTER (success) AS succeeded, max(outcome_ts_us) AS last_ts_us
FROM runs
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND success_by.seq > $after_seq
GROUP BY ALL
ORDER BY week, automation
