"""One leased run on its way: tries a step, writes down what came of it, and goes on or lets go."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from automations.flow.automation import Automation, Step
from automations.flow.dispatch import Dispatch, Hindered
from automations.flow.failures import Failure, GatewayAway, failure_of
from automations.flow.gateway import Gateway
from automations.flow.logbook import Logbook
from automations.flow.model import GatewayModel, Labels
from automations.flow.progress import Given, Progress, checked
from automations.flow.retry import MOST_LOSSES, Dead, Tried, after
from automations.flow.run import Run
from automations.flow.signals import Duplicate, Finished, Held
from automations.flow.within import within
from automations.queue.store import CANCELLED, DONE, HELD

_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")
_LATE: Final = Failure("deadline", "orchestration", "the run was not done in time", fatal=True)
_LOST: Final = Failure("worker_lost", "orchestration", "workers ended during this step, again and again", fatal=True)
_LOOK_S: Final = (2.0, 60.0)  # how often a held answer is looked for: at first, at last


@dataclass(slots=True)
class Journey:
    """A run while this worker has it."""

    gateway: Gateway
    automation: Automation
    log: Logbook
    chance: Callable[[], float]
    stopping: Callable[[], bool]

    def go(self) -> None:
        """Go from step to step until the run ends or waits."""
        steps = self.automation.steps
        while self.log.lease.step < len(steps):
            step = steps[self.log.lease.step]
            if not self._step(step):
                return
            if self.log.cancelled:
                self.log.end(CANCELLED)
                return
            if self.stopping():
                self.log.let_go(step, 0.0)
                return
        self.log.end(DONE)  # a shorter version of the automation found it past its last step

    def wait_for_gateway(self, error: Exception) -> None:
        """Let go of a run whose key cannot be had now."""
        step = self.automation.steps[min(self.log.lease.step, len(self.automation.steps) - 1)]
        self._failed(step, failure_of(GatewayAway(str(error)), step.kind))

    def unreadable(self, error: Exception) -> None:
        """Give up a run whose texts do not fit the automation as it is now, or are damaged."""
        step = self.automation.steps[min(self.log.lease.step, len(self.automation.steps) - 1)]
        self.log.die(step, replace(failure_of(error, "ingest"), cause="unreadable", fatal=True))

    def _step(self, step: Step) -> bool:
        """Try a step once; True: go on with the next one."""
        log = self.log
        log.began_s = time.monotonic()
        over = self._over()
        if over is not None:
            log.die(step, over)
            return False
        log.lease = replace(log.lease, attempts=log.lease.attempts + 1)
        dispatch = Dispatch(self.gateway, self.automation, step, step.effect, log) if step.effect else None
        try:
            output = self._tried(step, dispatch)
        except (Finished, Duplicate) as signal:
            self._finished(step, signal)
        except Held:
            self._wait_for_review(step)
        except Hindered as hindered:
            assert dispatch is not None
            self._uncount()
            dispatch.hindered(hindered.why)
        except Exception as error:  # noqa: BLE001 - whatever a step raises is judged
            self._failed(step, dispatch.failed(error) if dispatch else failure_of(error, step.kind))
        else:
            if dispatch is not None:
                dispatch.done()
            return log.passed(step, output, len(self.automation.steps))
        return False

    def _over(self) -> Failure | None:
        """Say why the run is given up before the step, if it is."""
        if self.log.store.clock_us() >= self.log.lease.deadline_us:
            return _LATE
        return _LOST if self.log.lease.losses >= MOST_LOSSES else None

    def _tried(self, step: Step, dispatch: Dispatch | None) -> Given:
        log = self.log
        assert log.progress is not None
        given = log.progress.before(self.automation.steps, log.lease.step)
        run = self._run(step, log.progress)
        if dispatch is not None:
            run.action_key = dispatch.begin(given)
        output = checked(step, within(step.timeout_s, lambda: step.work(run, given)))
        for kind, body in run.noted:
            log.say(kind, {}, body, step.name)
        return output

    def _run(self, step: Step, progress: Progress) -> Run[Any]:
        ends_s, lease, name = time.monotonic() + step.timeout_s, self.log.lease, self.automation.name
        model = GatewayModel(
            lambda: self.gateway.client(name),
            Labels(lease.run_id, step.name, step.prompt, progress.subject),
            lambda: max(0.1, ends_s - time.monotonic()),
            lambda review: self.gateway.hold(name, review),
            f"{lease.run_id}.{step.name}.{lease.attempts}",
            progress.held,
        )
        return Run(
            progress.input, lease.run_id, name, step.name, lease.attempts, model, progress.outputs,
            lambda: ends_s - time.monotonic(), subject=progress.subject,
        )  # fmt: skip

    def _finished(self, step: Step, signal: Finished | Duplicate) -> None:
        """End the run well, before its last step; only a reason that is a word stands in the open."""
        duplicate, word = isinstance(signal, Duplicate), str(signal)
        self.log.say_step(step, "duplicate" if duplicate else "ok")
        self.log.end(DONE, "duplicate" if duplicate else word if _WORD.fullmatch(word) else "finished")

    def _failed(self, step: Step, failure: Failure) -> None:
        """Decide what follows a failed try."""
        log = self.log
        if not failure.counts:
            self._uncount()
        left_s = (log.lease.deadline_us - log.store.clock_us()) / 1e6
        decided = after(failure, Tried(log.lease.attempts, log.lease.waits, self.chance(), left_s), step.tries)
        if isinstance(decided, Dead):
            log.die(step, replace(failure, cause=decided.cause))
            return
        log.lease = replace(log.lease, retries=log.lease.retries + 1)
        log.say_step(step, "failed", failure, decided.after_s)
        log.let_go(step, decided.after_s, failure=failure)

    def _wait_for_review(self, step: Step) -> None:
        """Come back for a held answer, less and less often."""
        self._uncount()
        first, longest = _LOOK_S
        if self.log.lease.waits == 1:
            self.log.say("step.held", {"step_kind": step.kind}, step=step.name)
        self.log.let_go(step, min(first * 1.5 ** min(self.log.lease.waits, 20), longest), HELD)

    def _uncount(self) -> None:
        """Take back a try that nobody looked at."""
        lease = self.log.lease
        self.log.lease = replace(lease, attempts=max(0, lease.attempts - 1), waits=lease.waits + 1)
