"""The working part of a worker: slots that advance runs, leases kept alive, events relayed, sources polled."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from automations.connectors.base import bad_shape
from automations.flow.automation import Automation, Source
from automations.flow.engine import Engine
from automations.flow.failures import GatewayAway
from automations.flow.within import STEP_THREAD
from automations.queue.store import Lease, LeaseLost, QueueFull
from automations.queue.turns import Turns
from automations.worker.gateway import NotTaken
from automations.worker.polling import Polling, place_of
from automations.worker.pressure import Pressure
from automations.worker.relay import Relay

_LOG: Final = logging.getLogger("sluice.worker")
_LOOK_S: Final = 0.25
MOST_HUNG: Final = 50
_AWAY_S: Final = (0.5, 15.0)


def taken(engine: Engine, automation: str, given: Sequence[Any]) -> list[str | None]:
    """Enqueue what a source offers; give for each why it is refused for good, None where it is on disk.

    Raises:
        QueueFull, GatewayAway: none can be taken now.
    """
    try:
        engine.enqueue(automation, given)
    except (ValueError, NotTaken) as error:
        if len(given) > 1:
            return [why for each in given for why in taken(engine, automation, [each])]
        return [bad_shape(error).reason if isinstance(error, ValidationError) else str(error)]
    return [None] * len(given)


@dataclass(slots=True)
class Pool:
    """Works until `stop` is called; what is under way then ends its step and is given back.

    `lease_s`: a worker that was not heard of for so long has lost its runs. `worn`: it ended because of hung steps.
    """

    engine: Engine
    relay: Relay
    name: str
    slots: int
    lease_s: float
    pressure: Pressure | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    wake: threading.Event = field(default_factory=threading.Event)
    worn: bool = False
    _rest_until_s: float = 0.0
    _busy: dict[str, Lease] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin to work, in threads."""
        self.engine.stopping = self.stopping.is_set
        loops: list[tuple[str, Callable[[], float]]] = [("relay", self._relay), ("leases", self._renew)]
        turns = self._turns
        for automation in self.engine.automations.values():
            loops += [(f"source-{each.name}", self._polling(automation, each, turns)) for each in automation.sources]
        self._threads = [threading.Thread(target=self._work, name="work", daemon=True)]
        for name, each in loops:
            self._threads.append(threading.Thread(target=self._again, args=(each,), name=name, daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> bool:
        """Stop taking runs and wait for those under way; tell whether all were given back in time."""
        self.stopping.set()
        self.wake.set()
        ends_s = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, ends_s - time.monotonic()))
        return not self._busy

    @property
    def busy(self) -> int:
        """Return how many runs are under way here."""
        return len(self._busy)

    @property
    def _turns(self) -> Turns:
        return Turns(self.engine.store, self.name, self.lease_s)

    def _work(self) -> None:
        with ThreadPoolExecutor(self.slots, "slot") as slots:
            self._again(lambda: self._fill(slots))

    def _fill(self, slots: ThreadPoolExecutor) -> float:
        """Take as many runs as there are free slots; return how long to wait for more."""
        self.wake.clear()
        if (rest_s := self._rest_until_s - time.monotonic()) > 0:
            return rest_s
        free = (self.pressure.allowed if self.pressure else self.slots) - len(self._busy)
        leases = self.engine.claim(self.name, free, self.lease_s) if free > 0 else []
        with self._lock:
            self._busy.update({lease.run_id: lease for lease in leases})
        for lease in leases:
            slots.submit(self._advance, lease)
        if not leases:
            self.wake.wait(_LOOK_S)
        return 0.0

    def _advance(self, lease: Lease) -> None:
        began_s = time.monotonic()
        try:
            self.engine.advance(lease)
        except LeaseLost:
            _LOG.warning("the run %s was lost to another worker", lease.run_id)
        except Exception as error:  # noqa: BLE001 - the lease ends, and another worker takes the run
            _LOG.error("the run %s could not be written (%s)", lease.run_id, type(error).__name__)
        finally:
            now_s = time.monotonic()
            with self._lock:
                self._busy.pop(lease.run_id, None)
                if self.pressure:
                    self._rest_until_s = now_s + self.pressure.rest_s(now_s - began_s)
            self.wake.set()

    def _renew(self) -> float:
        with self._lock:
            mine = list(self._busy)
        if mine:
            self.engine.store.renew(self.name, mine, self.lease_s)
        self._turns.keep()
        self._look_for_hung_steps()
        return self.lease_s / 3

    def _look_for_hung_steps(self) -> None:
        """Stop when too many steps that are over their time go on: a thread cannot be stopped, a process can."""
        hung = sum(thread.name == STEP_THREAD for thread in threading.enumerate()) - len(self._busy)
        if hung >= MOST_HUNG and not self.worn:
            _LOG.error("%d steps did not end when their time was over; this worker ends, to be started anew", hung)
            self.worn = True
            self.stopping.set()
            self.wake.set()

    def _relay(self) -> float:
        began_s = time.monotonic()
        if not self.relay.once():
            return _LOOK_S
        return self.pressure.pause_s(time.monotonic() - began_s) if self.pressure else 0.0

    def _polling(self, automation: Automation, source: Source, turns: Turns) -> Callable[[], float]:
        def offer(given: Sequence[Any]) -> list[str | None]:
            whys = taken(self.engine, automation.name, given)
            self.wake.set()
            return whys

        return Polling(source, place_of(automation, source), turns, offer).once

    def _again(self, work: Callable[[], float]) -> None:
        """Do something until the end; what goes wrong is said in a word, and tried again after a while."""
        away_s = _AWAY_S[0]
        while not self.stopping.is_set():
            try:
                wait_s = work()
                away_s = _AWAY_S[0]
            except (GatewayAway, QueueFull) as error:
                wait_s = max(away_s, error.after_s)
                away_s = min(away_s * 2, _AWAY_S[1])
            except (SQLAlchemyError, OSError) as error:
                _LOG.warning("%s: %s", threading.current_thread().name, type(error).__name__)
                wait_s, away_s = away_s, min(away_s * 2, _AWAY_S[1])
            except Exception as error:  # noqa: BLE001 - one bad source stops no other
                _LOG.error("%s: %s", threading.current_thread().name, type(error).__name__)
                wait_s, away_s = away_s, min(away_s * 2, _AWAY_S[1])
            if wait_s:
                self.stopping.wait(wait_s)
