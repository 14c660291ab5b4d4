"""`make bench-ledger`: how long the dashboard's questions take on a ledger of ten million calls.

The calls are made up by DuckDB itself: 400 days, three tenants, 24 automations, a quarter of them in runs of three.
Each question is asked of a week and of everything, five times, as the recorder asks it: sandboxed, two threads, 1 GB.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import duckdb
import psutil

from benchmarks import pages
from metrics.health.questions import all_questions
from metrics.health.review.build import build
from metrics.health.review.frozen import frozen
from metrics.health.review.inputs import Inputs
from metrics.record.ledger import Ledger
from metrics.record.queries import Question
from metrics.record.refusals import QueryError
from metrics.record.sandbox import QueryLimits, Sandbox

DAY_US = 86_400_000_000
DAYS, FIRST_US = 400, 1_735_689_600_000_000  # 2025-01-01
LIMIT_S, BUILD_LIMIT_S = 1.0, 10.0
LIMITS = QueryLimits(seconds=60)
LAST_WEEK = "2026-W05"  # the last whole one of the made-up calls
PAGES = (
    "calls", "calls_over_time", "entities", "latency_by_stage", "policies", "observed", "budgets", "events", "runs",
    "unpriced", "call",
)  # fmt: skip
CALLS = """
INSERT INTO calls BY NAME
WITH made AS (
    SELECT range AS i, (hash(range) % 1000)::BIGINT AS die, (hash(range + 7) % 997)::BIGINT AS other,
        $first_us + range * $apart_us AS at_us
    FROM range($from, $upto)
)
SELECT 2 * i + 2 AS seq, 'call_' || printf('%014x%016x', at_us, i) AS call_id,
    CASE WHEN die < 900 THEN 'default' WHEN die < 960 THEN 'sales' ELSE 'legal' END AS tenant,
    'automation-' || i % 24 AS automation,
    CASE WHEN die % 4 = 0 THEN 'run-' || i // 12 * 12 || '-' || i % 24 ELSE call_id END AS run_id,
    ['draft', 'check', 'classify', 'extract'][1 + i % 4] AS step,
    at_us AS ts_us, at_us + 900000 + die * 2000 AS end_us,
    'key_' || i % 24 AS key_id, 'team-' || i % 6 AS team, 'production' AS environment,
    'chat.completions' AS endpoint, die % 2 = 0 AS stream,
    CASE WHEN die < 970 THEN 200 WHEN die < 985 THEN 403 ELSE 502 END AS status,
    CASE WHEN die < 970 THEN 'ok' WHEN die < 985 THEN 'refused' ELSE 'error' END AS outcome,
    CASE WHEN die < 970 THEN NULL WHEN die < 985 THEN 'content_blocked' ELSE 'upstream_unavailable' END AS error_code,
    'policy-' || i % 24 % 5 AS policy, printf('%012x', i * 40 // $calls) AS policy_hash,
    printf('%064x', i * 40 // $calls) AS snapshot, printf('%040x', i * 40 // $calls) AS git_commit, false AS dirty,
    'model-' || i % 24 % 7 AS model_requested,
    CASE WHEN die % 20 = 0 THEN 'model-9' ELSE 'model-' || i % 24 % 7 END AS model_answered,
    'provider-' || i % 3 AS provider,
    false AS simulated, false AS usage_estimated,
    CASE WHEN other < 990 THEN 0.0001 * (1 + other) END AS cost_usd, 'price-' || i % 7 AS price_id,
    900 + die * 2.0 + other / 997.0 AS total_ms, 898 + die * 2.0 AS upstream_ms, 2 + other / 997.0 AS overhead_ms,
    200 + die * 0.5 AS ttft_ms,
    CASE WHEN other < 950 THEN 'pass' WHEN other < 980 THEN 'hold' ELSE 'fallback' END AS verdict,
    other / 997.0 AS confidence, die % 3 AS restored, 0 AS unknown_placeholders, 2000 + die AS request_chars,
    500 + other AS answer_chars, 0 AS retry_count, 400 + die AS input_tokens, die % 100 AS cached_input_tokens,
    0 AS cache_write_tokens, 100 + other AS output_tokens, 0 AS reasoning_tokens, 0 AS audio_input_tokens,
    0 AS audio_output_tokens, 60 + other % 50 AS admit_us, 100 + die % 70 AS bind_us, 300 + other AS clear_us,
    40 + die % 30 AS choose_us, 898000 + die * 2000 AS invoke_us, 100 + other % 400 AS screen_us, 5 AS judge_us,
    1 AS act_us, 2 AS restore_us, 100 + die AS record_us, 1 AS attempts,
    'prompt-' || i % 24 || '@' || i * 20 // $calls AS prompt,
    '{"tightened":[],"labels":{},"trace_id":"' || md5(i::VARCHAR) || '","span_id":"' || md5((i + 1)::VARCHAR)[:16]
        || '","trace_flags":"01","features":{"messages":2,"max_output_tokens":0,"needs":[]},"route_rule":"unmatched",'
        || '"finish_reasons":["stop"],'
        || '"findings":[["user:1","EMAIL_ADDRESS",' || die || ',201,0.95,"email","pseudonym"]]'
        || CASE WHEN die % 50 = 0 THEN ',"charges":[["month",' || at_us || ',12]]' ELSE '' END || '}' AS detail
FROM made
"""
REST = (
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
        'success', (seq % 10 > 0)::INT, NULL, CASE WHEN seq % 3 = 0 THEN 'human' ELSE 'system' END, false
        FROM calls WHERE seq > $since AND seq % 20 = 0""",
)


def fill(path: Path, calls: int, at_once: int = 250_000) -> Iterator[int]:
    """Write made-up calls in the order of their time, as the recorder does; yield how many there are."""
    ledger = Ledger(path)
    db = ledger.cursor()
    for begin in range(0, calls, at_once):
        end = min(calls, begin + at_once)
        db.begin()
        db.execute(
            CALLS,
            {"from": begin, "upto": end, "calls": calls, "apart_us": DAYS * DAY_US // calls, "first_us": FIRST_US},
        )
        for statement in REST:
            db.execute(statement, {"since": 2 * begin})
        db.execute("UPDATE facts SET number = ? WHERE name = 'seq'", [2 * end])
        db.commit()
        ledger.refresh(2 * begin, 2 * end)
        yield end
    db.close()
    ledger.close()


def asked(db: duckdb.DuckDBPyConnection, query: Question, given: dict[str, object]) -> list[float]:
    """Return how long the question took, in seconds, first time first."""
    return [_timed(lambda: Sandbox(db, LIMITS).arrow(*query.prepare("default", given))) for _ in range(5)]


def _timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def ask(ledger: Ledger, only: tuple[str, ...]) -> list[str]:
    """Print how long each question takes; return those that took too long."""
    slow, db, queries = [], ledger.cursor(), all_questions()
    end_us = FIRST_US + DAYS * DAY_US
    row = db.execute("SELECT call_id FROM calls WHERE tenant = 'default' LIMIT 1 OFFSET 2000000").fetchone()
    call = {"call_id": row[0] if row else ""}
    for name in only or PAGES:
        for words, days in (("a week", 7), ("four weeks", 28), ("everything", DAYS)):
            ranged = "since" in queries[name].parameters
            given = {"since": end_us - days * DAY_US, "until": end_us} if ranged else call
            try:
                took = asked(db, queries[name], given)
            except QueryError as problem:
                took = [float("inf")]
                click.echo(str(problem), err=True)
            median = statistics.median(took)
            click.echo(f"{name:20} {words:12} first {took[0] * 1e3:8.0f} ms   median {median * 1e3:8.0f} ms")
            if median > LIMIT_S:
                slow.append(f"{name}, {words}")
            if not ranged:
                break
    return slow


def measured(ledger: Ledger) -> list[str]:
    """Ask the four measures of all calls, from the rows themselves; return those that took too long."""
    slow, db, question = [], ledger.cursor(), all_questions()["measure"]
    span = {"since": FIRST_US, "until": FIRST_US + DAYS * DAY_US}
    for name, by in (("success", None), ("override", None), ("latency", "step"), ("cost_per_success", None)):
        took = asked(db, question, {**span, "measure": name, "by": by})
        median = statistics.median(took)
        click.echo(f"{name:20} raw, 400 days   first {took[0] * 1e3:8.0f} ms   median {median * 1e3:8.0f} ms")
        slow += [name] if median > LIMIT_S else []
    return slow


def shown(ledger: Ledger) -> list[str]:
    """Run the script of each page; return those that took too long."""
    slow, data = [], pages.LedgerData(ledger.cursor, pages.at_us(FIRST_US + DAYS * DAY_US - 3_600_000_000))
    for name in pages.PAGES:
        for query in (
            ({}, {"range": "Last 28 days"})
            if name in ("overview", "calls", "policies")
            else ({}, {"weeks": "Last 12 weeks"})
        ):
            first, *others = pages.timed(data, name, **query)
            median = statistics.median(others)
            words = next(iter(query.values()), "as it opens")
            click.echo(f"page {name:15} {words:14} first {first * 1e3:8.0f} ms   median {median * 1e3:8.0f} ms")
            slow += [f"page {name}, {words}"] if median > LIMIT_S else []
    return slow


def built(ledger: Ledger) -> list[str]:
    """Build the review of a week as the recorder does."""

    def make() -> None:
        with ledger.cursor() as db, frozen(db, "default", "UTC") as at:
            build(at.ask, at.seq, Inputs(LAST_WEEK))

    cpu_s = time.process_time()
    took = _timed(make)
    click.echo(f"review of {LAST_WEEK}: {took:.1f} s, {time.process_time() - cpu_s:.1f} s of CPU")
    return [f"review of {LAST_WEEK}"] if took > BUILD_LIMIT_S else []


def renewed(ledger: Ledger, calls: int) -> None:
    """Say what it costs to add 2,000 more calls of the last day to runs and days."""
    db, since = ledger.cursor(), 2 * calls
    db.execute(
        CALLS,
        {
            "from": calls,
            "upto": calls + 2000,
            "calls": calls,
            "apart_us": 1,
            "first_us": FIRST_US + DAYS * DAY_US - calls,
        },
    )
    db.close()
    began = time.process_time()
    ledger.refresh(since, since + 4002)
    click.echo(f"adding 2,000 calls to runs and days takes {time.process_time() - began:.2f} s of CPU")


@click.command()
@click.option("--calls", default=10_000_000, show_default=True)
@click.option(
    "--ledger", "path", type=click.Path(path_type=Path), help="Keep the ledger here, and use it when it is there."
)
@click.argument("names", nargs=-1)
def main(calls: int, path: Path | None, names: tuple[str, ...]) -> None:
    """Ask every question of the dashboard; exit 1 when one takes more than a second."""
    with tempfile.TemporaryDirectory() as folder:
        path = path or Path(folder) / "ledger.duckdb"
        if not path.exists():
            began = time.monotonic()
            for done in fill(path, calls):
                click.echo(f"{done:,} of {calls:,} calls, {time.monotonic() - began:.0f} s", err=True)
        ledger = Ledger(path)
        click.echo(f"{calls:,} calls, {path.stat().st_size / 2**30:.2f} GiB")
        slow = ask(ledger, names) + ([] if names else measured(ledger) + built(ledger) + shown(ledger))
        if not names:
            renewed(ledger, calls)
        ledger.close()
        click.echo(f"resident memory {psutil.Process().memory_info().rss / 2**30:.2f} GiB")
    click.echo(f"slower than {LIMIT_S:g} s: {', '.join(slow) or 'none'}")
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()
