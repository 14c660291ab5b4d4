"""What one thread does for others, and how much there is to do."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from metrics.record.ledger import Ledger, LedgerError

_T = TypeVar("_T")
_PATIENCE_S = 120.0


class Rate:
    """Records a second, of the last second or so, and never more than `most`: a burst is soon forgotten."""

    def __init__(self, now_s: float, most: float) -> None:
        self._value, self._at_s, self._most = 0.0, now_s, most

    def add(self, records: int, now_s: float) -> float:
        """Count records; return the rate."""
        self._value = min(self._most, self._value * math.exp(self._at_s - now_s) + records)
        self._at_s = now_s
        return self._value


class Errands:
    """Work for the one thread that may write to the ledger."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[tuple[Callable[[Ledger], Any], Future[Any]]] = SimpleQueue()

    def ask(self, work: Callable[[Ledger], _T]) -> _T:
        """Have something done between two steps; return its result. Raises what it raises, and `TimeoutError`."""
        future: Future[_T] = Future()
        self._waiting.put((work, future))
        return future.result(_PATIENCE_S)

    def run(self, ledger: Ledger) -> None:
        """Do what waits. A problem goes to whoever asked."""
        while True:
            try:
                work, future = self._waiting.get_nowait()
            except Empty:
                return
            if future.set_running_or_notify_cancel():
                _settle(future, work, ledger)


def _settle(future: Future[Any], work: Callable[[Ledger], Any], ledger: Ledger) -> None:
    try:
        future.set_result(work(ledger))
    except (OSError, RuntimeError, ValueError, LedgerError) as problem:
        future.set_exception(problem)
