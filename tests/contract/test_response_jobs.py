"""Whatever keeps background jobs: one runner at a time, until the job is done, called off, or its runner is gone."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.control import sealed
from gateway.responses.jobs import Job, Jobs, MemoryJobs
from gateway.responses.leased import LeasedJobs
from gateway.responses.store import KIND, Batch, MemoryStore, ResponseStore, Stored
from metrics.proof.erasure import Target
from tests.contract.test_response_stores import KINDS, Clock, sealed_on, sealed_store

FACTS = ["acme", None, "drafting", None, None]
JOB = Job("resp_1", "acme", {"model": "m", "input": []}, {"[A]": "ann"}, None, None, "key", FACTS, [None], 2)
QUEUED = Stored("resp_1", "drafting", "", [], {"status": "queued"}, {})
DONE = Stored("resp_1", "drafting", "test", [], {"status": "completed"}, {})


@pytest.fixture(params=KINDS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Jobs, ResponseStore]]:
    if request.param == "memory":
        memory = MemoryStore()
        yield MemoryJobs(memory), memory
    else:
        with sealed_on(request.param, request, tmp_path) as store:
            yield LeasedJobs(store, "one"), store


def status(store: ResponseStore) -> str:
    found = asyncio.run(store.get("acme", "resp_1"))
    assert found is not None
    return str(found.answer["status"])


def test_a_job_is_taken_once_and_done_once(kept: tuple[Jobs, ResponseStore]) -> None:
    jobs, store = kept

    async def check() -> None:
        await jobs.put(JOB, None, QUEUED)
        (taken,) = await jobs.take(frozenset(), 5)
        assert (taken.job.values, taken.job.tries) == ({"[A]": "ann"}, 1)
        assert not await jobs.take(frozenset({"resp_1"}), 5)
        assert await jobs.hold(taken.lease)
        assert await jobs.show(taken, DONE, last=True)
        assert not await jobs.show(taken, QUEUED, last=True)
        assert not await jobs.take(frozenset(), 5)

    asyncio.run(check())
    assert status(store) == "completed"


def test_a_job_that_was_given_back_is_taken_again(kept: tuple[Jobs, ResponseStore]) -> None:
    jobs, _ = kept

    async def check() -> None:
        await jobs.put(JOB, None, QUEUED)
        (taken,) = await jobs.take(frozenset(), 5)
        await jobs.give_back(taken.lease)
        (again,) = await jobs.take(frozenset(), 5)
        assert again.job.tries == 2

    asyncio.run(check())


def test_a_cancelled_job_is_nobodys(kept: tuple[Jobs, ResponseStore]) -> None:
    jobs, store = kept
    cancelled = Stored("resp_1", "drafting", "", [], {"status": "cancelled"}, {})

    async def check() -> None:
        await jobs.put(JOB, None, QUEUED)
        (taken,) = await jobs.take(frozenset(), 5)
        assert await jobs.cancel("acme", cancelled)
        assert not await jobs.cancel("acme", cancelled)
        assert not await jobs.hold(taken.lease)
        assert not await jobs.show(taken, DONE, last=True)

    asyncio.run(check())
    assert status(store) == "cancelled"


def test_what_a_streamed_job_says_is_kept_in_order_until_the_response_is_removed(
    kept: tuple[Jobs, ResponseStore],
) -> None:
    jobs, store = kept
    streamed = replace(JOB, body=JOB.body | {"stream": True})

    async def check() -> None:
        await jobs.put(streamed, None, QUEUED)
        (taken,) = await jobs.take(frozenset(), 5)
        for number in range(1, 12):
            assert await jobs.say(taken, Batch(number, [{"type": f"event {number}"}]))
        assert await jobs.said(taken.job) == 12
        found = await store.events("acme", "resp_1", 0)
        assert [batch.number for batch in found] == list(range(12))
        assert [event["type"] for event in found[0].events] == ["response.created", "response.queued"]
        assert await store.events("acme", "resp_1", 11) == [Batch(11, [{"type": "event 11"}])]
        assert not await store.events("other", "resp_1", 0)
        assert not await store.events("acme", "resp", 0)
        assert await jobs.cancel("acme", DONE)
        assert not await jobs.say(taken, Batch(12, [{"type": "late"}]))
        await store.remove("acme", "resp_1")
        assert not await store.events("acme", "resp_1", 0)

    asyncio.run(check())


def test_events_go_with_their_response_when_it_is_erased(tmp_path: Path) -> None:
    store = sealed_store(tmp_path)
    jobs = LeasedJobs(store, "one")

    async def check() -> None:
        for name, subject in (("resp_1", None), ("resp_2", "u-17"), ("resp_10", None)):
            shown = replace(QUEUED, response_id=name)
            await jobs.put(replace(JOB, response_id=name, body={"input": [], "stream": True}), subject, shown)
        sealed.erase(store.database, Target("acme", (), items=((KIND, "resp_1"),)))
        sealed.erase(store.database, Target("acme", ("ref:acme:u-17",)))
        left = [name for name in ("resp_1", "resp_2", "resp_10") if await store.events("acme", name, 0)]
        assert left == ["resp_10"]

    asyncio.run(check())


def test_another_worker_takes_over_when_a_lease_runs_out(tmp_path: Path) -> None:
    clock = Clock()
    store = sealed_store(tmp_path, clock)
    one, two = LeasedJobs(store, "one"), LeasedJobs(store, "two")

    async def check() -> None:
        await one.put(JOB, None, QUEUED)
        (first,) = await one.take(frozenset(), 5)
        assert not await two.take(frozenset(), 5)
        clock.now_us += 16_000_000
        (second,) = await two.take(frozenset(), 5)
        assert second.job.tries == 2
        assert not await one.hold(first.lease)
        assert not await one.show(first, QUEUED, last=True)
        assert await two.show(second, DONE, last=True)

    asyncio.run(check())
    assert status(store) == "completed"
