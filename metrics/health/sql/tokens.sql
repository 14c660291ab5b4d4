-- name: Tokens
-- question: How many tokens were used, in which bucket?
-- unit: tokens
-- definition: Sum over calls of each disjoint bucket of usage, as billed. `unknown`: calls without counts.
-- rows: calls
SELECT bucket, grp, unnest(['input', 'cached_input', 'cache_write', 'output', 'reasoning', 'audio_input',
        'audio_output', 'image_input', 'image_output']) AS part,
    unnest([sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens),
        sum(reasoning_tokens), sum(audio_input_tokens), sum(audio_output_tokens), sum(image_input_tokens),
        sum(image_output_tokens)])::DOUBLE AS value,
    sum(uncounted) AS unknown
FROM counted GROUP BY bucket, grp
