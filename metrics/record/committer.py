"""Group commit on one thread, and what happens to records while the disk refuses them."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue

from metrics.record.commits import Commit, JournalUnavailableError, Limits, Pending
from metrics.record.gaps import Gaps
from metrics.record.ids import Clock
from metrics.record.keystore import KeyStoreError
from metrics.record.store import Store


class Committer:
    """Runs on its own thread until the queue gives `None`."""

    def __init__(
        self,
        queue: SimpleQueue[list[Pending] | None],
        store: Store,
        gaps: Gaps,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._queue, self._store, self._gaps, self._limits, self._clock = queue, store, gaps, limits, clock
        self._deferred: deque[Pending] = deque()
        self._retry_at = 0.0
        self._failure = ""
        self.available = True

    def run(self) -> None:
        """Take batches until told to stop."""
        going = True
        while going:
            batch, going = self._take()
            if batch or self._deferred or self._gaps.open or self._store.stranded:
                self._guarded(batch, last=not going)
        self._store.close()

    def _take(self) -> tuple[list[Pending], bool]:
        """Wait for a record, then take all that wait with it."""
        batch: list[Pending] = []
        try:
            items = self._queue.get(timeout=self._limits.retry_s if self._deferred else None)
            while items is not None:
                batch += items
                if len(batch) >= self._limits.batch:
                    return batch, True
                items = self._queue.get_nowait()
        except Empty:
            return batch, True
        return batch, False

    def _guarded(self, batch: list[Pending], last: bool) -> None:
        """Keep the thread alive: a record that cannot be written at all must not silence the journal."""
        try:
            self._handle(batch, last)
        except Exception as problem:  # noqa: BLE001 - the one place that must outlive any mistake in a record
            for item in (*self._deferred, *batch):
                self._gaps.note("lost", type(problem).__name__, item.event)
            self._deferred.clear()
            _refuse(batch, type(problem).__name__)

    def _handle(self, batch: list[Pending], last: bool) -> None:
        failure = self._attempts([*self._deferred, *batch], last)
        if failure is None:
            self._deferred.clear()
            _resolve(batch, Commit())
            return
        kept = [item for item in batch if item.serve]
        for item in kept:
            self._keep(item, failure)
        _resolve(kept, Commit(deferred=True))
        _refuse([item for item in batch if not item.serve], failure)

    def _attempts(self, batch: list[Pending], last: bool) -> str | None:
        """Try to make a batch durable; return why it could not be done."""
        if not self.available and time.monotonic() < self._retry_at and not last:
            return self._failure
        for _ in range(self._limits.attempts):
            try:
                self._store.put(batch, self._gaps, self._clock())
            except OSError as problem:
                self._failure = errno.errorcode.get(problem.errno or 0, "EIO")
            except (sqlite3.Error, KeyStoreError):
                self._failure = "key store"
            else:
                self.available = True
                return None
        self.available = False
        self._retry_at = time.monotonic() + self._limits.retry_s
        return self._failure

    def _keep(self, item: Pending, failure: str) -> None:
        self._gaps.note("deferred", failure, item.event)
        self._deferred.append(item)
        if len(self._deferred) > self._limits.deferred_events:
            self._gaps.note("lost", failure, self._deferred.popleft().event)


def _resolve(items: Sequence[Pending], commit: Commit) -> None:
    results = [(item.future, replace(commit, content_shed=True) if item.shed else commit) for item in items]
    _deliver([(future, result) for future, result in results if future])


def _refuse(items: Sequence[Pending], failure: str) -> None:
    error = JournalUnavailableError(f"the record could not be made durable ({failure}); nothing was served")
    _deliver([(item.future, error) for item in items if item.future])


def _deliver(results: Sequence[tuple[asyncio.Future[Commit], Commit | JournalUnavailableError]]) -> None:
    if not results:
        return
    try:
        results[0][0].get_loop().call_soon_threadsafe(_settle, results)
    except RuntimeError:  # the loop has ended; nobody waits any more
        return


def _settle(results: Sequence[tuple[asyncio.Future[Commit], Commit | JournalUnavailableError]]) -> None:
    for future, result in results:
        if future.done():
            continue
        if isinstance(result, Commit):
            future.set_result(result)
        else:
            future.set_exception(result)
