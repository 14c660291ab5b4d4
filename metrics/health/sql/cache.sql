-- name: Cache use
-- question: How much was answered from what was known already?
-- unit: share
-- definition: Part `reused`: answered calls whose answer was given before / answered calls. Part `prompt_tokens`: input tokens read from the provider's prompt cache / all input tokens.
-- rows: calls
SELECT bucket, grp, unnest(['reused', 'prompt_tokens']) AS part,
    unnest([sum(reused), sum(cached_input_tokens)]) AS k,
    unnest([sum(answered), sum(input_tokens) + sum(cached_input_tokens) + sum(cache_write_tokens)]) AS n
FROM counted GROUP BY bucket, grp
