"""Opens the ledger, whatever state its file is in: a bad one is set aside and made again from the journal."""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb

from metrics.record.fileops import sync_folder
from metrics.record.ledger import Ledger, LedgerError, OlderLedgerError
from metrics.record.order import OrderFile
from metrics.record.replay import agrees

_LOG = logging.getLogger("sluice.recorder")
_ELSEWHERE = ("could not set lock", "no space left", "permission denied", "too many open files")
_DAMAGE = ("checksum", "corrupt", "invalidated", "not a valid duckdb")


class LedgerBusyError(RuntimeError):
    """The ledger cannot be opened for a reason that may pass; the sentence says which."""


class NotReadyError(RuntimeError):
    """The ledger is being opened or made again."""


def is_damage(problem: duckdb.Error) -> bool:
    """Say whether an error means that the file itself is bad."""
    text = str(problem).lower()
    return isinstance(problem, duckdb.FatalException) or any(word in text for word in _DAMAGE)


def open_ledger(path: Path, order: OrderFile, memory_limit: str, zone: str = "UTC") -> tuple[Ledger, str | None]:
    """Open the ledger; return it and, if the old file had to be set aside, why.

    Raises `LedgerBusyError` when waiting may help.
    """
    try:
        ledger = Ledger(path, memory_limit, zone)
        if agrees(order, ledger):
            return ledger, None
        reason = "it does not belong to this order file"
        ledger.close()
    except OlderLedgerError as problem:
        reason = str(problem)
    except LedgerError as problem:
        if not is_damage(problem) and any(word in str(problem).lower() for word in _ELSEWHERE):
            raise LedgerBusyError(f"{path.name} cannot be opened: {_first_line(problem)}") from problem
        reason = f"it cannot be read: {_first_line(problem)}"
    set_aside(path)
    return Ledger(path, memory_limit, zone), reason


def set_aside(path: Path) -> None:
    """Rename a ledger and its log; one such pair is kept for a look at what happened."""
    for old in (path, path.with_name(path.name + ".wal")):
        with contextlib.suppress(FileNotFoundError):
            old.rename(old.with_name(f"{old.name}.set-aside"))


def put_in_place(fresh: Path, path: Path) -> None:
    """Put a copy in the place of a closed ledger, and drop the older ones: they hold what the copy lacks."""
    path.with_name(f"{path.name}.wal").unlink(missing_ok=True)  # first: it belongs to the old file alone
    fresh.replace(path)
    sync_folder(path.parent)
    for old in path.parent.glob(f"{path.stem}*.set-aside"):
        old.unlink(missing_ok=True)


class Door:
    """Lets questions in while the ledger is open, and waits for the last to leave before it is closed."""

    def __init__(self) -> None:
        self._ledger: Ledger | None = None
        self._guests: set[duckdb.DuckDBPyConnection] = set()
        self._changed = threading.Condition()

    def open(self, ledger: Ledger) -> None:
        """Let questions in."""
        with self._changed:
            self._ledger = ledger

    @contextlib.contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a cursor. Raises `NotReadyError` while the ledger is not open."""
        with self._changed:
            if self._ledger is None:
                raise NotReadyError("the ledger is being opened; ask again in a moment")
            cursor = self._ledger.cursor()
            self._guests.add(cursor)
        try:
            yield cursor
        finally:
            cursor.close()
            with self._changed:
                self._guests.discard(cursor)
                self._changed.notify_all()

    def close(self) -> None:
        """Stop the questions that run, then close the ledger, so that its file may be opened afresh."""
        with self._changed:
            ledger, self._ledger = self._ledger, None
            for guest in self._guests:
                guest.interrupt()
            self._changed.wait_for(lambda: not self._guests, timeout=30)
        if ledger:
            with contextlib.suppress(LedgerError):
                ledger.close()


class Copying:
    """Copies a ledger without the rows that were deleted from it, beside the work on it: on a thread of its own."""

    def __init__(self, ledger: Ledger, door: Door) -> None:
        self._ledger, self._forgotten = ledger, ledger.forgotten()
        self._lent = contextlib.ExitStack()
        self._cursor = self._lent.enter_context(door.cursor())
        self._path: Path | None = None
        self._thread = threading.Thread(target=self._run, name="ledger-copy")
        self._thread.start()

    @property
    def done(self) -> bool:
        """Say whether it came to an end."""
        return not self._thread.is_alive()

    def close(self) -> Path | None:
        """End it; return the copy if there is one that lacks all that was deleted."""
        while self._thread.is_alive():
            self._cursor.interrupt()
            self._thread.join(0.05)
        self._lent.close()
        with contextlib.suppress(LedgerError):  # the file may be damaged
            return self._path if self._ledger.forgotten() == self._forgotten else None
        return None

    def _run(self) -> None:
        if shutil.disk_usage(self._ledger.path.parent).free < 2 * self._ledger.path.stat().st_size:
            _LOG.warning("deleted rows stay in the ledger's file: there is no room for a copy without them")
            return
        try:
            self._path = self._ledger.copy(self._cursor)
        except LedgerError as problem:
            _LOG.warning("deleted rows stay in the ledger's file for now: %s", type(problem).__name__)


def _first_line(problem: BaseException) -> str:
    return str(problem).splitlines()[0]
