-- question: Which policy versions were in force for calls, and since when?
-- param: since int = 0
-- param: until int = 9223372036854775807
SELECT policy, policy_hash, arg_max(snapshot, ts_us) AS snapshot, git_commit, dirty, count(*) AS calls,
    min(ts_us) AS first_ts_us, max(ts_us) AS last_ts_us, list(DISTINCT automation ORDER BY automation) AS automations
FROM calls
WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND policy IS NOT NULL
GROUP BY policy, policy_hash, git_commit, dirty
ORDER BY last_ts_us DESC, policy
