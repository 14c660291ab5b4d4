"""Comparisons: known values of the tests, and no surprise at the edges."""

from typing import Any

import numpy as np
import pytest

from metrics.health.compare import Slices, compare, fisher


def days(k: list[int], n: list[int], each: int = 1) -> Slices:
    """Days of runs of `each` calls that all end alike."""
    counted, of = np.array(k, float), np.array(n, float)
    sums: list[Any] = [counted, of, counted * each, counted * each, of * each]
    return Slices(*sums)


@pytest.mark.parametrize(
    ("table", "p"),
    [((3, 10, 9, 10), 0.019766611), ((8, 10, 1, 6), 0.034965035), ((0, 5, 5, 5), 0.007936508), ((2, 9, 2, 9), 1.0)],
)
def test_fishers_test_gives_the_values_of_the_textbook(table: tuple[int, int, int, int], p: float) -> None:
    assert fisher(*table) == pytest.approx(p, rel=1e-6)


def test_a_clear_fall_is_seen_and_has_an_interval_around_it() -> None:
    found = compare(days([90] * 28, [100] * 28), days([80] * 7, [100] * 7), 0.01, counts=True)
    assert found is not None
    assert (found.before, found.after) == pytest.approx((0.9, 0.8))
    assert found.low < -0.1 < found.high < 0
    assert found.p < 1e-6
    assert 0 < found.visible < 0.1


def test_calls_that_end_alike_within_their_run_count_as_less() -> None:
    loose = compare(days([52] * 28, [100] * 28), days([45] * 7, [100] * 7), 0.05, counts=True)
    alike = compare(days([52] * 28, [100] * 28, each=10), days([45] * 7, [100] * 7, each=10), 0.05, counts=True)
    assert loose is not None
    assert alike is not None
    assert 10 * loose.p < alike.p
    assert alike.p > 0.05


def test_days_that_differ_by_themselves_make_a_difference_less_sure() -> None:
    calm = compare(days([50] * 28, [100] * 28), days([40] * 7, [100] * 7), 0.05, counts=True)
    wild = compare(days([20, 80] * 14, [100] * 28), days([40] * 7, [100] * 7), 0.05, counts=True)
    assert calm is not None
    assert wild is not None
    assert 50 * calm.p < wild.p
    assert wild.p > 0.05


def test_a_handful_is_never_news_and_an_unchanged_share_is_none() -> None:
    assert compare(days([1, 2], [2, 2]), days([0, 0], [1, 2]), 0.05, counts=True) is None
    assert compare(days([0] * 9, [50] * 9), days([0] * 9, [50] * 9), 0.05, counts=True) is None
    few = compare(days([1] * 14, [10] * 14), days([0, 0], [5, 5]), 0.05, counts=True)
    assert few is not None
    assert few.p > 0.05


def test_the_first_failures_after_none_are_seen() -> None:
    found = compare(days([0] * 28, [100] * 28), days([6] * 7, [100] * 7), 0.001, counts=True)
    assert found is not None
    assert found.p < 0.001
