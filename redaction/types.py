"""The values that redaction takes and gives: entities, findings, cleared requests and screened answers."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, NewType

# Text from which this package has removed what the policy names; only this package makes it.
Clean = NewType("Clean", str)


class RedactionFailed(Exception):
    """Something could not be looked at completely, so nothing may leave."""


class TimedOut(RedactionFailed):
    """There was no time to look at everything."""


class Unsearchable(RedactionFailed):
    """A text can never be searched, whoever tries: it is nested too deeply, too much at once, or no text."""


class Blocked(Exception):
    """A rule with the operator `block` met a value."""

    def __init__(self, kind: str, site: str) -> None:
        super().__init__(f"the policy does not let {kind} pass ({site})")
        self.kind = kind
        self.site = site


class Entity(NamedTuple):
    """One value found in one text; offsets are characters, end-exclusive."""

    kind: str
    start: int
    end: int
    score: float
    recognizer: str


class Finding(NamedTuple):
    """One entity, where it stood, and what was done: an operator's name, or `observe`."""

    site: str
    kind: str
    start: int
    end: int
    score: float
    recognizer: str
    action: str


@dataclass(frozen=True, slots=True)
class ValueHash:
    """The keyed hash by which a value can be found later without being stored."""

    kind: str
    hmac: str


@dataclass(slots=True)
class Vault:
    """The values of one request, by placeholder; lives in memory only.

    `made` holds the values that the model wrote and that were replaced by placeholders; they are never restored.
    `links` holds the addresses that the request wrote, up to and with each placeholder in them. `json_mode` says that
    the request asked for JSON, so restored values must be JSON-escaped.
    """

    values: dict[str, str] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    hmacs: list[ValueHash] = field(default_factory=list)
    links: set[str] = field(default_factory=set)
    json_mode: bool = False


@dataclass(frozen=True, slots=True)
class Media:
    """One image, audio or file part that was not read."""

    site: str
    kind: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Cleared:
    """A request that may leave; unchanged parts of `body` are the caller's own objects."""

    body: dict[str, Any]
    findings: tuple[Finding, ...]
    vault: Vault
    chars: int
    media: tuple[Media, ...] = ()


class ScreenedBody(NamedTuple):
    """An answer twice: `clean` is what records and reviews see, `reply` has the caller's own values back."""

    clean: dict[str, Any]
    reply: dict[str, Any]
