-- name: Redactions by kind
-- question: Which values did redaction find, and where?
-- unit: count
-- definition: Values found, by side of the call (`request`, `answer`; `observed`: a rule that only observes) and kind.
-- rows: values
SELECT bucket, grp, kind AS part, sum(n)::DOUBLE AS value FROM counted GROUP BY ALL
