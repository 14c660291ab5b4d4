"""The recorder: one thread that owns the ledger and keeps it up to date with the journal, whatever happens."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from metrics.record.audited import Audit, Feed, NoAudit
from metrics.record.contents import Contents
from metrics.record.errands import Errands, Rate
from metrics.record.fileops import make_folder
from metrics.record.housekeeping import compress_finished
from metrics.record.ids import Clock, utc_us
from metrics.record.ingest import Counters, Files, Ingest
from metrics.record.journal import open_keystore
from metrics.record.keystore import KeyStoreError
from metrics.record.ledger import Ledger, LedgerError, NewerLedgerError, Progress
from metrics.record.ledger_file import Copying, Door, LedgerBusyError, is_damage, open_ledger, put_in_place, set_aside
from metrics.record.master import MasterKey
from metrics.record.order import OrderFile
from metrics.record.own import OwnSegments, told
from metrics.record.replay import replay

_FAILURES = (LedgerError, LedgerBusyError, NewerLedgerError, KeyStoreError, OSError, sqlite3.Error)
_REPLACED = "the ledger's file was removed or replaced while it was open; it is opened again"
_LOOK_EVERY_S = 1.0
_COPY_AGAIN_S = 3600.0
_AGGREGATED_AT_ONCE = 1_000_000


class RecorderRunningError(RuntimeError):
    """Another recorder works on this data folder."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the recorder looks, and what it may use."""

    poll_s: float = 0.08
    batch_s: float = 1.4  # under load: a batch costs about 20 ms whatever its size
    busy_rate: float = 100.0  # records a second from which on it is waited so long
    refresh_s: float = 15.0  # runs and days under load
    refresh_rest: float = 19.0  # and at any time so many times what the last refresh took
    retry_s: float = 0.5
    house_s: float = 60.0
    replayed: int = 20_000  # records inserted at once while the ledger is made again
    memory_limit: str = "1GB"

    def wait_s(self, rate: float) -> float:
        """Return how long to rest: the more records come, the longer, so that batches are large."""
        return max(self.poll_s, self.batch_s * min(1.0, rate / self.busy_rate))


@dataclass(slots=True)
class State:
    """What `/status` tells."""

    phase: str = "starting"  # starting, rebuilding, running, degraded, stopped
    problem: str | None = None
    set_aside: str | None = None
    missing: list[str] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    aggregated_seq: int = 0
    last_step_us: int = 0


