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
        self._idle: list[Child] = []  # the last one to be freed is taken first: its memory is warm

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
        self._hand_out()
        try:
            replies = [await jobs[0].reply] if len(jobs) == 1 else await asyncio.gather(*(job.reply for job in jobs))
        finally:
            for job in jobs:
                job.reply.cancel()
        for reply in replies:
            if "error" in reply:
                raise DetectorDown(f"a recognizer failed: {reply['error']}")
        return replies

    def _hand_out(self) -> None:
        """Give jobs to the processes that have none."""
        while self._idle and (job := self._turns.take()) is not None:
            limit_s = max(job.due - asyncio.get_running_loop().time(), self._least_s)
            self._idle.pop().run(job, limit_s)

    def _free(self, child: Child) -> None:
        self._idle.append(child)
        self._hand_out()

    async def _keep_one(self) -> None:
        failures = 0
        while True:
            await asyncio.sleep(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])
            try:
                child = await Child.start(self._program, self._free)
            except DetectorDown:
                failures += 1
                continue
            failures = 0
            self._children.add(child)
            self._free(child)
            try:
                await child.gone()
            finally:
                self._children.discard(child)
                self._idle = [other for other in self._idle if other is not child]
                await child.end()


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
