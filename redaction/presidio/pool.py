"""A pool of killable detector processes that share one fair queue."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redaction.detect import DetectorDown
from redaction.names.spread import Seen, merge
from redaction.presidio.child import Child
from redaction.presidio.frames import Query, sendable, unpack
from redaction.presidio.pieces import Piece, cut
from redaction.presidio.turns import Job, Turns
from redaction.types import Entity

_BACK_OFF_S = (0.0, 0.1, 0.5, 2.0, 5.0)


class Pool:
    """Runs `processes` children of one program and restarts those that die or are killed.

    A piece that has begun runs at least `least_s`, so that a crowded queue fails requests without killing
    healthy processes; a piece that runs longer than that and its deadline is taken as hung, and its process killed.
    """

    def __init__(self, program: str, processes: int = 2, piece_chars: int = 8_000, least_s: float = 0.25) -> None:
        self._program = program
        self._processes = processes
        self._piece_chars = piece_chars
        self._least_s = least_s
        self._turns = Turns()
        self._tasks: list[asyncio.Task[None]] = []
        self._children: set[Child] = set()

    def start(self) -> None:
        """Begin to start the processes; returns at once."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._keep_one()) for _ in range(self._processes)]

    def ready(self) -> bool:
        """Say whether at least one process can answer."""
        return bool(self._children)

    @property
    def pids(self) -> frozenset[int]:
        """Process ids of the children that are up."""
        return frozenset(child.pid for child in self._children)

    async def close(self) -> None:
        """End all processes."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def find(self, texts: Sequence[str], query: Query, deadline_s: float) -> list[list[Entity]]:
        """Return the entities of each text; raises TimeoutError and DetectorDown as `Detector.find`."""
        self.start()
        due = asyncio.get_running_loop().time() + deadline_s
        groups = cut([sendable(text) for text in texts], self._piece_chars)
        async with asyncio.timeout(deadline_s):
            replies = await self._ask([{"texts": _texts(group), "query": list(query)} for group in groups], due)
            found = _gather(len(texts), groups, replies)
            seen = merge(Seen(*reply["seen"]) for reply in replies)
            if len(groups) > 1 and not seen.empty():
                again = await self._ask([{"texts": _texts(group), "seen": list(seen)} for group in groups], due)
                found = _add(found, _gather(len(texts), groups, again))
        return found

    async def _ask(self, messages: list[dict[str, Any]], due: float) -> list[dict[str, Any]]:
        loop = asyncio.get_running_loop()
        jobs = [Job(message, due, loop.create_future()) for message in messages]
        self._turns.put(jobs)
        try:
            replies = await asyncio.gather(*(job.reply for job in jobs))
        finally:
            for job in jobs:
                job.reply.cancel()
        for reply in replies:
            if "error" in reply:
                raise DetectorDown(f"a recognizer failed: {reply['error']}")
        return list(replies)

    async def _keep_one(self) -> None:
        failures = 0
        while True:
            await asyncio.sleep(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])
            try:
                child = await Child.start(self._program)
            except DetectorDown:
                failures += 1
                continue
            failures = 0
            self._children.add(child)
            try:
                await self._feed(child)
            finally:
                self._children.discard(child)
                await child.end()

    async def _feed(self, child: Child) -> None:
        """Give the child one job after the other, until it is lost."""
        gone = asyncio.create_task(child.gone())
        try:
            while (job := await self._next(gone)) is not None:
                if not job.reply.done() and not await self._run(child, job):
                    return
        finally:
            gone.cancel()

    async def _next(self, gone: asyncio.Task[None]) -> Job | None:
        """Wait for a job, or for the end of the child."""
        get = asyncio.create_task(self._turns.get())
        try:
            await asyncio.wait({get, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            get.cancel()
        if not gone.done():
            return get.result()
        if get.done() and not get.cancelled():
            self._turns.put_back(get.result())
        return None

    async def _run(self, child: Child, job: Job) -> bool:
        """Run one job; False when the child can no longer be used."""
        limit_s = max(job.due - asyncio.get_running_loop().time(), self._least_s)
        try:
            async with asyncio.timeout(limit_s):
                job.resolve(await child.ask({**job.message, "limit_s": limit_s}))
        except TimeoutError:
            job.fail(TimeoutError("a detector process was killed at the deadline"))
            return False
        except (OSError, EOFError):
            job.fail(DetectorDown("a detector process died"))
            return False
        return True


def _texts(group: Sequence[Piece]) -> list[str]:
    return [piece.text for piece in group]


def _gather(count: int, groups: Sequence[Sequence[Piece]], replies: Sequence[dict[str, Any]]) -> list[list[Entity]]:
    """Put the findings of all pieces back into the texts they came from."""
    found: list[list[Entity]] = [[] for _ in range(count)]
    for group, reply in zip(groups, replies, strict=True):
        for piece, entities in zip(group, unpack(reply["found"]), strict=True):
            found[piece.index] += piece.keep(entities)
    return found


def _add(found: list[list[Entity]], again: list[list[Entity]]) -> list[list[Entity]]:
    """Add further occurrences that touch no entity found before."""
    out = []
    for entities, more in zip(found, again, strict=True):
        taken = sorted((e.start, e.end) for e in entities)
        out.append(entities + [e for e in more if not _touches(taken, e)])
    return out


def _touches(taken: list[tuple[int, int]], entity: Entity) -> bool:
    low, high = 0, len(taken)
    while low < high:
        middle = (low + high) // 2
        if taken[middle][1] <= entity.start:
            low = middle + 1
        else:
            high = middle
    return low < len(taken) and taken[low][0] < entity.end
