"""Recorded calls in groups that no policy can tell apart: what a replay of a candidate policy is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from metrics.client import RecorderError

Row = Mapping[str, Any]
_SLICE_US = 86_400_000_000
_SMALLEST_US = 60_000_000
_TOO_SLOW = 504


class Answer(Protocol):
    """What a question gives: rows by name, and whether a limit cut them."""

    @property
    def truncated(self) -> bool: ...

    def dicts(self) -> Iterator[dict[str, Any]]: ...


Ask = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Span:
    """Which calls are asked about; times in UTC microseconds, the end is exclusive.

    `by_size` keeps requests of different length apart, `by_run` runs, `cuts` scores on either side of them: needed
    only where a policy looks at them.
    """

    since_us: int
    until_us: int
    automation: str | None = None
    by_size: bool = False
    by_run: bool = False
    cuts: tuple[float, ...] = ()


def groups(ask: Ask, span: Span) -> Iterator[Row]:
    """Give the groups of a span, a day at a time; the same group may come again on another day.

    Raises:
        RecorderError: the recorder cannot be asked.
    """
    at, step = span.since_us, _SLICE_US
    while at < span.until_us:
        until = min(at + step, span.until_us)
        answer = _asked(ask, span, at, until)
        if answer is None and until - at > _SMALLEST_US:
            step = max(_SMALLEST_US, (until - at) // 4)
            continue
        yield from answer.dicts() if answer is not None else ()
        at, step = until, min(_SLICE_US, step * 2)


def spending(ask: Ask, span: Span) -> Iterator[Row]:
    """Give what was spent in each hour, oldest first."""
    answer = ask("spending", since=span.since_us, until=span.until_us, automation=span.automation)
    yield from answer.dicts()


def _asked(ask: Ask, span: Span, since_us: int, until_us: int) -> Answer | None:
    """Ask about one slice; None when it is too much for one question."""
    flags = {"by_size": int(span.by_size), "by_run": int(span.by_run), "cuts": ",".join(map(str, span.cuts))}
    try:
        answer = ask("replay", since=since_us, until=until_us, automation=span.automation, **flags)
    except RecorderError as error:
        if error.status == _TOO_SLOW:
            return None
        raise
    return None if answer.truncated else answer
