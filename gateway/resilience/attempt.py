"""One try of one upstream, as the record keeps it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any, Final

from gateway.call import Answer, Target
from gateway.wire.turn import Speech
from policy.usage import Usage

LEFT: Final = "interrupted"  # the error code of a try that nobody waited for any more
# Words and short numbers: what an upstream calls a code may be a text, or a secret.
_CODE: Final = re.compile(r"(?:[A-Za-z]{1,24}|[0-9]{1,4})(?:[_.\-](?:[A-Za-z]{1,24}|[0-9]{1,4})){0,8}")


def code(text: str | None) -> str | None:
    """Return a code as it is, and anything that is no code as `other`: records hold closed vocabularies."""
    return text if text is None or _CODE.fullmatch(text) else "other"


@dataclass(slots=True)
class Attempt:
    """Filled while the upstream answers; times in nanoseconds of the process's own clock."""

    n: int
    target: Target
    began_ns: int
    status: int | None = None
    error_code: str | None = None
    first_byte_ns: int | None = None
    ended_ns: int | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    output: bool = False  # a byte of an answer has come
    tell: Callable[[bool | None], None] | None = None  # who waits to hear how it went; None: it was left
    speech: Speech | None = None  # where the provider is spoken to in its own way
    purpose: str = "answer"  # or `sample`, `verifier`, `escalated`: it was judged and a better model was asked

    def fail(self, error_code: str) -> None:
        """Note that no answer came; one that never began, or was refused, costs nothing."""
        if self.status not in (None, 200) or error_code == "upstream_unreachable":
            self.cost_usd = 0.0

    def record(self) -> dict[str, Any]:
        """Return the attempt in the shape of `call.end`."""
        said = {
            "n": self.n,
            "provider": self.target.provider.name,
            "model": self.target.model,
            "status": self.status,
            "error_code": code(self.error_code),
            "first_byte_ms": _ms(self.began_ns, self.first_byte_ns),
            "total_ms": _ms(self.began_ns, self.ended_ns),
            "usage": self.usage.as_dict() if self.usage else None,
            "cost_usd": self.cost_usd,
        }
        return said if self.purpose == "answer" else said | {"purpose": self.purpose}


class Attempts:
    """All tries of one call, and how long the call waited for upstreams."""

    __slots__ = ("_clock_ns", "all", "breakers", "came", "decisions", "waited_ns")

    def __init__(self, clock_ns: Callable[[], int] = perf_counter_ns) -> None:
        self._clock_ns = clock_ns
        self.all: list[Attempt] = []
        self.waited_ns = 0
        self.came: Answer | None = None  # the last answer, as far as it came; it may not be screened yet
        self.decisions: list[dict[str, Any]] = []  # what followed each failure, and why
        self.breakers: dict[str, str] = {}  # those that were not closed, as they were seen

    @property
    def main(self) -> Attempt | None:
        """The last try to get the answer itself."""
        return next((attempt for attempt in reversed(self.all) if attempt.purpose == "answer"), None)

    @property
    def target(self) -> Target | None:
        """The model that was tried last for the answer."""
        main = self.main
        return main.target if main else None

    @property
    def beside(self) -> Iterator[Attempt]:
        """The tries of models that were asked beside the one whose answer is shown, with what they used."""
        return (attempt for attempt in self.all if attempt.purpose != "answer" and attempt.usage is not None)

    def set_aside(self, purpose: str, since: int = 0) -> None:
        """Say that the tries from a place on were not for the answer that is shown."""
        for attempt in self.all[since:]:
            if attempt.purpose == "answer":
                attempt.purpose = purpose

    def join(self, other: "Attempts", purpose: str) -> None:
        """Take over the tries of a question asked beside the answer."""
        for attempt in other.all:
            attempt.n, attempt.purpose = len(self.all) + 1, purpose
            self.all.append(attempt)
        self.decisions += other.decisions
        self.breakers |= other.breakers

    def facts(self) -> dict[str, Any]:
        """Return what `call.end` keeps of failures, where there were any."""
        escalated = sum(tried.purpose == "escalated" for tried in self.all) if len(self.all) > 1 else 0
        found = {"retries": self.decisions, "breakers": self.breakers, "escalated": escalated}
        return {name: value for name, value in found.items() if value}

    def begin(self, target: Target) -> Attempt:
        """Start the next try."""
        attempt = Attempt(len(self.all) + 1, target, self._clock_ns())
        self.all.append(attempt)
        return attempt

    def now_ns(self) -> int:
        return self._clock_ns()

    def first_byte(self, attempt: Attempt) -> None:
        """Note when the body began."""
        attempt.first_byte_ns = self._clock_ns()

    def end(self, attempt: Attempt, error_code: str | None = None) -> None:
        """Note the end of a try; a second end changes nothing."""
        if attempt.ended_ns is None:
            attempt.ended_ns = self._clock_ns()
            attempt.error_code = error_code
            tell, attempt.tell = attempt.tell, None  # it leads back here: kept, each call would be a reference cycle
            if tell is not None:
                tell(None if error_code == LEFT else error_code is None)


def _ms(began_ns: int, at_ns: int | None) -> float | None:
    return None if at_ns is None else round((at_ns - began_ns) / 1e6, 3)
