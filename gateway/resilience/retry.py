"""What follows a try of an upstream that failed: a pure decision, and the times that are waited."""

from collections.abc import Collection, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Final, Literal, NamedTuple

from gateway.errors import UpstreamError, UpstreamTimeout
from policy.blocks_routing import Cause

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 8.0
SPREAD: Final = 0.5  # a wait grows by up to this share of itself, and never shrinks
_GOLDEN: Final = 0.6180339887498949
_NO_CONNECTION: Final = frozenset({"upstream_unreachable", "upstream_disconnected", "upstream_unavailable"})
# Waiting a little does not help against these.
_STAYS: Final = frozenset({"insufficient_quota", "upstream_unavailable"})


class Failed(NamedTuple):
    """How a try failed: why, how long the upstream asks to wait, whether a byte of an answer had come."""

    cause: Cause
    asked_s: float | None = None
    output: bool = False
    stays: bool = False


class Left(NamedTuple):
    """What a call may still spend: retries, seconds until its total time-out, a place in the worker's budget."""

    retries: int
    seconds: float
    budget: bool


class Decision(NamedTuple):
    """`again`: the same candidate after `wait_s`; `next`: another candidate, if there is one; `stop`: neither."""

    action: Literal["again", "next", "stop"]
    reason: str
    wait_s: float = 0.0


def decide(failed: Failed, left: Left, worth: Collection[Cause], wait_s: float) -> Decision:
    """Say what follows a failed try, when `worth` are the causes that the policy retries."""
    if failed.output:
        return Decision("stop", "output")
    obstacles = (
        (failed.stays, "stays"),
        (failed.cause not in worth, "cause"),
        (left.retries < 1, "attempts"),
        (wait_s >= left.seconds, "time"),
        (not left.budget, "budget"),
    )
    for met, reason in obstacles:
        if met:
            return Decision("next", reason)
    return Decision("again", failed.cause, wait_s)


def wait_s(retry: int, asked_s: float | None, chance: float) -> float:
    """Give the seconds before a retry: doubled each time, or as asked; `chance`, in 0..1, only adds to them."""
    least = min(FIRST_WAIT_S * 2 ** min(retry, 10), LONGEST_WAIT_S) if asked_s is None else asked_s
    return least + max(least, FIRST_WAIT_S) * SPREAD * chance


class Chances:
    """Numbers in 0..1 that stay apart: of any n in a row no two are closer than about 0.38 / n.

    `coming` is the next one until it is used: a retry that is not made must leave no gap in the row.
    """

    def __init__(self, start: float) -> None:
        self.coming = start

    def use(self) -> None:
        self.coming = (self.coming + _GOLDEN) % 1.0


def failed(error: UpstreamError, now: datetime, *, output: bool) -> Failed:
    """Read why a try failed from its error."""
    return Failed(_cause(error), asked_s(error.headers, now), output, error.code in _STAYS)


def _cause(error: UpstreamError) -> Cause:
    if error.code == "context_length_exceeded":
        return "context_length"
    if isinstance(error, UpstreamTimeout) or error.status in (408, 504):
        return "timeout"
    if error.status == 429:
        return "rate_limited"
    if error.code in _NO_CONNECTION:
        return "unavailable"
    return "server_error" if error.retryable else "refused"


def asked_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read `retry-after-ms`, or `retry-after` in seconds or as a date; None when nothing usable is asked."""
    in_ms = _number(headers.get("retry-after-ms"))
    if in_ms is not None:
        return in_ms / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or not text:
        return seconds
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (TypeError, ValueError):  # no date, or one without a zone
        return None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if isfinite(value) and value >= 0 else None
