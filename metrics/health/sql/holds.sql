-- name: Holds and their age
-- question: How many outputs were put before a human, what became of them, and how long did they wait?
-- unit: count
-- definition: Reviews opened in the period by their state at its end (`open`, `approved`, `edited`, `rejected`, `expired`), together `opened`; `late`: decided or still open after the deadline; `age_p50_h`, `age_p95_h`: hours until the decision or until now; `oldest_open_h`: hours that the oldest open one waits.
-- rows: reviews
SELECT bucket, grp, unnest(['opened', 'open', 'approved', 'edited', 'rejected', 'expired', 'late', 'age_p50_h',
        'age_p95_h', 'oldest_open_h']) AS part,
    unnest([sum(opened), count(*) FILTER (state = 'open'), count(*) FILTER (state = 'approved'),
        count(*) FILTER (state = 'edited'), count(*) FILTER (state = 'rejected'), count(*) FILTER (state = 'expired'),
        sum(late), quantile_cont(age_h, 0.5), quantile_cont(age_h, 0.95), max(age_h) FILTER (state = 'open')]::DOUBLE[])
        AS value
FROM counted GROUP BY bucket, grp
