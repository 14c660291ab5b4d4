-- name: Retries
-- question: How often was something tried again?
-- unit: per call
-- definition: Part `tries`: tries of models beyond the first / calls. Part `client`: retries that clients said they made / calls. `n`: calls.
-- rows: calls
SELECT bucket, grp, unnest(['tries', 'client']) AS part, sum(calls) AS n,
    unnest([sum(more_tries), sum(client_retries)]) / sum(calls) AS value
FROM counted GROUP BY bucket, grp
