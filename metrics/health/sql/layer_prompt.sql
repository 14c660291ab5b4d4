-- name: Layer: prompt
-- question: How good are the answers that prompts give, apart from what they were given?
-- unit: share
-- definition: Part `valid`: answers that fit their schema / answers that were checked (scorer `schema`). Part `declined`: answers that the model or its provider refused to give / answers. Part `overridden`: outputs a human changed or rejected / outputs a human saw, of runs whose last search was not empty. Group by prompt for a version's figures.
-- rows: answers
SELECT bucket, grp, unnest(['valid', 'declined', 'overridden']) AS part,
    unnest([sum(valid), sum(declined), sum(overridden)]) AS k, unnest([sum(checked), sum(answers), sum(seen)]) AS n
FROM counted GROUP BY bucket, grp
