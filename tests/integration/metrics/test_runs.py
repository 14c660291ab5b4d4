"""Questions about runs of automations and the policies over them: what steps take, and one run as one story."""

import asyncio
from pathlib import Path
from typing import Any

from metrics.client import RecorderClient
from metrics.record.events import Event
from metrics.record.journal import FileJournal
from tests.integration.metrics.made_up import ask, ledger
from tests.integration.metrics.support import TS, begin, caught_up, end, recording, write
from tests.integration.metrics.test_service import serving, token


def step(name: str, at_ms: int, status: str = "ok", tenant: str = "acme", **more: Any) -> Event:
    body = {"step_kind": "prompt", "status": status, "duration_ms": 10.0 * at_ms, "attempt": 1, **more}
    return Event(
        f"step.end_{tenant}{at_ms}{name}", "step.end", TS + at_ms * 1000, tenant, "triage", "run_a", name, body=body
    )


async def told(journal: FileJournal) -> None:
    events = [
        begin("call_1", TS + 500),
        end("call_1", TS + 1500, run="run_a", total_ms=1.0),
        step("classify", 2),
        step("classify", 4, "failed", cause="timeout", layer="prompt"),
        step("send", 6),
        step("classify", 3, tenant="other"),
    ]
    await asyncio.gather(*(journal.commit(event, None) for event in events))


def asked(data: Path, name: str, **given: Any) -> list[dict[str, Any]]:
    with recording(data, caught_up) as recorder, serving(recorder) as address:
        return list(RecorderClient(address, lambda: token(recorder, "acme")).query(name, **given).dicts())


def test_each_step_has_its_quantiles_and_failures(tmp_path: Path) -> None:
    write(tmp_path, told)
    first, second = asked(tmp_path, "steps")
    assert (first["step"], first["tries"], first["failed"], first["timeouts"]) == ("classify", 2, 1, 1)
    assert (first["p50_ms"], second["step"], second["p99_ms"]) == (30.0, "send", 60.0)


def test_a_run_is_one_story(tmp_path: Path) -> None:
    write(tmp_path, told)
    found = asked(tmp_path, "story", run="run_a")
    assert [each["kind"] for each in found] == ["call.end", "step.end", "step.end", "step.end"]
    assert (found[0]["call_id"], found[0]["duration_ms"]) == ("call_1", 1.0)
    assert (found[2]["status"], found[2]["cause"], found[2]["layer"]) == ("failed", "timeout", "prompt")


def test_a_policy_version_is_one_row_under_several_versions_of_its_folder(tmp_path: Path) -> None:
    version: dict[str, Any] = {"policy": "draft", "policy_hash": "ab", "git_commit": None, "dirty": False}
    calls = [end(f"c{n}", TS + n, snapshot=name, **version) for n, name in enumerate(("old", "old", "new"))]
    activated = Event("a1", "policy.activated", TS + 2, "", body={"snapshot": "new"})
    book = ledger(tmp_path / "ledger.duckdb", [*calls, activated])
    (found,) = ask(book, "policies").dicts()
    book.close()
    assert (found["calls"], found["snapshot"], found["activated_us"]) == (3, "new", TS + 2)
    assert (found["first_ts_us"], found["last_ts_us"]) == (TS, TS + 2)
