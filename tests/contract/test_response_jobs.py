"""Whatever keeps background jobs: one runner at a time, until the job is done, called off, or its runner is gone."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.responses.jobs import Job, Jobs, MemoryJobs
from gateway.responses.leased import LeasedJobs
from gateway.responses.store import MemoryStore, ResponseStore, Stored
from tests.contract.test_response_stores import KINDS, Clock, postgres_server, sealed_on, sealed_store

__all__ = ["postgres_server"]

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
