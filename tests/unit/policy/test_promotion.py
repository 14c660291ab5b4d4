"""A canary grows only on evidence, loses everything on evidence, and keeps its runs while it grows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.blocks_routing import Holds, Split
from policy.measures import Counts, interval, stands, wilson
from policy.promotion import Standing, begin, decide, evidence
from policy.routing import pick_arm, point

HOUR_US = 3_600_000_000


def split(share: float = 0.1, *requires: dict[str, Any], **more: Any) -> Split:
    arms = [{"name": n, "model": n, "share": s} for n, s in (("old", 0.6), ("older", 0.4 - share), ("new", share))]
    plan = {"arm": "new", "step": 0.2, "every": "1h", "min_calls": 50, "up_to": 0.5, **more}
    bounds = requires or ({"measure": "error", "at_most": 0.1},)
    return Split.model_validate({"name": "canary", "arms": arms, "promote": {**plan, "requires": bounds}})


def test_it_grows_step_by_step_while_the_measures_hold_and_no_further_than_asked() -> None:
    canary, good = split(), Counts(calls=200, failed=2)
    standing, shares = begin(canary, 0), []
    for hour in range(1, 5):
        standing = decide(canary, standing, good, hour * HOUR_US)
        shares.append(standing.share)
    assert shares == [0.3, 0.5, 0.5, 0.5]
    assert standing.reason == "measures hold"


@pytest.mark.parametrize(
    ("counts", "at_us"),
    [
        (Counts(calls=200, failed=2), HOUR_US - 1),  # too early
        (Counts(calls=49), HOUR_US),  # too few calls
        (Counts(calls=60, failed=3), HOUR_US),  # not sure yet
        (Counts(), HOUR_US),
    ],
)
def test_without_evidence_it_stays(counts: Counts, at_us: int) -> None:
    canary = split()
    assert decide(canary, begin(canary, 0), counts, at_us) == begin(canary, 0)


def test_what_broke_falls_back_at_once_and_for_good() -> None:
    canary = split()
    fallen = decide(canary, begin(canary, 0), Counts(calls=10, failed=9), 5)
    assert (fallen.share, fallen.reason, fallen.over) == (0.0, "broken: error", True)
    assert decide(canary, fallen, Counts(calls=1000), 9 * HOUR_US) == fallen


@pytest.mark.parametrize(
    ("bound", "good", "bad"),
    [
        ({"measure": "success", "at_least": 0.8}, Counts(known=100, succeeded=95), Counts(known=100, succeeded=60)),
        ({"measure": "override", "at_most": 0.2}, Counts(seen=100, overridden=5), Counts(seen=100, overridden=40)),
        ({"measure": "latency_p95_s", "at_most": 2}, Counts(calls=500, slow=5), Counts(calls=500, slow=60)),
        (
            {"measure": "cost_per_success_usd", "at_most": 0.1},
            Counts(runs=100, cost_usd=5, cost_sq=0.3, known=100, succeeded=90),
            Counts(runs=100, cost_usd=20, cost_sq=4.5, known=100, succeeded=90),
        ),
    ],
)
def test_each_measure_tells_good_from_bad_and_says_when_it_cannot(
    bound: dict[str, Any], good: Counts, bad: Counts
) -> None:
    holds = Holds.model_validate(bound)
    assert (stands(holds, good), stands(holds, bad), stands(holds, Counts())) == (True, False, None)
    low, high = interval(holds, good)
    assert 0 <= low < high
    assert [row[0] for row in evidence(split(0.1, bound), good)] == [bound["measure"]]


@given(st.integers(0, 500), st.integers(1, 500))
def test_an_interval_holds_its_share(hits: int, of: int) -> None:
    hits = min(hits, of)
    low, high = wilson(hits, of)
    assert 0 <= low <= hits / of <= high <= 1


@given(st.text(max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_a_run_in_the_growing_arm_stays_in_it(run: str, share: float, more: float) -> None:
    canary, at = split(), point("canary", run)
    less, most = sorted((share, more))
    if pick_arm(canary, at, less)[0].name == "new":
        assert pick_arm(canary, at, most)[0].name == "new"
    assert pick_arm(canary, at, 0.0)[0].name != "new"
    assert pick_arm(canary, at, 1.0)[0].name == "new"


def test_the_others_keep_their_proportions() -> None:
    canary = split(0.1)
    found = [pick_arm(canary, number / 10_000, 0.5)[0].name for number in range(10_000)]
    assert [found.count(name) for name in ("new", "old", "older")] == pytest.approx([5000, 3333, 1667], abs=2)


def test_another_split_begins_anew() -> None:
    assert split(0.1).key == split(0.1).key != split(0.2).key
    assert Standing(0.1, 0, "declared") == begin(split(), 0)
