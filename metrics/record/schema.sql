-- The ledger: what the meta segments say, as tables. It can be thrown away and made again from the order file.
-- Times are UTC microseconds since 1970 (BIGINT). Every table but the last two can be asked by tenant.

CREATE TABLE IF NOT EXISTS events (
    seq BIGINT, event_id VARCHAR, kind VARCHAR, ts_us BIGINT, tenant VARCHAR, automation VARCHAR, run VARCHAR,
    step VARCHAR, actor VARCHAR, subject_ref VARCHAR, segment VARCHAR, start BIGINT,
    body VARCHAR  -- JSON; null for calls, whose body is in the tables below
);

-- Ids of events other than calls, so that an event sent again years later is recognised.
CREATE TABLE IF NOT EXISTS posted (id_hash BIGINT PRIMARY KEY);

CREATE TABLE IF NOT EXISTS calls (
    seq BIGINT, call_id VARCHAR, tenant VARCHAR, automation VARCHAR, run_id VARCHAR, step VARCHAR,
    ts_us BIGINT, end_us BIGINT, subject_ref VARCHAR,
    key_id VARCHAR, team VARCHAR, environment VARCHAR, data_class VARCHAR, endpoint VARCHAR, stream BOOLEAN,
    status BIGINT, outcome VARCHAR, error_code VARCHAR, layer VARCHAR, policy VARCHAR, policy_hash VARCHAR,
    snapshot VARCHAR, git_commit VARCHAR, dirty BOOLEAN, model_requested VARCHAR, model_answered VARCHAR,
    provider VARCHAR, simulated BOOLEAN, usage_estimated BOOLEAN, cost_usd DOUBLE, price_id VARCHAR,
    total_ms DOUBLE, upstream_ms DOUBLE, overhead_ms DOUBLE, ttft_ms DOUBLE, verdict VARCHAR,
    confidence DOUBLE, restored BIGINT, unknown_placeholders BIGINT, request_chars BIGINT,
    answer_chars BIGINT, retry_count BIGINT,
    input_tokens BIGINT, cached_input_tokens BIGINT, cache_write_tokens BIGINT, output_tokens BIGINT,
    reasoning_tokens BIGINT, audio_input_tokens BIGINT, audio_output_tokens BIGINT,
    image_input_tokens BIGINT, image_output_tokens BIGINT,
    admit_us BIGINT, bind_us BIGINT, clear_us BIGINT, choose_us BIGINT, invoke_us BIGINT, screen_us BIGINT,
    score_us BIGINT, judge_us BIGINT, act_us BIGINT, restore_us BIGINT, record_us BIGINT,
    attempts BIGINT, prompt VARCHAR, reused VARCHAR,
    judge_usd DOUBLE, retried_usd DOUBLE,  -- parts of cost_usd: models asked to score; tries that failed
    version VARCHAR,  -- the automation's own, from its labels
    schema_score DOUBLE, grounding DOUBLE,  -- what the scorers of these kinds said
    marks VARCHAR,  -- what detail has that few calls have, as words; null: nothing, so that no detail is read in vain
    detail VARCHAR
);

-- Calls that ask a model, or would have. A refused request to another address has that address as its endpoint.
CREATE VIEW IF NOT EXISTS model_calls AS
SELECT * FROM calls WHERE endpoint IS NULL OR NOT (starts_with(endpoint, '/') OR endpoint = 'unknown');

CREATE TABLE IF NOT EXISTS attempts (
    seq BIGINT, call_id VARCHAR, tenant VARCHAR, automation VARCHAR, ts_us BIGINT, n BIGINT, provider VARCHAR,
    model VARCHAR, status BIGINT, error_code VARCHAR, first_byte_ms DOUBLE, total_ms DOUBLE,
    input_tokens BIGINT, cached_input_tokens BIGINT, cache_write_tokens BIGINT, output_tokens BIGINT,
    reasoning_tokens BIGINT, audio_input_tokens BIGINT, audio_output_tokens BIGINT,
    image_input_tokens BIGINT, image_output_tokens BIGINT, cost_usd DOUBLE,
    purpose VARCHAR  -- null: for the answer; else sample, verifier or escalated
);

CREATE TABLE IF NOT EXISTS entities (
    seq BIGINT, call_id VARCHAR, tenant VARCHAR, automation VARCHAR, ts_us BIGINT,
    side VARCHAR,  -- request, answer or observed
    kind VARCHAR, n BIGINT
);

CREATE TABLE IF NOT EXISTS outcomes (
    seq BIGINT, event_id VARCHAR, tenant VARCHAR, automation VARCHAR, ts_us BIGINT, call_id VARCHAR, run_id VARCHAR,
    metric VARCHAR, value DOUBLE, word VARCHAR, source VARCHAR, corrected BOOLEAN
);

