"""The journal: where a process leaves its records before anybody is told that they exist."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from metrics.record.commits import Commit, JournalUnavailableError, Limits, OnFailure, Pending
from metrics.record.committer import Committer
from metrics.record.content import Content
from metrics.record.events import Event, encode
from metrics.record.fileops import FileOps, OsFiles, make_folder
from metrics.record.gaps import Gaps
from metrics.record.ids import Clock, utc_us
from metrics.record.keystore import KeyStore
from metrics.record.master import MasterKey, master_key
from metrics.record.sealer import Sealer
from metrics.record.segments import CONTENT, META, SegmentWriter
from metrics.record.store import Begins, Store

_GIB = 1 << 30


class Journal(Protocol):
    """One per process; all methods are called from its one event loop."""

    @property
    def available(self) -> bool:
        """Say whether the last attempt to make records durable succeeded."""
        ...

    def write(self, event: Event) -> None:
        """Append an event without syncing it. Never raises: what could not be written is tried again."""
        ...

    async def commit(self, event: Event, content: Content | None = None, *, on_failure: OnFailure = "block") -> Commit:
        """Return once the event and its content are durable.

        Raises `JournalUnavailableError` when they cannot be made durable and `on_failure` is `block`.
        """
        ...

    async def close(self) -> None:
        """Make everything durable and let go of the files."""
        ...


class MemoryJournal:
    """Keeps records in lists. `fail` makes every commit fail, as a full disk would."""

    def __init__(self) -> None:
        self.written: list[Event] = []
        self.committed: list[tuple[Event, Content | None]] = []
        self.deferred: list[tuple[Event, Content | None]] = []
        self.fail = False

    @property
    def available(self) -> bool:
        """Say whether commits succeed."""
        return not self.fail

    @property
    def events(self) -> list[Event]:
        """Every event, begins first."""
        return self.written + [event for event, _ in self.committed]

    def write(self, event: Event) -> None:
        """Keep the event."""
        self.written.append(event)

    async def commit(self, event: Event, content: Content | None = None, *, on_failure: OnFailure = "block") -> Commit:
        """Keep the event and its content."""
        if self.fail and on_failure == "block":
            raise JournalUnavailableError("the journal cannot be written: the test said so")
        (self.deferred if self.fail else self.committed).append((event, content))
        return Commit(deferred=self.fail)

    async def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a process may set about its journal; the defaults are for production."""

    files: FileOps = field(default_factory=OsFiles)
    clock: Clock = utc_us
    limits: Limits = field(default_factory=Limits)


def writer_id(role: str) -> str:
    """Make the name under which one process writes; never used twice."""
    return f"{role}-{os.getpid()}-{secrets.token_hex(4)}"


def open_keystore(data: Path, environ: Mapping[str, str]) -> tuple[KeyStore, MasterKey]:
    """Open the key store of a data folder with its master key."""
    master = master_key(data, environ)
    return KeyStore(data / "keys" / "keystore.sqlite", master), master


class FileJournal:
    """Segment files below DATA/journal; `docs/reference/record.md` has the format."""

    def __init__(self, data: Path, writer: str, keystore: KeyStore, options: Options | None = None) -> None:
        options = options or Options()
        journal = data / "journal"
        make_folder(journal)
        meta, content = (
            SegmentWriter(journal, family, writer, options.files, options.clock, options.limits.segment_bytes)
            for family in (META, CONTENT)
        )
        self.writer = writer
        self._begins = Begins(meta, options.limits.begins)
        self._queue: SimpleQueue[list[Pending] | None] = SimpleQueue()
        self._gathered: list[Pending] = []
        store = Store(content, meta, self._begins, Sealer(keystore), watermark(journal, options.files, options.limits))
        self._committer = Committer(self._queue, store, Gaps(writer), options.limits, options.clock)
        self._thread = threading.Thread(target=self._committer.run, name="journal", daemon=True)

    @property
    def available(self) -> bool:
        """Say whether the last attempt to make records durable succeeded."""
        return self._committer.available

    def write(self, event: Event) -> None:
        """Append a begin in one write, not synced. Never raises: what failed goes with the next commit."""
        self._begins.write(encode(event))

    async def commit(self, event: Event, content: Content | None = None, *, on_failure: OnFailure = "block") -> Commit:
        """Return once content and event are synced. Neither may be changed by the caller meanwhile.

        Raises `JournalUnavailableError` when that cannot be done and `on_failure` is `block`.
        """
        if not self._thread.ident:
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Commit] = loop.create_future()
        if not self._gathered:  # what ends in one turn of the loop goes to the disk together
            loop.call_soon(self._hand_over)
        self._gathered.append(Pending(event, content, on_failure == "serve", future))
        return await future

    async def close(self) -> None:
        """Commit what waits and let go of the files."""
        if not self._thread.ident:
            self._thread.start()
        self._hand_over()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        if gathered:
            self._queue.put(gathered)


def watermark(folder: Path, files: FileOps, limits: Limits, every_s: float = 1.0) -> Callable[[], bool]:
    """Return a question that says whether the disk has room for content; it looks once a second."""
    state = {"at": 0.0, "room": 1.0}

    def room() -> bool:
        now = time.monotonic()
        if now >= state["at"]:
            state["at"] = now + every_s
            free, total = files.free_share(folder)
            floor = limits.content_floor_bytes
            state["room"] = free >= (min(_GIB, total // 20) if floor is None else floor)
        return bool(state["room"])

    return room
