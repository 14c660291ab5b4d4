-- question: Which policy versions were in force for calls, and since when?
-- param: since int = 0
-- param: until int = 9223372036854775807
WITH versions AS (
    SELECT policy, policy_hash, arg_max(snapshot, ts_us) AS snapshot, git_commit, dirty, count(*) AS calls,
        min(ts_us) AS first_ts_us, max(ts_us) AS last_ts_us, list(DISTINCT automation ORDER BY automation) AS automations
    FROM calls
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND policy IS NOT NULL
    GROUP BY policy, policy_hash, git_commit, dirty
)
SELECT versions.*, (SELECT max(ts_us) FROM events a WHERE a.tenant IN ($tenant, '') AND a.kind = 'policy.activated'
    AND json_extract_string(a.body, '$.snapshot') = versions.snapshot) AS activated_us
FROM versions
ORDER BY last_ts_us DESC, policy
