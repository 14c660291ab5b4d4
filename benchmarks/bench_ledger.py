"""`make bench-ledger`: the figures of health on a ledger of ten million calls, each beside its limit.

Measures from the rows, every page of the dashboard with all its questions, the review of a week, memory, and what it
costs to add calls; asked as the recorder asks: sandboxed, two threads, 1 GB. The calls are made up (`made_ledger`).
"""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import duckdb
import orjson

from benchmarks import pages
from benchmarks.made_ledger import DAY_US, DAYS, FIRST_US, LAST_WEEK, add, fill
from metrics.health.questions import all_questions
from metrics.health.review.build import build
from metrics.health.review.frozen import frozen
from metrics.health.review.inputs import Inputs
from metrics.record.ledger import Ledger
from metrics.record.queries import Question
from metrics.record.refusals import QueryError
from metrics.record.sandbox import QueryLimits, Sandbox

LIMIT_S, BUILD_LIMIT_S, MEMORY_LIMIT_MIB = 1.0, 10.0, 2048
LIMITS = QueryLimits(seconds=60)
END_US = FIRST_US + DAYS * DAY_US
QUESTIONS = (
    "calls", "calls_over_time", "entities", "latency_by_stage", "policies", "observed", "budgets", "events", "runs",
    "unpriced", "faults", "changes", "call",
)  # fmt: skip
MEASURES = (("success", None), ("override", None), ("latency", "step"), ("cost_per_success", None))