-- Where the sealed content of an event stands; an event sealed twice has two rows.
CREATE TABLE IF NOT EXISTS contents (event_id VARCHAR, tenant VARCHAR, segment VARCHAR, start BIGINT);

-- A call without a run id is a run of its own. Kept up to date by aggregate.sql.
CREATE TABLE IF NOT EXISTS runs (
    run_hash UBIGINT,  -- 64 bits of tenant and run_id: among ten million runs two are alike once in 400,000 ledgers
    tenant VARCHAR, run_id VARCHAR, automation VARCHAR, ts_us BIGINT, end_us BIGINT, calls BIGINT, failed BIGINT,
    errors BIGINT, refused BIGINT, withheld BIGINT,  -- of its calls: ended badly; refused (not held); answer not passed
    shared BOOLEAN,  -- calls of more than one automation carried its id
    cost_usd DOUBLE, unpriced BIGINT, tokens BIGINT, simulated BOOLEAN,
    success BOOLEAN,  -- null: not known; human beats judge beats system, then the latest
    overridden BOOLEAN, seen BOOLEAN,  -- a human said something about its output
    outcome_source VARCHAR, outcome_ts_us BIGINT,
    success_by STRUCT(weight INTEGER, ts_us BIGINT, seq BIGINT)  -- of the outcome that decided
);

-- Runs that failed, each laid at the door of one layer. Kept up to date by faults.sql.
CREATE TABLE IF NOT EXISTS faults (
    run_hash UBIGINT, tenant VARCHAR, run_id VARCHAR, automation VARCHAR,
    ts_us BIGINT,  -- when the run began; of one without calls: when it became a dead letter
    layer VARCHAR,  -- orchestration, retrieval, prompt or unknown
    reason VARCHAR
);

-- Totals by day of the ledger's time zone, once for each automation (dim: automation, key: null) and once for each value
-- that its calls have in one dimension. Counted again from calls, runs and events whenever a record touches the day.
CREATE TABLE IF NOT EXISTS days (
    day DATE, tenant VARCHAR, automation VARCHAR, dim VARCHAR, key VARCHAR,
    calls BIGINT, answered BIGINT, held BIGINT, refused BIGINT, failed BIGINT, abandoned BIGINT, fallbacks BIGINT,
    judged BIGINT, reused BIGINT, client_retries BIGINT, more_tries BIGINT,
    input_tokens BIGINT, cached_input_tokens BIGINT, cache_write_tokens BIGINT, output_tokens BIGINT,
    reasoning_tokens BIGINT, audio_input_tokens BIGINT, audio_output_tokens BIGINT, image_input_tokens BIGINT,
    image_output_tokens BIGINT, uncounted BIGINT, simulated BIGINT, cost_usd DOUBLE, unpriced BIGINT, judge_usd DOUBLE,
    retried_usd DOUBLE, failed_usd DOUBLE, shadow_usd DOUBLE,
    runs BIGINT, known BIGINT, succeeded BIGINT, seen BIGINT, overridden BIGINT,
    total_slots MAP(INTEGER, UBIGINT),  -- calls by the logarithm of their time to the base 1.02
    upstream_slots MAP(INTEGER, UBIGINT), overhead_slots MAP(INTEGER, UBIGINT)
);

-- The same of what has a kind: endings (error codes), values (redaction), charges (budgets).
CREATE TABLE IF NOT EXISTS day_kinds (
    day DATE, tenant VARCHAR, automation VARCHAR, dim VARCHAR, key VARCHAR, rows VARCHAR, kind VARCHAR,
    refused BIGINT, n BIGINT, times BIGINT
);

-- The same of how long the stages of calls took.
CREATE TABLE IF NOT EXISTS day_stages (
    day DATE, tenant VARCHAR, automation VARCHAR, stage VARCHAR, calls BIGINT, total_us BIGINT,
    slots MAP(INTEGER, UBIGINT)  -- calls by the logarithm of their microseconds to the base 1.02
);

-- The same of what layers are scored by (rows: answers, searches or steps); the last two by automation only.
CREATE TABLE IF NOT EXISTS day_layers (
    day DATE, tenant VARCHAR, automation VARCHAR, dim VARCHAR, key VARCHAR, rows VARCHAR,
    answers BIGINT, valid BIGINT, checked BIGINT, declined BIGINT, seen BIGINT, overridden BIGINT, grounding DOUBLE,
    grounded BIGINT,
    searches BIGINT, empty BIGINT, known BIGINT, hits BIGINT, found BIGINT, right_ones BIGINT,
    steps BIGINT, failed_steps BIGINT, timeouts BIGINT, again BIGINT, duplicates BIGINT, dead BIGINT, ended BIGINT
);

CREATE TABLE IF NOT EXISTS segments (segment VARCHAR PRIMARY KEY, read_to BIGINT, done BOOLEAN);

CREATE TABLE IF NOT EXISTS facts (name VARCHAR PRIMARY KEY, number BIGINT, text VARCHAR);
