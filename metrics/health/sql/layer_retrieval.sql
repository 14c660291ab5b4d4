-- name: Layer: retrieval
-- question: Does the search find what the answer needs?
-- unit: share
-- definition: Part `hit`: searches that found one of the wanted passages / searches for which they are known. Part `precision`: wanted passages found / passages found, of the same. Wanted are the reference ids reported for the run (`retrieval.gold`), else the sources cited in its draft if a human let it pass unchanged. Part `empty`: searches that found nothing / searches; `unknown`: searches for which nothing wanted is known.
-- rows: searches
SELECT bucket, grp, unnest(['hit', 'precision', 'empty']) AS part,
    unnest([sum(hits), sum(right_ones), sum(empty)]) AS k, unnest([sum(known), sum(found), sum(searches)]) AS n,
    unnest([sum(searches) - sum(known), sum(searches) - sum(known), 0]) AS unknown
FROM counted GROUP BY bucket, grp
