"""Following the order file: every stretch once, in order, and none before it is durable."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.record.order import Entry, OrderFile
from metrics.record.otel_follow import OrderTail, Position, PositionFile

DAY_US = 86_400_000_000
TS = 1_790_000_000_000_000


def entry(count: int, day: int = 0) -> Entry:
    return Entry(0, count, "meta/2026-09-21/w-0.jsonl", 0, 10, TS + day * DAY_US)


def numbers(tail: OrderTail, upto: int) -> list[tuple[int, int]]:
    found = []
    while (stretch := tail.next(upto)) is not None:
        found.append((stretch.seq, stretch.count))
    return found


def test_new_stretches_are_followed_into_the_next_days_file(tmp_path: Path) -> None:
    order = OrderFile(tmp_path)
    tail = OrderTail(tmp_path / "order", 0)
    assert numbers(tail, 0) == []
    order.append([entry(2), entry(3)])
    assert numbers(tail, 5) == [(1, 2), (3, 3)]
    order.append([entry(1)])
    order.append([entry(4, day=1)])
    assert numbers(tail, 10) == [(6, 1), (7, 4)]


def test_a_stretch_waits_until_all_its_numbers_are_durable(tmp_path: Path) -> None:
    order = OrderFile(tmp_path)
    order.append([entry(2), entry(3)])
    tail = OrderTail(tmp_path / "order", 0)
    assert numbers(tail, 4) == [(1, 2)]
    assert numbers(tail, 5) == [(3, 3)]


def test_a_line_that_was_cut_off_again_is_never_seen(tmp_path: Path) -> None:
    order = OrderFile(tmp_path)
    order.append([entry(2)])
    tail = OrderTail(tmp_path / "order", 0)
    (file,) = (tmp_path / "order").iterdir()
    whole = file.stat().st_size
    order.append([entry(3)])
    assert numbers(tail, 2) == [(1, 2)]
    with file.open("r+b") as cut:  # its sync failed: the recorder cuts it off and gives the numbers anew
        cut.truncate(whole)
    again = OrderFile(tmp_path)
    again.append([entry(1)])
    again.append([entry(1)])
    assert numbers(tail, 4) == [(3, 1), (4, 1)]


def test_a_garbled_line_is_passed_over(tmp_path: Path) -> None:
    order = OrderFile(tmp_path)
    order.append([entry(1)])
    (file,) = (tmp_path / "order").iterdir()
    file.write_bytes(file.read_bytes() + b"garbled\n")
    order.append([entry(1)])
    assert numbers(OrderTail(tmp_path / "order", 0), 2) == [(1, 1), (2, 1)]


def test_a_days_file_that_is_removed_is_left_behind(tmp_path: Path) -> None:
    order = OrderFile(tmp_path)
    order.append([entry(1)])
    tail = OrderTail(tmp_path / "order", 0)
    assert numbers(tail, 1) == [(1, 1)]
    order.append([entry(1, day=1)])
    min((tmp_path / "order").iterdir()).unlink()
    assert numbers(tail, 2) == [(2, 1)]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=12), st.data())
def test_starting_anywhere_gives_exactly_the_rest(
    tmp_path_factory: pytest.TempPathFactory, stretches: list[tuple[int, int]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("order")
    order = OrderFile(folder)
    for count, day in stretches:
        order.append([entry(count, day)])
    after = data.draw(st.integers(0, order.last_seq))
    found = [seq for seq, count in numbers(OrderTail(folder / "order", after), order.last_seq) if count]
    assert found == [
        stretch.seq for stretch in OrderFile(folder).entries(after) if stretch.last > after and stretch.count
    ]


def test_a_position_survives_and_an_odd_one_begins_at_the_newest_record(tmp_path: Path) -> None:
    file = PositionFile(tmp_path / "otlp.json")
    assert file.load(7) == Position(7)
    file.save(Position(5, 1, 2, 3))
    assert file.load(7) == Position(5, 1, 2, 3)
    assert file.load(4) == Position(4)  # a journal that was restored from an older copy
    (tmp_path / "otlp.json").write_text("{")
    assert file.load(7) == Position(7)
