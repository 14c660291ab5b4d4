-- question: What would rules that only observe have done, and what did ceilings refuse?
-- param: since int = 0
-- param: until int = 9223372036854775807
-- param: automation text
WITH chosen AS MATERIALIZED (  -- few calls have any of this: the others are not parsed
    SELECT policy, automation, marks, detail FROM calls
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND policy IS NOT NULL
        AND ($automation IS NULL OR automation = $automation::VARCHAR)
        AND regexp_matches(marks, 'tools|would_refuse|observed|minimised|flagged|refused_by')
), tools AS (
    SELECT policy, automation, unnest(CAST(json_extract(detail, '$.tools') AS JSON[])) AS tool
    FROM chosen WHERE contains(marks, 'tools')
), said AS (
    SELECT policy, automation, 'would refuse' AS what,
        unnest(CAST(json_extract(detail, '$.would_refuse') AS VARCHAR[])) AS rule
    FROM chosen WHERE contains(marks, 'would_refuse')
    UNION ALL
    SELECT policy, automation, 'would refuse', 'tools.' || unnest(CAST(json_extract(tool, '$[4]') AS VARCHAR[]))
    FROM tools
    UNION ALL
    SELECT policy, automation, 'would route', 'routing.' || unnest(CAST(json_extract(detail, '$.route.observed') AS VARCHAR[]))
    FROM chosen WHERE contains(marks, 'observed')
    UNION ALL
    SELECT policy, automation, 'would take fields out', 'minimise' FROM chosen
    WHERE json_extract_string(detail, '$.minimised.enforce') = 'observe'
    UNION ALL
    SELECT policy, automation, 'would block', 'prompts' FROM chosen
    WHERE json_extract_string(detail, '$.prompt.decision') = 'flag'
    UNION ALL
    SELECT policy, automation, 'refused', json_extract_string(detail, '$.refused_by') FROM chosen
    WHERE json_extract_string(detail, '$.refused_by') IS NOT NULL
)
SELECT policy, automation, what, rule, count(*) AS calls FROM said
GROUP BY ALL
ORDER BY calls DESC, policy, rule
