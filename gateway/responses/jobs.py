"""Background responses that wait or run: each is a sealed job, and whoever holds its lease runs it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson

from gateway.responses.store import Batch, MemoryStore, Stored


@dataclass(frozen=True, slots=True)
class Job:
    """What it takes to run a response later: the cleared request, its values apart, and who asked."""

    response_id: str
    tenant: str
    body: dict[str, Any]
    values: dict[str, str]
    provider: str | None
    previous: str | None
    key_id: str
    facts: list[str | None]
    labels: list[str | None]
    days: int
    tries: int = 0
    shown: dict[str, Any] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """Return the job as JSON."""
        return orjson.dumps(self)

    @property
    def streams(self) -> bool:
        """Whether its caller follows the answer as it comes."""
        return bool(self.body.get("stream"))


class Taken(NamedTuple):
    """A job and the proof that it is ours to run."""

    job: Job
    lease: Any
    ref: str | None = None  # the random reference of its subject


def begun(shown: Stored) -> Batch:
    """Return the events with which the stream of a queued response begins."""
    kinds = ("response.created", "response.queued")
    return Batch(0, [{"type": kind, "response": shown.answer, "sequence_number": 0} for kind in kinds])


class Jobs(Protocol):
    """Keeps jobs until they are finished, and gives each to one runner at a time.

    All raise ControlError when the store does not answer.
    """

    async def put(self, job: Job, subject: str | None, shown: Stored) -> None:
        """Queue a job, and show its response as it is now."""

    async def take(self, running: frozenset[str], most: int) -> Sequence[Taken]:
        """Take jobs that nobody runs; each counts one more try."""

    async def hold(self, lease: Any) -> bool:
        """Keep a job for longer; False when it was cancelled or is somebody else's."""

    async def give_back(self, lease: Any) -> None:
        """Let somebody else run a job."""

    async def show(self, taken: Taken, shown: Stored, *, last: bool) -> bool:
        """Show a response in a new state, `last`: the job is done; False when it is no longer ours."""

    async def say(self, taken: Taken, batch: Batch) -> bool:
        """Keep events of a streamed response for those who follow it; False when it is no longer ours."""

    async def said(self, job: Job) -> int:
        """Return how many batches of events were kept."""

    async def cancel(self, tenant: str, shown: Stored) -> bool:
        """End a job that waits or runs, wherever; False when there is none."""


class MemoryJobs:
    """The fake beside the protocol: one process, no expiry."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.waiting: dict[str, Job] = {}
        self.held: set[str] = set()

    async def put(self, job: Job, subject: str | None, shown: Stored) -> None:
        """Queue a job."""
        self.waiting[job.response_id] = job
        await self._store.put(job.tenant, subject, shown, job.days)
        if job.streams:
            self._store.said[job.tenant, job.response_id] = [begun(shown)]

    async def take(self, running: frozenset[str], most: int) -> Sequence[Taken]:
        """Take jobs that nobody runs."""
        free = [job for name, job in self.waiting.items() if name not in self.held][:most]
        return [await self._taken(job) for job in free]

    async def _taken(self, job: Job) -> Taken:
        self.held.add(job.response_id)
        again = Job(**orjson.loads(job.encoded()) | {"tries": job.tries + 1})
        self.waiting[job.response_id] = again
        return Taken(again, job.response_id)

    async def hold(self, lease: Any) -> bool:
        """Keep a job."""
        return lease in self.waiting

    async def give_back(self, lease: Any) -> None:
        """Let somebody else run a job."""
        self.held.discard(lease)

    async def show(self, taken: Taken, shown: Stored, *, last: bool) -> bool:
        """Show a response in a new state."""
        name = taken.job.response_id
        if name not in self.waiting:
            return False
        if last:
            del self.waiting[name]
            self.held.discard(name)
        await self._store.put(taken.job.tenant, None, shown, taken.job.days)
        return True

    async def say(self, taken: Taken, batch: Batch) -> bool:
        """Keep events."""
        job = taken.job
        if job.response_id in self.waiting:
            self._store.said.setdefault((job.tenant, job.response_id), []).append(batch)
        return job.response_id in self.waiting

    async def said(self, job: Job) -> int:
        """Return how many batches of events were kept."""
        return len(self._store.said.get((job.tenant, job.response_id), ()))

    async def cancel(self, tenant: str, shown: Stored) -> bool:
        """End a job."""
        job = self.waiting.pop(shown.response_id, None)
        if job is None:
            return False
        self.held.discard(shown.response_id)
        await self._store.put(tenant, None, shown, job.days)
        return True