class Report:
    """Prints figures as the rows of a table, and remembers those that passed their limits."""

    def __init__(self) -> None:
        self.missed: list[str] = []
        click.echo("| what | first, ms | median, ms | limit, ms | |\n|---|---|---|---|---|")

    def timed(self, what: str, took: list[float], limit_s: float | None) -> None:
        """Print how long something took: the first time, and the median of the others."""
        first, median = took[0], statistics.median(took[1:] or took)
        kept = "" if limit_s is None else "met" if median <= limit_s else "**missed**"
        limit = "" if limit_s is None else f"{limit_s * 1e3:,.0f}"
        click.echo(f"| {what} | {first * 1e3:,.0f} | {median * 1e3:,.0f} | {limit} | {kept} |")
        self.missed += [what] if kept == "**missed**" else []

    def memory(self, what: str) -> None:
        """Print the most memory that this process has had resident."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        kept = "met" if peak <= MEMORY_LIMIT_MIB else "**missed**"
        click.echo(f"| {what}: peak resident memory | | {peak:,} MiB | {MEMORY_LIMIT_MIB:,} MiB | {kept} |")
        self.missed += [what] if kept != "met" else []


def asked(db: duckdb.DuckDBPyConnection, query: Question, given: dict[str, object], times: int = 6) -> list[float]:
    """Return how long the question took, in seconds, first time first; infinite where it is refused."""
    try:
        return [_timed(lambda: Sandbox(db, LIMITS).arrow(*query.prepare("default", given))) for _ in range(times)]
    except QueryError as problem:
        click.echo(str(problem), err=True)
        return [float("inf")]


def _timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def measured(ledger: Ledger, report: Report) -> None:
    """Ask the four measures of all calls, from the rows themselves."""
    db, question = ledger.cursor(), all_questions()["measure"]
    for name, by in MEASURES:
        took = asked(db, question, {"since": FIRST_US, "until": END_US, "measure": name, "by": by})
        report.timed(f"`{name}` of 400 days, from the rows{f', by {by}' if by else ''}", took, LIMIT_S)


def questioned(ledger: Ledger, report: Report, only: tuple[str, ...]) -> None:
    """Ask what pages ask, of a week and of everything."""
    db, queries = ledger.cursor(), all_questions("UTC")
    for name in only or QUESTIONS:
        if "since" not in queries[name].parameters:
            report.timed(f"question `{name}`", asked(db, queries[name], {"call_id": some_call(ledger)[1]}), LIMIT_S)
            continue
        for words, days, limit_s in (("a week", 7, LIMIT_S), ("400 days", DAYS, None)):
            given: dict[str, object] = {"since": END_US - days * DAY_US, "until": END_US}
            report.timed(f"question `{name}` of {words}", asked(db, queries[name], given, 4), limit_s)


def reviewed(ledger: Ledger, report: Report) -> dict[str, Any]:
    """Build the review of a week as the recorder does, for a registry with targets; return it."""
    target = {"measure": "success", "at_least": 0.9}
    entry: dict[str, Any] = {"owner": "ops@example.com", "team": "ops", "purpose": "Drafts letters.", "stage": "live"}
    entry |= {"baseline": {"minutes_per_task": 5}, "targets": [target, {"measure": "latency_p95_s", "at_most": 5}]}
    entry |= {"rollback": [{**target, "over": "3d", "action": "advise"}]}
    registry = tuple({**entry, "automation": f"automation-{n}"} for n in range(24))
    made: list[bytes] = []

    def make() -> None:
        with ledger.cursor() as db, frozen(db, "default", "UTC") as at:
            made.append(build(at.ask, at.seq, Inputs(LAST_WEEK, registry=registry)))

    report.timed(f"review of {LAST_WEEK}, built", [_timed(make) for _ in range(2)], BUILD_LIMIT_S)
    assert made[0] == made[1], "the same review twice is the same bytes"
    document: dict[str, Any] = orjson.loads(made[0])
    return document


def shown(ledger: Ledger, report: Report, review: dict[str, Any], only: tuple[str, ...] = ()) -> None:
    """Run the script of each page, with every question that it asks."""
    data = pages.LedgerData(ledger.cursor, pages.at_us(END_US - 3_600_000_000))
    desks = pages.Desks(review, *some_call(ledger))
    for name in only or pages.PAGES:
        for query in pages.PAGES[name]:
            words = ", ".join(query.values()) or ("one call" if "call" in query else "as it opens")
            report.timed(f"page {name}, {words}", pages.timed(desks, data, name, query), LIMIT_S)


def renewed(ledger: Ledger, calls: int) -> Iterator[str]:
    """Say what it costs to add calls of the last day to runs and days."""
    began = time.process_time()
    add(ledger, calls, calls + 2000, calls)
    yield f"writing 2,000 more calls and adding them to runs and days: {time.process_time() - began:.2f} s of CPU"


def some_call(ledger: Ledger) -> tuple[str, str]:
    """Return the run and the id of a call in a run of several."""
    with ledger.cursor() as db:
        sql = "SELECT run_id, call_id FROM calls WHERE tenant = 'default' AND run_id <> call_id LIMIT 1 OFFSET 100000"
        row = db.execute(sql).fetchone()
    return row or ("", "")


@click.command()
@click.option("--calls", default=10_000_000, show_default=True)
@click.option(
    "--ledger", "path", type=click.Path(path_type=Path), help="Keep the ledger here, and use it when it is there."
)
@click.argument("names", nargs=-1)
def main(calls: int, path: Path | None, names: tuple[str, ...]) -> None:
    """Measure everything, or only the questions named; exit 1 when a limit is passed."""
    with tempfile.TemporaryDirectory() as folder:
        path = path or Path(folder) / "ledger.duckdb"
        if not path.exists():
            began = time.monotonic()
            for done in fill(path, calls):
                click.echo(f"{done:,} of {calls:,} calls, {time.monotonic() - began:.0f} s", err=True)
        ledger = Ledger(path)
        click.echo(f"{calls:,} calls, {path.stat().st_size / 2**30:.2f} GiB\n")
        report = Report()
        if names:
            questioned(ledger, report, names)
        else:
            measured(ledger, report)
            report.memory("the four measures")
            review = reviewed(ledger, report)
            shown(ledger, report, review)
            questioned(ledger, report, ())
            report.memory("everything")
            click.echo("\n" + "\n".join(renewed(ledger, calls)))
        ledger.close()
    click.echo(f"limits missed: {', '.join(report.missed) or 'none'}")
    sys.exit(1 if report.missed else 0)


if __name__ == "__main__":
    main()
