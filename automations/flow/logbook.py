"""What a worker writes down about a run it holds: the run's next state and its events, in one transaction."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from automations.flow.automation import Step
from automations.flow.failures import Failure
from automations.flow.progress import Given, Progress
from automations.queue.actions import settle
from automations.queue.sealing import RunKey
from automations.queue.store import DEAD, DONE, ERASED, QUEUED, Event, Lease, Store, move, pause, post

FREE: Mapping[str, Any] = {"owner": None, "lease_us": None}
FRESH: Mapping[str, Any] = {"attempts": 0, "waits": 0, "losses": 0}
_LONGEST_PAUSE_S = 15.0
_COUNTS = ("attempts", "waits", "losses", "retries")


@dataclass(slots=True)
class Logbook:
    """The pen of one lease; without a key no texts are written."""

    store: Store
    lease: Lease
    key: RunKey | None = None
    progress: Progress | None = None
    events: list[Event] = field(default_factory=list)
    settled: tuple[str, str] | None = None  # an effect, and how it ended
    pause_s: float = 0.0
    cancelled: bool = False
    began_s: float = field(default_factory=time.monotonic)
    _said: int = 0

    def say(
        self, kind: str, words: dict[str, Any], texts: dict[str, Any] | None = None, step: str | None = None
    ) -> None:
        """Put an event beside the run's next state. Texts are sealed."""
        self._said += 1
        name = f"{self.lease.run_id}.{self.lease.token}.{self._said}"
        about = {"subject": self.progress.subject} if self.progress and self.progress.subject else {}
        sealed = self.key.seal(name, {**texts, **about}) if texts and self.key else None
        self.events.append(Event(name, self.lease.run_id, step, kind, words, sealed))

    def say_step(self, step: Step, status: str, failure: Failure | None = None, wait_s: float | None = None) -> None:
        """Say how a try of a step ended."""
        words: dict[str, Any] = {"step_kind": step.kind, "status": status, "attempt": self.lease.attempts}
        words["duration_ms"] = round((time.monotonic() - self.began_s) * 1000, 1)
        if failure is not None:
            words |= {"cause": failure.cause, "layer": failure.layer}
        if wait_s is not None:
            words["retry_after_s"] = round(wait_s, 1)
        self.say("step.end", words, {"detail": failure.detail} if failure else None, step.name)

    def passed(self, step: Step, output: Given, steps: int) -> bool:
        """Keep what a step gave; True: the next of so many steps is on, False: the run has ended with this one."""
        assert self.progress is not None
        self.progress.add(step, output)
        self.say_step(step, "ok")
        at = self.lease.step + 1
        self.lease = replace(self.lease, step=at, **FRESH)
        kept = {"step": at, "step_name": step.name, "cause": None, "layer": None, **FRESH, **self._kept()}
        if at == steps:
            self.end(DONE, **kept)
            return False
        self._move(kept)
        return True

    def let_go(self, step: Step, wait_s: float, state: str = QUEUED, failure: Failure | None = None) -> None:
        """Put the run back until its time has come; after a failure that counts no try all of its automation wait."""
        self.pause_s = min(wait_s, _LONGEST_PAUSE_S) if failure and not failure.counts else 0.0
        why = {"cause": failure.cause, "layer": failure.layer} if failure else {"cause": None, "layer": None}
        due_us = min(self.store.clock_us() + int(wait_s * 1e6), self.lease.deadline_us)
        values = {"state": state, "step_name": step.name, "due_us": due_us, **why}
        self._move({**values, **FREE, **self._counts(), **self._kept()})

    def die(self, step: Step, failure: Failure) -> None:
        """Make the run a dead letter."""
        self.say_step(step, "failed", failure)
        words = {"cause": failure.cause, "layer": failure.layer, "attempts": self.lease.attempts}
        self.say("dead_letter", words, {"detail": failure.detail}, step.name)
        values: dict[str, Any] = {"state": DEAD, "cause": failure.cause, "layer": failure.layer, "step_name": step.name}
        values |= {"detail_sealed": self.key.seal("detail", failure.detail)} if self.key else {}
        self._move({**values, "ended_us": self.store.clock_us(), **FREE, **self._counts(), **self._kept()})

    def end(self, state: str, cause: str | None = None, **kept: Any) -> None:
        """End the run for good; `kept` is written with it."""
        now_us = self.store.clock_us()
        words: dict[str, Any] = {"status": state, "steps": self.lease.step, "retries": self.lease.retries}
        words |= {"duration_ms": (now_us - self.lease.created_us) // 1000} | ({"cause": cause} if cause else {})
        self.say("run.end", words)
        gone = ("input_sealed", "progress_sealed", "detail_sealed") if state == ERASED else ()
        erased = dict.fromkeys(gone) | ({"dedup": self.lease.run_id} if gone else {})
        self._move({"state": state, "cause": cause, "ended_us": now_us, **kept, **FREE, **erased})

    def _counts(self) -> dict[str, int]:
        return {name: getattr(self.lease, name) for name in _COUNTS}

    def _kept(self) -> dict[str, Any]:
        return {"progress_sealed": self.progress.sealed(self.key)} if self.progress and self.key else {}

    def _move(self, values: dict[str, Any]) -> None:
        now_us = self.store.clock_us()
        with self.store.database.write() as conn:
            self.cancelled = move(conn, self.lease, values)
            if self.settled is not None:
                settle(conn, *self.settled, now_us)
            if self.pause_s:
                pause(conn, self.lease.lane, now_us + int(self.pause_s * 1e6))
            post(conn, self.lease.automation, self.events, now_us)
        self.events, self.settled = [], None
