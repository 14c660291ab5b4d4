"""What all connectors share: how a peer can fail, what cannot be worked on, and secrets by the name of a variable."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from automations.flow.automation import Offer
from automations.flow.signals import Fatal, RetryLater

LOCAL: Final = ("127.0.0.1", "::1", "localhost")
_WAIT_S: Final = 15.0
_AT_ONCE: Final = 100  # inputs of a source in one transaction
_log = logging.getLogger(__name__)


class Refused(Fatal):
    """The peer will not do it, however often it is asked."""


class Unavailable(RetryLater):
    """The peer may do it later; `after_s` is what it asked to wait. Not `sure`: it may be done, and can be repeated."""

    def __init__(self, reason: str, after_s: float | None = None, *, sure: bool = True) -> None:
        super().__init__(reason, _WAIT_S if after_s is None else after_s)
        self.sure = sure


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


def port_of(environ: Mapping[str, str], name: str, usual: int) -> int:
    """Give the port that an environment variable names, or the usual one.

    Raises:
        ValueError: it is no port.
    """
    text = environ.get(name) or str(usual)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 16):
        raise ValueError(f"{name} is {text!r}; it must be a port, 1 to 65535")
    return int(text)


def bad_shape(error: ValidationError) -> Bad:
    """Name the first field that does not fit, without its value."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return Bad(f"{place}: {first['type']}" if place else first["type"])


def shaped(adapter: TypeAdapter[Any], row: Any, names: Collection[str]) -> Any | Bad:
    """Make an input of a row's fields that it knows, or say why there is none in it."""
    try:
        return adapter.validate_python({n: row[n] for n in names if n in row} if isinstance(row, Mapping) else row)
    except ValidationError as error:
        return bad_shape(error)


def offer_all(rows: Iterable[Any | Bad], offer: Offer) -> Iterator[tuple[int, Bad]]:
    """Offer rows, many at once; give the number, from 1, and the reason of each that cannot be taken."""
    numbered = enumerate(rows, 1)
    while some := list(islice(numbered, _AT_ONCE)):
        good = [(number, row) for number, row in some if not isinstance(row, Bad)]
        whys = offer([row for _, row in good]) if good else ()
        bad = [(number, row) for number, row in some if isinstance(row, Bad)]
        bad += [(number, Bad(why)) for (number, _), why in zip(good, whys, strict=True) if why is not None]
        yield from sorted(bad, key=lambda pair: pair[0])


def tell_refused(source: str, place: str, bad: Bad) -> None:
    """Log what was put aside, by place and reason; never its content."""
    _log.warning("%s: %s was put aside: %s", source, place, bad.reason)
