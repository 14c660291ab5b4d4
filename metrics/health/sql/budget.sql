-- name: Budget use
-- question: What was charged to each budget?
-- unit: nanodollars or tokens
-- definition: Sum of the charges to each budget, named `scope:value|unit|period`, in its own unit; `n`: calls charged.
-- rows: charges
SELECT bucket, grp, kind AS part, sum(n)::DOUBLE AS value, sum(times) AS n FROM counted GROUP BY ALL
