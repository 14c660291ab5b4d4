"""The question `audited`: what a certificate is fitted from."""

from pathlib import Path
from typing import Any

from metrics.record.events import Event
from metrics.record.journal import FileJournal
from metrics.record.queries import load_queries
from tests.integration.metrics.support import TS, begin, end, recording, rows, write

DAY_US = 86_400_000_000
AUDIT = {
    "rate": 1.0, "drawn": True, "window": "none/1", "deadline_s": 86_400, "certificate": None, "reason": "absent",
    "probability": None, "prompt": "sort@2", "model": "m-1", "scorer": "0" * 12, "policy": "1" * 12,
}  # fmt: skip


class Story:
    """Calls and outcomes, written as the gateway writes them."""

    def __init__(self, journal: FileJournal) -> None:
        self._journal, self._said = journal, 0

    async def call(self, name: str, *, run: str | None = None, **audit: Any) -> None:
        self._journal.write(begin(name))
        body: dict[str, Any] = (
            {"confidence": 0.75, "audit": AUDIT | audit} if audit.get("drawn", True) is not None else {}
        )
        await self._journal.commit(end(name, run=run, **body))

    async def outcome(self, about: str, value: Any, *, after_us: int = 10, **said: Any) -> None:
        self._said += 1
        of = {"run_id": about} if about.startswith("run") else {"call_id": about}
        body = {**of, "metric": "success", "value": value, "source": "system", "corrected": False, **said}
        body["received_us"] = TS + after_us
        event = Event(f"outcome_{self._said}", "outcome", TS + 5, "acme", "triage", run=of.get("run_id"), body=body)
        await self._journal.commit(event)


def test_who_counts_and_what_became_of_them(tmp_path: Path) -> None:
    async def use(journal: FileJournal) -> None:
        story = Story(journal)
        for name in ("right", "wrong", "corrected", "overridden", "silent", "human", "late", "late_wrong", "text"):
            await story.call(f"call_{name}")
        await story.call("call_tails", drawn=False)
        await story.call("call_plain", drawn=None)
        await story.call("call_alone", run="run_1")
        await story.call("call_one", run="run_2")
        await story.call("call_two", run="run_2")
        await story.outcome("call_right", True)
        await story.outcome("call_wrong", False)
        await story.outcome("call_corrected", True, corrected=True)
        await story.outcome("call_overridden", "override", metric="override")
        await story.outcome("call_human", False)
        await story.outcome("call_human", True, source="human")
        await story.outcome("call_human", False, source="judge")
        await story.outcome("call_late", True, after_us=2 * DAY_US)
        await story.outcome("call_late_wrong", False, after_us=2 * DAY_US)
        await story.outcome("call_text", None)
        await story.outcome("call_tails", False)
        await story.outcome("run_1", True)
        await story.outcome("run_2", True)

    write(tmp_path, use)
    query = load_queries()["audited"]
    with recording(tmp_path) as recorder:
        sql, bound = query.prepare("acme", {})
        found = {row[0].removeprefix("call_"): row[5] for row in rows(recorder, sql, bound)}
    assert found == {
        "right": False, "wrong": True, "corrected": True, "overridden": True, "silent": None, "human": False,
        "late": None, "late_wrong": True, "text": None, "alone": False, "one": None, "two": None,
    }  # fmt: skip
