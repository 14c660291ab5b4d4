"""Leverage: hours at stake times how well a workflow is suited; candidates need grades, live ones a way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from policy.automations import Automation
from policy.leverage import ranked

GRADE = st.integers(1, 5)


def candidate(
    name: str = "a", runs: float = 100, *, minutes: float = 6, grades: tuple[int, ...] = (5, 5, 5, 1)
) -> Automation:
    names = ("determinism", "measurability", "ease_of_verification", "ambiguity")
    return Automation.model_validate(
        {
            "automation": name,
            "schema": 1,
            "stage": "candidate",
            "owner": "o",
            "purpose": "p",
            "baseline": {"minutes_per_task": 6, "error_rate": 0.1},
            "success": "s",
            "leverage": {"runs_per_week": 100, **dict(zip(names, grades, strict=True))},
        }
    )


def test_the_best_grades_count_all_hours_and_the_worst_none() -> None:
    [best, worst] = ranked([candidate("worst", grades=(1, 1, 1, 5)), candidate("best")])
    assert (best.automation.automation, best.hours, best.fit, best.score) == ("best", 10.0, 1.0, 10.0)
    assert (worst.fit, worst.score) == (0.0, 0.0)
    assert len(worst.mend) == 4


@given(grades=st.tuples(GRADE, GRADE, GRADE, GRADE), place=st.integers(0, 3))
def test_a_better_grade_never_ranks_lower(grades: tuple[int, int, int, int], place: int) -> None:
    step = -1 if place == 3 else 1
    better = list(grades)
    better[place] = min(5, max(1, better[place] + step))
    [before], [after] = ranked([candidate(grades=grades)]), ranked([candidate(grades=tuple(better))])
    assert after.score >= before.score


def test_a_live_automation_needs_a_way_back_and_a_candidate_its_grades() -> None:
    plain = candidate().model_dump(by_alias=True, mode="json")
    for change in ({"stage": "live"}, {"leverage": None}):
        with pytest.raises(ValidationError):
            Automation.model_validate(plain | change)