class Recorder:
    """Holds the folder's recorder lock from construction to `close`."""

    def __init__(
        self,
        data: Path,
        environ: Mapping[str, str],
        clock: Clock = utc_us,
        pace: Pace | None = None,
        audit: Callable[[MasterKey], Audit] | None = None,
    ) -> None:
        self.data, self._clock, self._pace = data, clock, pace or Pace()
        self.zone = environ.get("SLUICE_TIME_ZONE") or "UTC"
        make_folder(data / "journal")
        self._lock = _lock(data / "recorder.lock")
        self.keystore, self.master = open_keystore(data, environ)
        journal = data / "journal"
        self._files = Files(journal, OrderFile(journal), OwnSegments(journal, clock), self.keystore)
        self.counters = Counters()
        for segment, skip in self._files.order.recent_damage():
            self.counters.damage(segment, skip.start, skip.end, skip.reason)
        self._audit: Audit = audit(self.master) if audit else NoAudit()
        self.state = State()
        self.door = Door()
        self.errands = Errands()
        self.contents = Contents(self.door, journal, self.keystore, self._audit.leaf)
        self._doubt, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self.run, name="recorder")
        self._ingest: Ingest | None = None
        self._refresh_at = self._copy_at = 0.0
        self._copying: Copying | None = None
        self._copy: Path | None = None  # of the ledger, to be put in its place

    def start(self) -> None:
        """Work on a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Finish the step at hand, write the ledger, free the locks."""
        self._stop.set()
        if self._thread.ident:
            self._thread.join()
        self._audit.close()
        self._files.own.close()
        self.keystore.close()
        os.close(self._lock)
        self.state.phase = "stopped"

    def now_us(self) -> int:
        """Return the time by the recorder's clock."""
        return self._clock()

    def tell(self, kind: str, actor: str, tenant: str, **body: Any) -> None:
        """Record, durably, what somebody did through the recorder; any thread may. Raises `OSError`."""
        self._files.own.append([told(kind, actor, tenant, self.now_us(), **body)])

    def doubt(self, problem: duckdb.Error) -> None:
        """Tell the recorder that a question met a damaged file."""
        if is_damage(problem):
            self._doubt.set()

    def run(self) -> None:
        """Keep the ledger up to date until `close`; every failure is said in the state and tried again."""
        over = False
        while not over:
            try:
                over = self._live()
            except _FAILURES as problem:
                over = self._stop.is_set()
                self.state.phase, self.state.problem = "degraded", str(problem).splitlines()[0]
                if isinstance(problem, duckdb.Error):
                    self.doubt(problem)
            finally:
                self._ingest = None
                if self._copying:
                    self._copying.close()
                    self._copying = None
                self.door.close()
            if self._doubt.is_set():
                self._doubt.clear()
                self.state.set_aside = "it was damaged while it was open"
                set_aside(self.data / "ledger.duckdb")
            if self._copy:
                put_in_place(self._copy, self.data / "ledger.duckdb")
                self._copy, self._copy_at = None, 0.0
            elif not over:
                self._stop.wait(self._pace.retry_s)

    def status(self) -> dict[str, Any]:
        """Describe the recorder.

        `behind_bytes` is looked up now: 0 means that every durable record can be asked for; `caught_up` means that
        runs and days show it too.
        """
        behind = self.behind()  # before the numbers: they may only be newer
        state, counters, order_seq = self.state, self.counters, self._files.order.last_seq
        current = state.phase == "running" and not behind and state.progress.seq == order_seq
        return {
            "phase": state.phase,
            "problem": state.problem,
            "caught_up": current and state.aggregated_seq == order_seq,
            "behind_bytes": behind,
            "seq": state.progress.seq,
            "ts_us": state.progress.ts_us,
            "order_seq": order_seq,
            "aggregated_seq": state.aggregated_seq,
            "last_step_us": state.last_step_us,
            "records": counters.records,
            "duplicates": counters.duplicates,
            "interrupted": counters.interrupted,
            "damaged": list(counters.damaged),
            "order_damage": list(self._files.order.damage),
            "set_aside": state.set_aside,
            "missing": list(state.missing),
            "audit": self._audit.status(),
        }

    @property
    def order(self) -> OrderFile:
        """The order of all records, for whoever reads what the recorder wrote."""
        return self._files.order

    def behind(self) -> int:
        """Return how many bytes of records are not in the ledger yet; -1 when that is not known."""
        ingest = self._ingest
        try:
            return ingest.behind if ingest else -1
        except OSError:
            return -1

    def _live(self) -> bool:
        """Open the ledger, bring it up to the order file, then follow the journal; say whether that was to the end."""
        order = self._files.order
        ledger, reason = open_ledger(self.data / "ledger.duckdb", order, self._pace.memory_limit, self.zone)
        self.state.set_aside = reason or self.state.set_aside
        self.door.open(ledger)
        if not self._catch_up(ledger):  # what is numbered and not in the ledger would be numbered again
            return True
        self._ingest = Ingest(self._files, ledger, self.counters, self._clock)
        self.state.phase, self.state.problem = "running", None
        feed = Feed(self._audit, order, self._files.journal, self.keystore)
        for taken in self._steps(ledger):
            self._refresh(ledger, quiet=not taken)
            self._feed(feed, self._ingest, ledger)
        if not self._stop.is_set():
            return False
        for _ in range(2):  # what stands there now is numbered, then signed too
            self._ingest.step()
            self._feed(feed, self._ingest, ledger)
        return True

    @staticmethod
    def _feed(feed: Feed, ingest: Ingest, ledger: Ledger) -> None:
        feed.give(ingest.ripe, ingest.facts, ledger)
        ingest.ripe.clear()

    def _catch_up(self, ledger: Ledger) -> bool:
        """Insert what the order file numbered and the ledger lacks; say whether all of it is in, or stopped before."""
        self.state.phase, self.state.missing, self.state.progress = "rebuilding", [], ledger.progress()
        order, at_once = self._files.order, self._pace.replayed
        for _ in replay(self._files.journal, order, ledger, self.state.missing, at_once=at_once):
            self.state.progress = ledger.progress()
            if self._stop.is_set() and self.state.progress.seq < order.last_seq:
                return False
        self.state.aggregated_seq = ledger.aggregated()
        return True

    def _steps(self, ledger: Ledger) -> Iterator[int]:
        """Take in what is new; yield how many records each step took."""
        look_at = time.monotonic() + _LOOK_EVERY_S
        house_at = time.monotonic() + min(_LOOK_EVERY_S, self._pace.house_s)
        rate = Rate(time.monotonic(), 2 * self._pace.busy_rate)
        while self._ingest and not (self._stop.is_set() or self._doubt.is_set() or self._copy):
            taken = self._ingest.step()
            self.state.last_step_us = self.now_us()
            if taken:
                self.state.progress = ledger.progress()
            now = time.monotonic()
            yield taken
            self.errands.run(ledger)
            if now >= look_at:
                look_at = now + _LOOK_EVERY_S
                if not ledger.in_place:
                    raise LedgerBusyError(_REPLACED)
            if now >= house_at:
                house_at = now + self._pace.house_s
                self._keep_house(ledger, now)
            if not self._ingest.more:
                self._stop.wait(self._pace.wait_s(rate.add(taken, now)))

    def _keep_house(self, ledger: Ledger, now: float) -> None:
        """Pack what is finished; copy a ledger from which rows were deleted, again in an hour if that fails."""
        compress_finished(self._files.journal, ledger.positions(), self.now_us())
        if self._copying and self._copying.done:
            self._copy, self._copying = self._copying.close(), None
        elif not self._copying and now >= self._copy_at and ledger.forgotten():
            self._copying, self._copy_at = Copying(ledger, self.door), now + _COPY_AGAIN_S

    def _refresh(self, ledger: Ledger, quiet: bool) -> None:
        """Bring runs and days up to date: when nothing comes in, else now and then, never much of the time."""
        since, seq, now = self.state.aggregated_seq, self.state.progress.seq, time.monotonic()
        if seq == since or now < (self._refresh_at if quiet else self._refresh_at + self._pace.refresh_s):
            return
        seq = min(seq, since + _AGGREGATED_AT_ONCE)
        ledger.refresh(since, seq)
        self.state.aggregated_seq = seq
        spent = time.monotonic() - now
        self._refresh_at = now + spent + max(6 * self._pace.poll_s, self._pace.refresh_rest * spent)


def rebuild(data: Path, environ: Mapping[str, str]) -> Recorder:
    """Set the ledger aside and return a stopped recorder whose start makes it again; each number stays as it was."""
    recorder = Recorder(data, environ)
    set_aside(data / "ledger.duckdb")
    return recorder


def _lock(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        os.close(fd)
        raise RecorderRunningError("another recorder is already running on this data folder") from problem
    return fd
