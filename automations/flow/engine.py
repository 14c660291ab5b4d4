"""Takes runs in, and moves a leased run from step to step: what a step gave is stored before the next one begins."""

import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

from automations.flow.automation import Automation
from automations.flow.gateway import Erased, Gateway
from automations.flow.logbook import Logbook
from automations.flow.progress import Progress
from automations.flow.travel import Journey
from automations.plain import without_controls
from automations.queue.sealing import RunKey
from automations.queue.store import CANCELLED, ERASED, Lane, Lease, NewRun, Pace, Store, queued_id

MOST_SUBJECT: Final = 512  # as many as the gateway takes
_LETTERS: Final = "bcdfghjkmnpqrstvwxz"  # no digits: an id is never taken for somebody's number


class Unknown(LookupError):
    """No automation has this name here."""


class TooLarge(ValueError):
    """An input is larger than the automation takes."""


class BadInput(ValueError):
    """An input has the right type, and still no run can be made of it; the sentence says why, without its values."""


@dataclass(frozen=True, slots=True)
class Queued:
    """What became of an input: the run that it started, or the older run that has the same business key."""

    run_id: str
    new: bool


@dataclass(slots=True)
class Engine:
    """The queue with automations on it. Safe for several threads; processes meet in the database."""

    store: Store
    gateway: Gateway
    automations: Mapping[str, Automation]
    chance: Callable[[], float] = random.random
    tenant: str | None = None  # only this tenant's automations take inputs; None: whatever the API keys say
    stopping: Callable[[], bool] = lambda: False  # whether runs under way are to be given back after their step

    def enqueue(self, name: str, inputs: Sequence[Any]) -> list[Queued]:
        """Start a run for each input that was not seen before; all are on disk when this returns.

        Raises:
            QueueFull: too many wait already.
            GatewayAway: no keys can be had; the inputs stay with whoever offers them.
            Unknown, TooLarge, BadInput, pydantic.ValidationError: see there.
        """
        automation = self.automation(name)
        checked = [_checked(automation, each) for each in inputs]
        ids = [new_run_id() for _ in checked]
        issued = self.gateway.new_keys(
            name, [(run_id, each.subject) for run_id, each in zip(ids, checked, strict=True)]
        )
        lane = Lane(issued[0].tenant, name) if issued else Lane("", name)
        if self.tenant is not None and lane.tenant != self.tenant:
            raise Unknown(f"no automation of this tenant is called {name!r}")
        deadline_us = self.store.clock_us() + int(automation.limits.deadline_s * 1e6)
        new = []
        for run_id, given, made in zip(ids, checked, issued, strict=True):
            key = RunKey(run_id, made.key)
            about = key.seal(queued_id(run_id), {"subject": given.subject}) if given.subject else None
            sealed = key.seal("input", given.text)
            dedup = digest(lane, given.key)
            new.append(NewRun(run_id, dedup, made.wrapped, sealed, deadline_us, made.expires_us, about))
        known = self.store.enqueue(lane, new, automation.limits.max_queued) if new else {}
        return [Queued(known[each.dedup], known[each.dedup] == each.run_id) for each in new]

    def automation(self, name: str) -> Automation:
        """Return an automation by its name.

        Raises:
            Unknown: there is none.
        """
        if name not in self.automations:
            raise Unknown(f"no automation is called {name!r} here; known: {', '.join(self.automations) or 'none'}")
        return self.automations[name]

    def claim(self, owner: str, want: int, lease_s: float) -> list[Lease]:
        """Take up to so many runs that are due, in fair shares of the automations known here."""
        lanes = [lane for lane in self.store.due() if lane.automation in self.automations]
        random.shuffle(lanes)
        found: list[Lease] = []
        for lane in lanes:
            limits = self.automations[lane.automation].limits
            pace = Pace(limits.concurrency, limits.per_minute)
            found += self.store.claim(lane, owner, want - len(found), pace, lease_s)
            if len(found) >= want:
                break
        return found

    def advance(self, lease: Lease) -> None:
        """Work on a leased run until it ends, waits or fails.

        Raises:
            LeaseLost: another worker has it by now.
        """
        automation = self.automations[lease.automation]
        log = Logbook(self.store, lease)
        if lease.cancel:
            log.end(CANCELLED)
            return
        journey = Journey(self.gateway, automation, log, self.chance, self.stopping)
        try:
            log.key = RunKey(lease.run_id, self.gateway.open_key(lease.automation, lease.run_id, lease.wrapped))
        except Erased:
            log.end(ERASED)
        except Exception as error:  # noqa: BLE001 - whatever stands between us and the key, the run waits
            journey.wait_for_gateway(error)
        else:
            self._go(journey, lease)

    def _go(self, journey: Journey, lease: Lease) -> None:
        assert journey.log.key is not None
        try:
            journey.log.progress = Progress.opened(journey.log.key, lease, journey.automation)
        except Exception as error:  # noqa: BLE001 - it would be the same for every worker and every try
            journey.unreadable(error)
        else:
            journey.go()

    def drain(self, owner: str = "local", lease_s: float = 60.0) -> int:
        """Work on everything that is due now, in this thread; return how many runs were taken up. For tests."""
        count = 0
        while leases := self.claim(owner, 1, lease_s):
            for lease in leases:
                self.advance(lease)
            count += len(leases)
        return count


class _Checked(NamedTuple):
    """An input as it is enqueued: its JSON, its business key, and whom it is about."""

    text: str
    key: str
    subject: str | None


def _checked(automation: Automation, given: Any) -> _Checked:
    """Check an input before anything is stored of it: what cannot be worked on is refused, and never waits."""
    typed, text = typed_input(automation, given)
    if len(text.encode()) > automation.limits.max_input_bytes:
        raise TooLarge(f"an input of {automation.name} has more than {automation.limits.max_input_bytes} bytes")
    try:
        key, subject = automation.key(typed), automation.subject(typed)
    except Exception as error:
        kind = type(error).__name__
        raise BadInput(f"the key or the subject of an input of {automation.name} cannot be made ({kind})") from error
    if not key:
        raise BadInput(f"an input of {automation.name} has an empty business key, so repeats could not be told apart")
    subject = subject if subject and subject.strip() else None
    if subject is not None and len(subject) > MOST_SUBJECT:
        raise BadInput(f"the subject of an input of {automation.name} has more than {MOST_SUBJECT} characters")
    return _Checked(text, key, subject)


def typed_input(automation: Automation, given: Any) -> tuple[Any, str]:
    """Return an input of the automation's type and its JSON, without control characters.

    Raises:
        pydantic.ValidationError: it does not fit.
    """
    shape = automation.input_type
    typed = shape.validate_python(given)
    written = shape.dump_json(typed).decode()
    text = without_controls(written)
    return (typed if text == written else shape.validate_json(text)), text


def new_run_id() -> str:
    """Return a new run id."""
    return "run_" + "".join(secrets.choice(_LETTERS) for _ in range(24))


def digest(lane: Lane, key: str) -> str:
    """Return what the queue knows of a business key."""
    return sha256("\0".join((*lane, key)).encode()).hexdigest()
