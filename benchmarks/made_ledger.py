"""Ten million calls made up by DuckDB itself, for the ledger's benchmark.

400 days, three tenants, 24 automations, a quarter of the calls in runs of three. Six automations are judged by scorers;
every run reports its steps, and of three automations its searches; what a policy held waits for a reviewer. In the
last whole week one automation becomes slow, one dear, one fails more often and one succeeds less often.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from metrics.record.ledger import Ledger

DAY_US: Final = 86_400_000_000
DAYS: Final = 400
FIRST_US: Final = 1_735_689_600_000_000  # 2025-01-01
LAST_WEEK: Final = "2026-W05"  # the last whole one
STORY_US: Final = FIRST_US + 390 * DAY_US  # its Monday
_CALLS: Final = """
INSERT INTO calls BY NAME
WITH made AS (
    SELECT range AS i, (hash(range) % 1000)::BIGINT AS die, (hash(range + 7) % 997)::BIGINT AS other,
        $first_us + range * $apart_us AS at_us,
        range // 72 * 72 || '-' || range % 24 AS three,  -- calls that follow each other
        (hash(three) % 1000)::BIGINT AS run_die, CASE WHEN at_us >= $story_us THEN i % 24 END AS story,
        CASE WHEN story = 9 THEN 900 ELSE 970 END AS well
    FROM range($from, $upto)
)
SELECT 2 * i + 2 AS seq, 'call_' || printf('%014x%016x', at_us, i) AS call_id,
    CASE WHEN run_die < 900 THEN 'default' WHEN run_die < 960 THEN 'sales' ELSE 'legal' END AS tenant,
    'automation-' || i % 24 AS automation,
    CASE WHEN run_die % 4 = 0 THEN 'run-' || three ELSE call_id END AS run_id,
    ['draft', 'check', 'classify', 'extract'][1 + (i + i // 24) % 4] AS step,
    at_us AS ts_us, at_us + 900000 + die * 2000 AS end_us,
    'key_' || i % 24 AS key_id, 'team-' || i % 6 AS team, 'production' AS environment,
    'chat.completions' AS endpoint, die % 2 = 0 AS stream,
    CASE WHEN die < well THEN 200 WHEN die BETWEEN 970 AND 984 THEN 403 ELSE 502 END AS status,
    CASE WHEN die < well THEN 'ok' WHEN die BETWEEN 970 AND 984 THEN 'refused' ELSE 'error' END AS outcome,
    CASE WHEN die < well THEN NULL WHEN die BETWEEN 970 AND 984 THEN 'content_blocked'
        ELSE 'upstream_unavailable' END AS error_code,
    'policy-' || i % 24 % 5 AS policy, printf('%012x', i * 40 // $calls) AS policy_hash,
    printf('%064x', i * 40 // $calls) AS snapshot, printf('%040x', i * 40 // $calls) AS git_commit, false AS dirty,
    'model-' || i % 24 % 7 AS model_requested,
    CASE WHEN die % 20 = 0 THEN 'model-9' ELSE 'model-' || i % 24 % 7 END AS model_answered,
    'provider-' || i % 3 AS provider,
    false AS simulated, false AS usage_estimated,
    CASE WHEN other < 990 THEN 0.0001 * (1 + other) * CASE WHEN story = 7 THEN 1.6 ELSE 1 END END AS cost_usd,
    'price-' || i % 24 % 7 || CASE WHEN story = 7 THEN '-new' ELSE '' END AS price_id,
    900 + die * 2.0 + other / 997.0 + CASE WHEN story = 5 THEN 800 ELSE 0 END AS total_ms,
    898 + die * 2.0 + CASE WHEN story = 5 THEN 800 ELSE 0 END AS upstream_ms, 2 + other / 997.0 AS overhead_ms,
    200 + die * 0.5 AS ttft_ms,
    CASE WHEN other < 950 THEN 'pass' WHEN other < 980 THEN 'hold' ELSE 'fallback' END AS verdict,
    other / 997.0 AS confidence, die % 3 AS restored, 0 AS unknown_placeholders, 2000 + die AS request_chars,
    500 + other AS answer_chars, 0 AS retry_count, 400 + die AS input_tokens, die % 100 AS cached_input_tokens,
    0 AS cache_write_tokens, 100 + other AS output_tokens, 0 AS reasoning_tokens, 0 AS audio_input_tokens,
    0 AS audio_output_tokens, 60 + other % 50 AS admit_us, 100 + die % 70 AS bind_us, 300 + other AS clear_us,
    40 + die % 30 AS choose_us, 898000 + die * 2000 AS invoke_us, 100 + other % 400 AS screen_us, 5 AS judge_us,
    1 AS act_us, 2 AS restore_us, 100 + die AS record_us, 1 AS attempts,
    'prompt-' || i % 24 || '@' || i * 20 // $calls AS prompt,
    CASE WHEN i % 24 < 12 THEN '1.' || i * 30 // $calls END AS version,
    CASE WHEN i % 24 < 6 THEN (other % 50 > 0)::DOUBLE END AS schema_score,
    CASE WHEN i % 24 < 3 THEN other / 997.0 END AS grounding,
    nullif(concat_ws(' ', CASE WHEN die % 50 = 0 THEN 'charges' END, CASE WHEN other % 200 = 7 THEN 'would_refuse' END,
        CASE WHEN other = 99 THEN 'declined' END), '') AS marks,
    '{"tightened":[],"labels":{},"trace_id":"' || md5(i::VARCHAR) || '","span_id":"' || md5((i + 1)::VARCHAR)[:16]
        || '","trace_flags":"01","features":{"messages":2,"max_output_tokens":0,"needs":[]},"route_rule":"unmatched",'
        || CASE WHEN other = 99 THEN '"finish_reasons":["content_filter"],' ELSE '"finish_reasons":["stop"],' END
        || '"findings":[["user:1","EMAIL_ADDRESS",' || die || ',201,0.95,"email","pseudonym"]]'
        || CASE WHEN die % 50 = 0 THEN ',"charges":[["month",' || at_us || ',12]]' ELSE '' END
        || CASE WHEN other % 200 = 7 THEN ',"would_refuse":["limits.requests"]' ELSE '' END || '}' AS detail
FROM made
"""
_REST: Final = (
    """INSERT INTO attempts BY NAME SELECT seq, call_id, tenant, automation, ts_us, 1 AS n, provider,
        model_requested AS model, status, error_code, upstream_ms AS total_ms, input_tokens, output_tokens, cost_usd
        FROM calls WHERE seq > $since""",
    """INSERT INTO entities SELECT seq, call_id, tenant, automation, ts_us, 'request', kind, 1 FROM calls,
        (VALUES ('EMAIL_ADDRESS'), ('PHONE_NUMBER')) k(kind) WHERE seq > $since AND status <> 502""",
    """INSERT INTO events SELECT seq - 1 + last, call_id || CASE last WHEN 0 THEN '.b' ELSE '.e' END,
        CASE last WHEN 0 THEN 'call.begin' ELSE 'call.end' END, CASE last WHEN 0 THEN ts_us ELSE end_us END, tenant,
        automation, run_id, step, key_id, NULL, 'meta/2025-01-01/worker-1-000001.jsonl', seq * 1000, NULL
        FROM calls, (VALUES (0), (1)) l(last) WHERE seq > $since""",
    """INSERT INTO outcomes SELECT seq, call_id || '.o', tenant, automation, end_us + 60000000, call_id, NULL,
        'success',
        (seq % 100 >= CASE WHEN automation = 'automation-11' AND ts_us >= $story_us THEN 30 ELSE 10 END)::INT,
        NULL, CASE WHEN seq % 3 = 0 THEN 'human' ELSE 'system' END, false
        FROM calls WHERE seq > $since AND hash(seq) % 20 = 0""",
    """INSERT INTO events SELECT seq, call_id || '.s', 'step.end', end_us, tenant, automation, run_id, step,
        NULL, NULL, NULL, NULL, '{"step_kind":"prompt","status":"'
        || CASE WHEN outcome = 'ok' THEN 'ok' ELSE 'failed","cause":"timeout' END
        || '","attempt":1,"duration_ms":' || total_ms || '}' FROM calls WHERE seq > $since AND run_id <> call_id""",
    """INSERT INTO events SELECT seq, call_id || '.r', 'retrieval', ts_us, tenant, automation, run_id, 'find',
        NULL, NULL, NULL, NULL, '{"hits":3,"empty":' || (seq % 40 = 0) || ',"ids":"a b c"}' FROM calls
        WHERE seq > $since AND run_id <> call_id AND automation IN ('automation-0', 'automation-1', 'automation-2')""",
    """INSERT INTO events SELECT seq, call_id || kind, 'review' || kind, end_us + late * 3600000000, tenant, automation,
        NULL, step, NULL, NULL, NULL, NULL,
        '{"review_id":"rev_' || seq || '","call_id":"' || call_id || '","review_kind":"hold","deadline_us":'
        || end_us + 86400000000 || CASE late WHEN 0 THEN '' ELSE ',"state":"approved"' END || '}'
        FROM calls, (VALUES ('.opened', 0), ('.decided', 3)) k(kind, late)
        WHERE seq > $since AND verdict = 'hold' AND (late = 0 OR seq % 100 > 0)""",
)


def fill(path: Path, calls: int, at_once: int = 250_000) -> Iterator[int]:
    """Write made-up calls in the order of their time, as the recorder does; yield how many there are."""
    ledger = Ledger(path)
    for begin in range(0, calls, at_once):
        end = min(calls, begin + at_once)
        add(ledger, begin, end, calls)
        yield end
    ledger.close()


def add(ledger: Ledger, begin: int, end: int, calls: int) -> None:
    """Write the calls from `begin` to `end`, of so many in the 400 days."""
    db = ledger.cursor()
    db.begin()
    numbers = {"from": begin, "upto": end, "calls": calls, "apart_us": DAYS * DAY_US // calls}
    numbers |= {"first_us": FIRST_US, "story_us": STORY_US}
    db.execute(_CALLS, numbers)
    for statement in _REST:
        db.execute(statement, {"since": 2 * begin} | ({"story_us": STORY_US} if "$story_us" in statement else {}))
    db.execute("UPDATE facts SET number = ? WHERE name = 'seq'", [2 * end])
    db.commit()
    db.close()
    ledger.refresh(2 * begin, 2 * end)
