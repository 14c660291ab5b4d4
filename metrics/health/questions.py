"""Every named question that a recorder answers: those of the record, and those about health."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from metrics.health.measures import MeasureQuestion, MeasuresQuestion, StagesQuestion
from metrics.record.queries import Question, load_queries

_FOLDER: Final = Path(__file__).parent / "queries"


def all_questions(zone: str | None = None) -> dict[str, Question]:
    """Return the questions by name, in the order of their names. `zone`: of the ledger's days."""
    of_rows = load_queries()
    health: list[Question] = [
        MeasureQuestion(zone=zone),
        MeasuresQuestion(),
        StagesQuestion(of_rows["latency_by_stage"], zone),
    ]
    found: dict[str, Question] = {**of_rows, **load_queries(_FOLDER), **{each.name: each for each in health}}
    return dict(sorted(found.items()))
