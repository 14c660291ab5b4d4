"""The measures, against the same figures counted in plain Python."""

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from metrics.health.measures import Span, Value, evaluate, load_measures
from metrics.record.counted import GROUPS
from metrics.record.ledger import Ledger
from metrics.record.refusals import QueryError
from policy.measures import wilson
from tests.integration.metrics.made_up import DAY_US, FIRST_US, Traffic, ask, ledger, traffic

SEED = 20261122
SPAN = Span(FIRST_US + DAY_US // 3, FIRST_US + 20 * DAY_US, "Europe/Berlin")
KEYS: dict[str | None, Callable[[dict[str, Any]], str | None]] = {
    None: lambda call: None,
    "automation": lambda call: call["automation"],
    "step": lambda call: call["step"],
    "model": lambda call: call["model_answered"],
    "prompt": lambda call: call["labels"]["prompt"],
    "policy": lambda call: f"{call['policy']}@{call['policy_hash']}",
    "team": lambda call: call["team"],
}
Found = dict[tuple[str | None, str | None], Any]


@pytest.fixture(scope="module")
def made() -> Traffic:
    return traffic(SEED)


@pytest.fixture(scope="module")
def book(made: Traffic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    opened = ledger(tmp_path_factory.mktemp("ledger") / "ledger.duckdb", made.events())
    yield opened
    opened.close()


def bucket_of(ts_us: int, bucket: str | None) -> str | None:
    there = datetime.fromtimestamp(ts_us / 1e6, UTC).astimezone(ZoneInfo(SPAN.tz))
    named = {"day": f"{there:%Y-%m-%d}", "week": "{}-W{:02}".format(*there.isocalendar())}
    return named[bucket] if bucket else None


def inside(ts_us: int) -> bool:
    return SPAN.since_us <= ts_us < SPAN.until_us


def model_calls(made: Traffic) -> list[dict[str, Any]]:
    return [call for call in made.calls if not call["endpoint"].startswith("/")]


def runs_of(made: Traffic) -> list[dict[str, Any]]:
    """What is known of each run, the slow and plain way."""
    members, said = defaultdict(list), defaultdict(list)
    for call in model_calls(made):
        members[call["run"] or call["call_id"]].append(call)
    run_of = {call["call_id"]: call["run"] or call["call_id"] for call in made.calls}
    for number, one in enumerate(made.said):
        said[one.get("run_id") or run_of[one["call_id"]]].append({**one, "n": number})
    return [_run(name, calls, said[name]) for name, calls in members.items()]


def _run(name: str, calls: list[dict[str, Any]], said: list[dict[str, Any]]) -> dict[str, Any]:
    weight = {"human": 3, "judge": 2, "system": 1}
    judged = [one for one in said if one["metric"] == "success"]
    best = max(judged, key=lambda one: (weight[one["source"]], one["ts_us"], one["n"]), default=None)
    return {
        "calls": calls, "ts_us": min(call["ts_us"] for call in calls), "success": best and best["value"],
        "by": best and best["source"],
        "overridden": any(one["corrected"] or (one["metric"] == "override" and one["value"]) for one in said),
        "seen": any(one["source"] == "human" or one["metric"] == "override" or one["corrected"] for one in said),
    }  # fmt: skip


def grouped(rows: Iterable[dict[str, Any]], by: str | None, bucket: str | None) -> dict[Any, list[dict[str, Any]]]:
    found = defaultdict(list)
    for row in rows:
        if inside(row["ts_us"]):
            for key in {KEYS[by](call) for call in row.get("calls", [row])}:
                found[bucket_of(row["ts_us"], bucket), key].append(row)
    return found


def asked(book: Ledger, measure: str, part: str, by: str | None, bucket: str | None) -> dict[Any, Value]:
    values = evaluate(partial(ask, book), measure, SPAN, by=by, bucket=bucket)
    return {(value.bucket, value.group): value for value in values if value.part == part}


EVERY = [(by, bucket) for by in KEYS for bucket in (None, "day", "week")]


def test_every_grouping_is_tried() -> None:
    assert set(KEYS) - {None} == set(GROUPS)


@pytest.mark.parametrize(("by", "bucket"), EVERY)
def test_success_and_override_are_what_a_count_by_hand_says(
    book: Ledger, made: Traffic, by: str | None, bucket: str | None
) -> None:
    expected = {
        at: (
            sum(run["success"] is True for run in runs),
            sum(run["success"] is not None for run in runs),
            sum(run["success"] is None for run in runs),
            sum(run["overridden"] for run in runs),
            sum(run["seen"] for run in runs),
        )
        for at, runs in grouped(runs_of(made), by, bucket).items()
    }
    success, override = asked(book, "success", "success", by, bucket), asked(book, "override", "of_seen", by, bucket)
    assert {
        at: (value.k, value.n, value.unknown, override[at].k, override[at].n) for at, value in success.items()
    } == expected
    for value in success.values():
        if value.n:
            assert value.k is not None
            assert (value.low, value.high) == pytest.approx(wilson(value.k, value.n), abs=1e-12)
        else:
            assert (value.value, value.low, value.high) == (None, None, None)


@pytest.mark.parametrize(("by", "bucket"), EVERY)
def test_cost_per_success_counts_what_failed_too(
    book: Ledger, made: Traffic, by: str | None, bucket: str | None
) -> None:
    good: dict[Any, int] = defaultdict(int)
    for at, runs in grouped(runs_of(made), by, bucket).items():
        good[at] = sum(run["success"] is True for run in runs)
    found = asked(book, "cost_per_success", "total", by, bucket)
    for at, calls in grouped(model_calls(made), by, bucket).items():
        spent = sum(call["cost_usd"] or 0 for call in calls)
        assert found[at].n == good[at]
        assert found[at].value == (pytest.approx(spent / good[at]) if good[at] else None)
        assert found[at].unknown == sum(call["cost_usd"] is None and call["outcome"] == "ok" for call in calls)


def test_the_parts_of_a_cost_add_up_to_it(book: Ledger, made: Traffic) -> None:
    parts = {value.part: value.value or 0 for value in evaluate(partial(ask, book), "cost", SPAN)}
    calls = [call for call in model_calls(made) if inside(call["ts_us"])]
    assert parts["total"] == pytest.approx(sum(call["cost_usd"] or 0 for call in calls))
    assert parts["total"] == pytest.approx(sum(value for part, value in parts.items() if part != "total"))
    assert parts["judge"] == pytest.approx(0.125 * len(calls))
    lost = [call["cost_usd"] for call in calls if call["outcome"] != "ok" and not held(call)]
    assert parts["failed"] == pytest.approx(sum(cost - 0.125 for cost in lost if cost is not None))


def percentile(values: list[float], share: float) -> float:
    """Interpolate between neighbours, as numpy and spreadsheets do."""
    ranked, place = sorted(values), share * (len(values) - 1)
    low = ranked[math.floor(place)]
    return low + (ranked[math.ceil(place)] - low) * (place - math.floor(place))


@pytest.mark.parametrize(("by", "bucket"), EVERY)
def test_latency_is_exact(book: Ledger, made: Traffic, by: str | None, bucket: str | None) -> None:
    served = [call for call in model_calls(made) if call["outcome"] in ("ok", "error") or held(call)]
    found = {part: asked(book, "latency", part, by, bucket) for part in ("total_p50", "total_p99", "overhead_p95")}
    for at, calls in grouped(served, by, bucket).items():
        total = [call["total_ms"] for call in calls]
        assert found["total_p50"][at].value == pytest.approx(statistics.median(total))
        assert found["total_p99"][at].value == pytest.approx(percentile(total, 0.99))
        overhead = [call["overhead_ms"] for call in calls]
        assert found["overhead_p95"][at].value == pytest.approx(percentile(overhead, 0.95))


def held(call: dict[str, Any]) -> bool:
    return (call["outcome"], call["error_code"]) == ("refused", "held_for_review")


def test_days_add_up_to_the_range_and_endings_to_the_calls(book: Ledger, made: Traffic) -> None:
    for measure in ("volume", "tokens", "redactions", "errors", "refusals"):
        whole = {value.part: value.value for value in evaluate(partial(ask, book), measure, SPAN)}
        for bucket in ("day", "week"):
            parts: dict[str, float] = defaultdict(float)
            for value in evaluate(partial(ask, book), measure, SPAN, bucket=bucket):
                parts[value.part] += value.value or 0
            assert parts == pytest.approx({part: value or 0 for part, value in whole.items()})
    volume = {value.part: value.value for value in evaluate(partial(ask, book), "volume", SPAN)}
    assert volume["calls"] == len([call for call in model_calls(made) if inside(call["ts_us"])])
    endings = ("answered", "held", "refused", "failed", "abandoned")
    assert volume["calls"] == sum(volume[ending] or 0 for ending in endings)


def test_time_saved_needs_a_baseline_and_says_where_it_has_none(book: Ledger, made: Traffic) -> None:
    (saved,) = evaluate(partial(ask, book), "time_saved", SPAN, baselines='{"a0": 12.5}')
    runs = [run for run in runs_of(made) if inside(run["ts_us"]) and run["success"]]
    own = sum(run["calls"][0]["automation"] == "a0" for run in runs)
    assert (saved.n, saved.unknown) == (own, len(runs) - own)
    assert saved.value == pytest.approx(12.5 * own)


@pytest.mark.parametrize("measure", sorted(load_measures()))
def test_every_measure_can_be_asked_by_every_group_and_bucket(book: Ledger, measure: str) -> None:
    for by, bucket in EVERY:
        evaluate(partial(ask, book), measure, SPAN, by=by, bucket=bucket, automation="a1")


def test_another_tenant_sees_nothing(made: Traffic, tmp_path: Path) -> None:
    events = [event.__class__(**{**_fields(event), "tenant": "other"}) for event in made.events()]
    book = ledger(tmp_path / "ledger.duckdb", events)
    assert not [value for name in load_measures() for value in evaluate(partial(ask, book), name, SPAN) if value.value]
    book.close()


def _fields(event: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__slots__}


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [({"by": "colour"}, "by must be one of"), ({"bucket": "hour"}, "bucket must be"),
     ({"measure": "joy"}, "no measure"), ({"tz": "Moon"}, "no time zone"), ({"colour": "red"}, "does not take colour")],
)  # fmt: skip
def test_a_wrong_wish_is_refused_with_a_sentence(book: Ledger, wanted: dict[str, str], sentence: str) -> None:
    asked: dict[str, Any] = {"measure": "success", "since": FIRST_US, "until": FIRST_US + DAY_US}
    with pytest.raises(QueryError, match=sentence):
        ask(book, "measure", **(asked | wanted))
