"""The runner of background responses gives up honestly, and lets others go on with what it cannot finish."""

import asyncio
from pathlib import Path
from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.scripted import ScriptedProvider, ScriptedReply
from gateway.responses.jobs import Job, MemoryJobs
from gateway.responses.runner import MAX_TRIES, Runner
from gateway.responses.store import Batch, MemoryStore, Stored
from metrics.record.journal import MemoryJournal
from tests.unit.gateway.making import pipeline, snapshot

FACTS: list[str | None] = ["acme", "support", "drafting", "test", None]


def job(tries: int = 0, **more: Any) -> Job:
    shown = {"id": "resp_1", "status": "queued", "output": []}
    body = {"model": "gpt-test", "input": [{"role": "user", "content": "Hi."}], **more}
    return Job("resp_1", "acme", body, {}, None, None, "key", FACTS, [None] * 5, 2, tries, shown)


async def run_for(seconds: float, runner: Runner) -> None:
    task = asyncio.create_task(runner.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.wait({task})


def ran(tmp_path: Path, waiting: Job, *replies: ScriptedReply | UpstreamError) -> tuple[dict[str, Any], MemoryJobs]:
    store = MemoryStore()
    jobs = MemoryJobs(store)
    runner = Runner(pipeline(snapshot(tmp_path), ScriptedProvider(list(replies)), MemoryJournal()), jobs)

    async def check() -> Stored | None:
        await jobs.put(waiting, None, Stored("resp_1", "x", "", [], waiting.shown, {}))
        await run_for(0.2, runner)
        return await store.get("acme", "resp_1")

    found = asyncio.run(check())
    assert found is not None
    return found.answer, jobs


def test_a_job_that_ended_all_its_workers_fails(tmp_path: Path) -> None:
    answer, jobs = ran(tmp_path, job(tries=MAX_TRIES))
    assert (answer["status"], answer["error"]["code"]) == ("failed", "server_error")
    assert not jobs.waiting


def test_what_was_shown_of_an_answer_is_not_followed_by_another(tmp_path: Path) -> None:
    store = MemoryStore()
    jobs, provider = MemoryJobs(store), ScriptedProvider([])

    async def check() -> Stored | None:
        await jobs.put(job(stream=True), None, Stored("resp_1", "x", "", [], job().shown, {}))
        (taken,) = await jobs.take(frozenset(), 1)
        for number in (1, 2):
            await jobs.say(taken, Batch(number, [{"type": "response.output_text.delta", "delta": "Hel"}]))
        await jobs.give_back(taken.lease)
        await run_for(0.2, Runner(pipeline(snapshot(tmp_path), provider, MemoryJournal()), jobs))
        return await store.get("acme", "resp_1")

    found = asyncio.run(check())
    assert found is not None
    assert (found.answer["status"], found.answer["error"]["code"]) == ("failed", "server_error")
    assert "a part of it was shown" in found.answer["error"]["message"]
    assert not jobs.waiting


def test_a_worker_that_stops_gives_its_job_back(tmp_path: Path) -> None:
    answer, jobs = ran(tmp_path, job(), ScriptedReply(hangs=True))
    assert answer["status"] == "in_progress"
    assert list(jobs.waiting) == ["resp_1"]
    assert not jobs.held
