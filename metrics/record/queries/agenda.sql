-- question: Which actions and decisions were entered on weekly reviews, and what became of them?
-- param: until int = 9223372036854775807
SELECT body->>'$.item_id' AS item_id, any_value(body->>'$.item') AS kind, any_value(body->>'$.week') AS week,
    any_value(automation) AS automation, any_value(body->>'$.measure') AS measure, any_value(body->>'$.due') AS due,
    min(ts_us) AS opened_ts_us, max(ts_us) FILTER (kind = 'agenda.closed') AS closed_ts_us,
    coalesce(any_value(body->>'$.state'), 'open') AS state
FROM events
WHERE tenant = $tenant AND kind IN ('agenda.opened', 'agenda.closed') AND ts_us < $until
GROUP BY body->>'$.item_id'
ORDER BY opened_ts_us, item_id
