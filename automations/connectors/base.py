"""What all connectors share: how a peer can fail, what cannot be worked on, and secrets by the name of a variable."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from automations.flow.signals import Fatal, RetryLater

LOCAL: Final = ("127.0.0.1", "::1", "localhost")
_WAIT_S: Final = 15.0
_log = logging.getLogger(__name__)


class Refused(Fatal):
    """The peer will not do it, however often it is asked."""


class Unavailable(RetryLater):
    """The peer surely did not do it, but may later; `after_s` is what it asked to wait."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason, _WAIT_S if after_s is None else after_s)


class Unsure(Exception):
    """Nobody knows whether the peer did it: the request left and its answer was lost."""


@dataclass(frozen=True, slots=True)
class Bad:
    """Something that came in and cannot be worked on, with the reason."""

    reason: str


def secret(environ: Mapping[str, str], name: str) -> str:
    """Give the value of an environment variable.

    Raises:
        Refused: it is not set.
    """
    if value := environ.get(name):
        return value
    raise Refused(f"the environment variable {name} is not set")


def bad_shape(error: ValidationError) -> Bad:
    """Name the first field that does not fit, without its value."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return Bad(f"{place}: {first['type']}" if place else first["type"])


def tell_refused(source: str, place: str, bad: Bad) -> None:
    """Log what was put aside, by place and reason; never its content."""
    _log.warning("%s: %s was put aside: %s", source, place, bad.reason)
