"""What to do after a failed try: a pure decision, so that a test can ask it anything."""

from dataclasses import dataclass
from typing import Final

from automations.flow.automation import Tries
from automations.flow.failures import Failure

MOST_LOSSES: Final = 8  # workers that may end during one step before it is taken for the cause


@dataclass(frozen=True, slots=True)
class Again:
    """Try the step again after so many seconds."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Dead:
    """Give up: the run becomes a dead letter, for this cause."""

    cause: str


@dataclass(frozen=True, slots=True)
class Tried:
    """Where a step stands: tries that counted, waits that did not, chance from 0 to 1, and time to the deadline."""

    attempts: int
    waits: int
    chance: float
    left_s: float


def after(failure: Failure, tried: Tried, tries: Tries) -> Again | Dead:
    """Decide what follows a failure."""
    if failure.fatal:
        return Dead(failure.cause)
    if failure.counts and tried.attempts >= tries.attempts:
        return Dead(failure.cause)
    wait_s = _wait_s(failure, tried, tries)
    return Dead("deadline") if wait_s > tried.left_s else Again(wait_s)


def _wait_s(failure: Failure, tried: Tried, tries: Tries) -> float:
    """Wait as asked, and up to half of that longer; else twice as long each time, in the upper half of that."""
    if failure.after_s is not None:
        return failure.after_s * (1 + 0.5 * tried.chance)
    doublings = max(0, (tried.attempts if failure.counts else tried.waits) - 1)
    longest = min(tries.first_wait_s * 2.0 ** min(doublings, 30), tries.longest_wait_s)
    return longest * (0.5 + 0.5 * tried.chance)
