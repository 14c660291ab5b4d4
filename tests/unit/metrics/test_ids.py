from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from metrics.record.ids import time_ordered, utc_us


@given(st.lists(st.integers(0, 2**54), min_size=2, max_size=10, unique=True))
def test_ids_sort_by_time(times: list[int]) -> None:
    made = [time_ordered("call_", ts) for ts in sorted(times)]
    assert all(one < other for one, other in pairwise(made))


def test_ids_of_the_same_moment_differ_by_chance_alone() -> None:
    now = utc_us()
    assert time_ordered("x", now, bytes) == time_ordered("x", now, bytes)
    assert time_ordered("x", now) != time_ordered("x", now)
    assert len(time_ordered("", now)) == 24
