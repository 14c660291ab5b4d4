from collections.abc import Iterator
from typing import Any

import duckdb
import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from metrics.record.events import Event, decode, encode
from metrics.record.ledger import Ledger
from metrics.record.order import Entry
from metrics.record.reader import Line
from metrics.record.rows import BUCKETS, CALL_COLUMNS, STAGES, Rows

FULL: dict[str, Any] = {
    "call_id": "c1",
    "endpoint": "chat.completions",
    "stream": True,
    "status": 200,
    "outcome": "ok",
    "policy": "support",
    "cost_usd": 0.5,
    "total_ms": 20,
    "usage": {bucket: n for n, bucket in enumerate(BUCKETS)},
    "stages_us": {stage: n for n, stage in enumerate(STAGES)},
    "attempts": [{"provider": "p", "model": "m", "status": 200, "usage": {"input_tokens": 1}, "cost_usd": 0.5}],
    "entities": {"request": {"EMAIL_ADDRESS": 2}, "answer": {"PERSON": 1}},
    "findings": [["m0", "EMAIL_ADDRESS", 0, 5, 0.9, "email", "pseudonym"]],
    "labels": {"prompt": "draft@3", "step": "draft"},
}


def call_row(body: dict[str, Any]) -> dict[str, Any]:
    rows = Rows()
    rows.add(7, "meta/d/w-000001.jsonl", Line(0, 10, Event("c1.e", "call.end", 1_000_000, "acme", body=body)))
    return dict(zip(CALL_COLUMNS, rows.tables()["calls"][0], strict=True))


def test_a_call_fills_its_columns_and_keeps_the_rest_as_detail() -> None:
    row = call_row(FULL)
    assert (row["seq"], row["call_id"], row["ts_us"], row["end_us"]) == (7, "c1", 980_000, 1_000_000)
    assert [row[bucket] for bucket in BUCKETS] == list(range(len(BUCKETS)))
    assert [row[f"{stage}_us"] for stage in STAGES] == list(range(11))
    assert (row["attempts"], row["prompt"], row["run_id"]) == (1, "draft@3", "c1")
    assert set(orjson.loads(row["detail"])) == {"findings", "labels"}


def test_a_value_of_the_wrong_type_becomes_null_and_stays_readable() -> None:
    row = call_row({"status": "two hundred", "cost_usd": "free", "total_ms": "long", "new_field": 1})
    assert (row["status"], row["cost_usd"], row["ts_us"]) == (None, None, 1_000_000)
    assert orjson.loads(row["detail"]) == {
        "status": "two hundred",
        "cost_usd": "free",
        "total_ms": "long",
        "new_field": 1,
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
KINDS = ("call.begin", "call.end", "outcome", "gap", "x")


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    opened = Ledger(tmp_path_factory.mktemp("ledger") / "l.duckdb")
    yield opened
    opened.close()


bodies = st.dictionaries(st.sampled_from([*FULL, "metric", "value", "run_id", "source"]), json_values, max_size=8)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(KINDS), body=bodies)
@example(kind="call.end", body={"total_ms": 1e300, "status": 2**64 - 1})
def test_no_body_whatsoever_stops_the_ledger(ledger: Ledger, kind: str, body: dict[str, Any]) -> None:
    seq = ledger.progress().seq + 1
    event = decode(encode(Event(f"e{seq}", kind, 1_000_000, "acme", body=body)))
    rows = Rows()
    rows.add(seq, "s", Line(0, 1, event))
    ledger.record([Entry(seq, 1, "s", 0, 1, 0)], rows.columns(), {"s": (1, False)})
    ledger.refresh(seq - 1, seq)
    assert ledger.progress().seq == ledger.aggregated() == seq


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.tuples(st.sampled_from(KINDS), bodies | st.just(FULL)), min_size=1, max_size=5))
@example(said=[("call.end", {"total_ms": 1e300, "usage": {"input_tokens": 2**63}, "status": 2**64 - 1})])
def test_many_records_fill_the_tables_as_each_of_them_would(ledger: Ledger, said: list[tuple[str, Any]]) -> None:
    first, together, alone = ledger.progress().seq + 1, Rows(), []
    for seq in range(first, first + 120):  # enough to be handed over as columns
        kind, body = said[seq % len(said)]
        line = Line(0, 1, decode(encode(Event(f"e{seq}", kind, 1_000_000, "acme", body=body))))
        together.add(seq, "s", line)
        alone.append(Rows())
        alone[-1].add(seq, "s", line)
    ledger.record([Entry(first, 120, "s", 0, 1, 0)], together.columns(), {})
    with ledger.cursor() as cursor:
        for table in ("events", "calls", "attempts", "entities", "outcomes"):
            found = cursor.execute(f"FROM {table} WHERE seq >= ?", [first]).fetchall()
            expected = [row for rows in alone for row in rows.tables().get(table, [])]
            assert sorted(map(repr, found)) == sorted(map(repr, expected))


def test_the_columns_in_code_are_those_of_the_schema(ledger: Ledger) -> None:
    cursor: duckdb.DuckDBPyConnection = ledger.cursor()
    assert tuple(row[0] for row in cursor.execute("DESCRIBE calls").fetchall()) == CALL_COLUMNS
    cursor.close()
