"""Layers: each failed run is laid at one door, by the first rule that applies; layers are scored apart."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from metrics.health.measures import Span, evaluate
from metrics.record.events import Event
from metrics.record.ledger import Ledger
from tests.integration.metrics.made_up import DAY_US, FIRST_US, ask, ledger

SPAN = Span(FIRST_US, FIRST_US + DAY_US)
LOOK = {"ids": "kb.a kb.b", "empty": False, "hits": 2}


class Story:
    """Events of runs, one after the other."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def say(self, run: str, kind: str, step: str | None = None, **body: Any) -> None:
        number = len(self.events)
        self.events.append(Event(f"e{number}", kind, FIRST_US + number, "acme", "support", run, step, body=body))

    def run(
        self, run: str, success: bool | None = False, by: str = "system", corrected: bool = False, **call: Any
    ) -> None:
        """One call in a run, and its outcome."""
        facts = {"call_id": f"call-{run}", "endpoint": "chat.completions", "outcome": "ok", "verdict": "pass", **call}
        self.say(run, "call.end", "draft", **facts)
        if success is not None:
            self.say(run, "outcome", None, run_id=run, metric="success", value=success, source=by, corrected=corrected)


@pytest.fixture
def story() -> Story:
    return Story()


def told(tmp_path: Path, story: Story) -> tuple[Ledger, dict[str, tuple[str, str]]]:
    book = ledger(tmp_path / "ledger.duckdb", story.events)
    rows = ask(book, "faults", since=SPAN.since_us, until=SPAN.until_us).dicts()
    return book, {row["run_id"]: (row["layer"], row["reason"]) for row in rows}


def test_each_failed_run_is_laid_at_the_first_door_that_fits(tmp_path: Path, story: Story) -> None:
    story.run("good", success=True)
    story.run("unheard", success=None)
    story.run("plain")
    story.run("timeout", outcome="error", error_code="upstream_timeout")
    story.run("late")
    story.say("late", "review.decided", None, call_id="call-late", state="expired", review_id="r1")
    story.say("dead", "step.end", "post", status="failed", cause="timeout", layer="orchestration", attempt=5)
    story.say("dead", "dead_letter", "post", cause="timeout", layer="orchestration")
    story.say("mended", "step.end", "post", status="failed", cause="timeout", layer="orchestration", attempt=1)
    story.say("mended", "step.end", "post", status="ok", attempt=2)
    story.run("mended", by="human", corrected=True)
    story.say("nothing", "retrieval", "look", ids="", empty=True, hits=0)
    story.run("nothing", by="human", corrected=True)
    story.say("missed", "retrieval", "look", **LOOK)
    story.say("missed", "retrieval.gold", None, ids="kb.c")
    story.run("missed")
    story.say("found", "retrieval", "look", **LOOK)
    story.say("found", "retrieval.gold", None, ids="kb.b")
    story.run("found", by="human", corrected=True)
    story.run("invalid", scores=[{"kind": "schema", "score": 0.0, "why": "invalid"}])
    story.run("held", outcome="refused", error_code="held_for_review", verdict="hold")
    story.say("cites", "retrieval", "look", **LOOK)
    story.say("cites", "retrieval.cited", None, ids="kb.a", unknown=1)
    story.run("cites")
    story.say("again", "retrieval", "look", ids="", empty=True, hits=0)
    story.say("again", "retrieval", "look", **LOOK)
    story.run("again")
    book, found = told(tmp_path, story)
    book.close()
    assert found == {
        "plain": ("unknown", ""),
        "again": ("unknown", ""),
        "timeout": ("orchestration", "call: upstream_timeout"),
        "late": ("orchestration", "review expired"),
        "dead": ("orchestration", "step: timeout"),
        "mended": ("prompt", "changed or rejected by a human"),
        "nothing": ("retrieval", "search found nothing"),
        "missed": ("retrieval", "search missed what was wanted"),
        "found": ("prompt", "changed or rejected by a human"),
        "invalid": ("prompt", "answer not valid"),
        "held": ("prompt", "answer withheld: hold"),
        "cites": ("prompt", "sources that were not found"),
    }


def test_dead_letters_count_until_somebody_deals_with_them(tmp_path: Path, story: Story) -> None:
    for run, then in (("a", None), ("b", "run.replayed"), ("c", "run.discarded"), ("d", None), ("e", "run.replayed")):
        story.say(run, "step.end", "post", status="failed", cause="timeout")
        story.say(run, "dead_letter", "post", cause="error" if run == "d" else "timeout")
        if then is not None:
            story.say(run, then, None, by="ann")
    story.say("e", "dead_letter", "post", cause="timeout")
    book = ledger(tmp_path / "ledger.duckdb", story.events)
    (row,) = ask(book, "dead_letters", since=SPAN.since_us).dicts()
    book.close()
    assert (row["runs"], row["causes"]) == (3, "error, timeout")


def test_layers_are_scored_apart(tmp_path: Path, story: Story) -> None:
    for number, (ids, wanted) in enumerate((("kb.a kb.b", "kb.b"), ("kb.a", "kb.c"), ("", "kb.a"))):
        story.say(f"r{number}", "retrieval", "look", ids=ids, empty=not ids, hits=len(ids.split()))
        story.say(f"r{number}", "retrieval.gold", None, ids=wanted)
    story.say("r3", "retrieval", "look", **LOOK)
    story.say("r3", "retrieval.cited", None, ids="kb.a", unknown=0)
    valid: dict[str, Any] = {"scores": [{"kind": "schema", "score": 1.0}, {"kind": "grounding", "score": 0.75}]}
    story.run("r3", success=True, by="human", labels={"prompt": "draft@2"}, **valid)
    story.run("r2", by="human", corrected=True, labels={"prompt": "draft@2"})  # its search was empty: not the prompt's
    for attempt, status in ((1, "failed"), (2, "ok")):
        story.say("r3", "step.end", "post", status=status, attempt=attempt, cause="timeout" if attempt == 1 else None)
    story.say("r3", "run.end", None, status="done")
    book, _ = told(tmp_path, story)

    def parts(measure: str, **wanted: Any) -> dict[str, tuple[int | None, int | None]]:
        return {value.part: (value.k, value.n) for value in evaluate(partial(ask, book), measure, SPAN, **wanted)}

    assert parts("layer_retrieval") == {"hit": (2, 4), "precision": (2, 5), "empty": (1, 4)}
    assert parts("layer_prompt", by="prompt") == {"valid": (1, 1), "declined": (0, 2), "overridden": (0, 1)}
    expected = {"failed": (1, 2), "timeout": (1, 2), "again": (1, 2), "dead": (0, 1), "duplicates": (0, 2)}
    assert parts("layer_orchestration") == expected
    (mean,) = evaluate(partial(ask, book), "groundedness", SPAN)
    assert (mean.value, mean.n, mean.unknown) == (0.75, 1, 1)
    book.close()
