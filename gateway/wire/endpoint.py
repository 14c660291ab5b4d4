"""What a model endpoint of the wire is: how a request is checked and how its answer is read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.wire.sse import DONE_EVENT
from gateway.wire.turn import Turn

Json = dict[str, Any]


class Assembly(Protocol):
    """Puts the events of one stream together as they come."""

    usage: Json | None
    model: str | None

    def add(self, event: Json) -> None:
        """Take one clean event."""

    @property
    def begun(self) -> bool:
        """True once something of the answer was seen."""

    def finished(self, wanted: int) -> bool:
        """True once all of the wanted answers have said why they ended."""

    @property
    def even(self) -> bool:
        """True when `[DONE]` can be believed: no answer that began lacks its end where the stream has told of ends."""

    def whole(self) -> Json:
        """Return what the events so far amount to, in the shape of a whole answer."""


def accept_any(_event: Json) -> None:
    """Check nothing."""


def choices_wanted(body: Json) -> int:
    """Return how many answers a request asks for."""
    count: int = body.get("n") or 1
    return count


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One model endpoint.

    `path` lies below the provider's base URL. `reasons` and `chars` read an answer's reasons to finish and the
    length of its texts. Without `assemble` the endpoint never streams; `check_event` refuses events of another shape.
    `done` ends a stream. A `turn` belongs to one call; endpoints without conversations have none.
    """

    name: str
    path: str
    check: Callable[[Json], None]
    check_answer: Callable[[Json], None]
    reasons: Callable[[Json], list[str]]
    chars: Callable[[Json], int]
    assemble: Callable[[], Assembly] | None = None
    check_event: Callable[[Json], None] = accept_any
    wanted: Callable[[Json], int] = choices_wanted
    done: bytes = DONE_EVENT
    turn: Turn | None = None
