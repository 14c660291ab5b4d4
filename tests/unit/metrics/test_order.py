from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metrics.record.order import Entry, OrderFile, Skipped

DAY_US = 86_400_000_000


def stretch(count: int, at_us: int = 0, segment: str = "meta/d/w-000001.jsonl") -> Entry:
    return Entry(0, count, segment, 0, 100, at_us, (Skipped(5, 9, "torn"),) if count == 0 else ())


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=3), min_size=1, max_size=6))
def test_numbers_count_up_without_holes_over_days_and_restarts(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    for day, counts in enumerate(batches):
        OrderFile(folder).append([stretch(count, day * DAY_US) for count in counts])
    order = OrderFile(folder)
    flat = [count for counts in batches for count in counts]
    entries = list(order.entries())
    assert [entry.count for entry in entries] == flat
    assert [entry.seq for entry in entries] == [1 + sum(flat[:n]) for n in range(len(flat))]
    assert order.last_seq == sum(flat)
    for after in range(order.last_seq):
        later = [entry for entry in order.entries(after) if entry.count]
        assert later[0].seq <= after + 1 <= later[0].last


def test_a_line_cut_at_any_byte_is_taken_back_and_its_numbers_given_again(tmp_path: Path) -> None:
    order = OrderFile(tmp_path)
    order.append([stretch(3)])
    (path,) = (tmp_path / "order").iterdir()
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole + whole[:cut])
        again = OrderFile(tmp_path)
        assert (again.last_seq, path.read_bytes()) == (3, whole)


def test_a_garbled_line_is_named(tmp_path: Path) -> None:
    order = OrderFile(tmp_path)
    order.append([stretch(3)])
    order.append([stretch(2)])
    (path,) = (tmp_path / "order").iterdir()
    path.write_bytes(path.read_bytes().replace(b'"entry":[1', b'"entry":[9', 1))
    again = OrderFile(tmp_path)
    assert [(entry.seq, entry.count) for entry in again.entries()] == [(4, 2)]
    assert again.damage == ["order/1970-01-01.jsonl, line 1: garbled"]


def test_a_clock_that_goes_back_does_not_disorder_the_files(tmp_path: Path) -> None:
    order = OrderFile(tmp_path)
    order.append([stretch(1, 5 * DAY_US)])
    order.append([stretch(1, 2 * DAY_US)])
    assert [entry.seq for entry in OrderFile(tmp_path).entries()] == [1, 2]
