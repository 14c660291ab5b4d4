-- question: What is known about one call?
-- param: call_id text!
SELECT c.* EXCLUDE (attempts),
    (SELECT list({'n': n, 'provider': provider, 'model': model, 'status': status, 'error_code': error_code,
        'first_byte_ms': first_byte_ms, 'total_ms': total_ms, 'input_tokens': input_tokens,
        'cached_input_tokens': cached_input_tokens, 'output_tokens': output_tokens,
        'reasoning_tokens': reasoning_tokens, 'cost_usd': cost_usd, 'purpose': purpose} ORDER BY n)
        FROM attempts WHERE tenant = $tenant AND call_id = $call_id) AS attempts,
    (SELECT list({'side': side, 'kind': kind, 'n': n} ORDER BY side, kind)
        FROM entities WHERE tenant = $tenant AND call_id = $call_id) AS entities,
    (SELECT list({'event_id': event_id, 'ts_us': ts_us, 'metric': metric, 'value': value, 'word': word,
        'source': source, 'corrected': corrected} ORDER BY seq)
        FROM outcomes WHERE tenant = $tenant AND call_id = $call_id) AS outcomes,
    (SELECT list({'seq': seq, 'event_id': event_id, 'kind': kind, 'ts_us': ts_us} ORDER BY seq)
        FROM events WHERE tenant = $tenant AND event_id IN ($call_id || '.b', $call_id || '.e')) AS events
FROM calls c
WHERE c.tenant = $tenant AND c.call_id = $call_id
