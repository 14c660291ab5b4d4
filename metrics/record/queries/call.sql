-- question: What is known about one call?
-- param: call_id text!
WITH own AS (
    SELECT try_cast('0x' || substr($call_id, 6, 14) AS BIGINT) AS at_us
), about AS (  -- around the time within an id of our own, so that not the whole ledger is read; always for other ids
    SELECT CASE WHEN at_us BETWEEN 1500000000000000 AND 4500000000000000 THEN at_us - 86400000000 ELSE 0 END AS since,
        CASE WHEN at_us BETWEEN 1500000000000000 AND 4500000000000000 THEN at_us + 86400000000
            ELSE 9223372036854775807 END AS until
    FROM own
), found AS MATERIALIZED (
    SELECT * FROM calls
    WHERE tenant = $tenant AND call_id = $call_id
        AND ts_us >= (SELECT since FROM about) AND ts_us <= (SELECT until FROM about)
)
SELECT c.* EXCLUDE (attempts),
    (SELECT list({'n': n, 'provider': provider, 'model': model, 'status': status, 'error_code': error_code,
        'first_byte_ms': first_byte_ms, 'total_ms': total_ms, 'input_tokens': input_tokens,
        'cached_input_tokens': cached_input_tokens, 'output_tokens': output_tokens,
        'reasoning_tokens': reasoning_tokens, 'cost_usd': cost_usd, 'purpose': purpose} ORDER BY n)
        FROM attempts WHERE tenant = $tenant AND seq = (SELECT min(seq) FROM found)) AS attempts,
    (SELECT list({'side': side, 'kind': kind, 'n': n} ORDER BY side, kind)
        FROM entities WHERE tenant = $tenant AND seq = (SELECT min(seq) FROM found)) AS entities,
    (SELECT list({'event_id': event_id, 'ts_us': ts_us, 'metric': metric, 'value': value, 'word': word,
        'source': source, 'corrected': corrected} ORDER BY seq)
        FROM outcomes WHERE tenant = $tenant AND call_id = $call_id) AS outcomes,
    (SELECT list({'seq': seq, 'event_id': event_id, 'kind': kind, 'ts_us': ts_us} ORDER BY seq)
        FROM events WHERE tenant = $tenant AND event_id IN ($call_id || '.b', $call_id || '.e')
        AND ts_us >= (SELECT since FROM about) AND ts_us <= (SELECT until FROM about)) AS events
FROM found c
