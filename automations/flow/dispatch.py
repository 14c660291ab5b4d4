"""An effect on the outside: allowed by policy, written down before it happens, done once."""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from automations.flow.automation import Automation, Effect, Step
from automations.flow.failures import Failure, failure_of
from automations.flow.gateway import Gateway
from automations.flow.logbook import Logbook
from automations.flow.signals import Duplicate, Fatal, RetryLater
from automations.queue.actions import APPROVED, DONE, GO, UNKNOWN, Actions, Wanted, action_key
from automations.queue.store import CANCELLED, HELD
from automations.queue.store import DONE as RUN_DONE

_STOPPED_S: Final = 10.0
_BUSY_S: Final = 5.0
_UNKNOWN: Final = Failure("effect_unknown", "dispatch", "it was begun, and nobody knows how it ended", fatal=True)
_DENIED: Final = Failure("denied_by_policy", "dispatch", "the policy does not allow this action", fatal=True)
SURE: Final = (RetryLater, Fatal, Duplicate)  # a step that raises one of these says that nothing happened


class Hindered(Exception):
    """The effect does not happen now; `why` says what happens instead."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(slots=True)
class Dispatch:
    """One effect of a run. `begun`: its intent is written down, so it may happen from now on; `doubtful`: or before."""

    gateway: Gateway
    automation: Automation
    step: Step
    effect: Effect
    log: Logbook
    begun: bool = False
    doubtful: bool = False

    @property
    def key(self) -> str:
        """Return the key that the target sees."""
        assert self.log.progress is not None
        return action_key(self.log.lease, self.effect.name, self.effect.key(self.log.progress.input))

    def begin(self, given: Any) -> str:
        """Ask the policy, write down the intent, and return the key for the target.

        Raises:
            Hindered: it does not happen now.
        """
        arguments = orjson.loads(self.step.takes.dump_json(given))
        known = arguments if isinstance(arguments, dict) else {"value": arguments}
        permit = self.gateway.permit(self.automation.name, self.log.lease.run_id, self.effect.name, known)
        if permit.stopped or permit.action == "deny":
            raise Hindered("stopped" if permit.stopped else "denied")
        if self.automation.dry_run:
            raise Hindered("dry_run")
        wanted = Wanted(
            self.key, self.effect.name, self.effect.takes_key, self.effect.per_minute, permit.action == "hold"
        )
        found = Actions(self.log.store).begin(self.log.lease, wanted)
        if found not in GO:
            raise Hindered(found)
        self.begun, self.doubtful = True, found == "repeat"
        return wanted.key

    def done(self) -> None:
        """Write down that it happened, together with the run's next state."""
        self.log.settled = self.key, DONE
        self._say("action.done")

    def failed(self, error: BaseException) -> Failure:
        """Say what a failure in the middle means: where the target takes no key, nobody knows how it ended."""
        failure = failure_of(error, self.step.kind)
        if not self.begun:
            return failure
        if isinstance(error, SURE) and not self.doubtful and (error.sure or not self.effect.takes_key):
            self.log.settled = self.key, APPROVED  # nothing happened, so it may be begun again
        elif not self.effect.takes_key:
            self.log.settled = self.key, UNKNOWN
            self._say("action.unknown")
            return Failure("effect_unknown", "dispatch", failure.detail, fatal=True)
        return failure

    def hindered(self, why: str) -> None:
        """Do what follows when the effect does not happen now."""
        self._say(f"action.{_SAID.get(why, why)}")
        match why:
            case "stopped" | "wait":
                self.log.let_go(self.step, _STOPPED_S if why == "stopped" else _BUSY_S)
            case "ask":
                self.log.let_go(self.step, float("1e9"), HELD)
            case "denied" | "unknown":
                self.log.die(self.step, _DENIED if why == "denied" else _UNKNOWN)
            case "refused":
                self.log.end(CANCELLED, "rejected")
            case _:  # done before, or a dry run
                self.log.end(RUN_DONE, _SAID.get(why, why))

    def _say(self, kind: str) -> None:
        self.log.say(kind, {"action": self.effect.name, "key": self.key}, step=self.step.name)


_SAID: Final = {"ask": "held", "done": "duplicate", "wait": "waiting", "refused": "rejected"}
