"""What travels through the pipeline. Each stage needs the value of the stage before, so a wrong order is a type error.

    Call -> Governed -> ClearRequest -> Route -> Answer -> ClearAnswer -> Judged -> Released -> Reply -> Recorded

Raw text lives only in `Call.body` and, until it is screened, in `Answer`.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from gateway.admission import KeyHolder
from gateway.providers.base import Provider
from gateway.scorers.base import Signal
from gateway.wire.endpoint import Endpoint, Json
from gateway.wire.labels import Labels
from gateway.wire.trace import Trace
from policy.blocks_routing import Cause
from policy.decide import Judgement
from policy.model import Bound
from policy.snapshot import Snapshot
from policy.usage import Usage
from redaction.redactor import Redactor
from redaction.screen import Screen
from redaction.types import Clean, Cleared


class Call(NamedTuple):
    """One admitted request, as received."""

    id: str
    endpoint: Endpoint
    body: Json
    holder: KeyHolder
    labels: Labels
    trace: Trace
    stream: bool


class Tags(NamedTuple):
    """Cleared labels: what records and headers may show."""

    run: str
    step: Clean | None
    prompt: Clean | None
    data_class: Clean | None
    model: Clean


class Compiled(NamedTuple):
    """A redactor, and its `clear_label` with a memory for names that come again and again."""

    redactor: Redactor
    clear_name: Callable[[str], Clean]


class Governed(NamedTuple):
    """A call with the one policy that governs it from its first to its last byte."""

    call: Call
    snapshot: Snapshot
    bound: Bound
    redactor: Redactor
    clear_name: Callable[[str], Clean]
    tags: Tags


class ClearRequest(NamedTuple):
    """A request without governed values; the only kind that may be routed."""

    governed: Governed
    cleared: Cleared


class Target(NamedTuple):
    """One model of one provider."""

    provider: Provider
    model: str


class Chain(NamedTuple):
    """Candidates that are asked next, by what went wrong."""

    after: tuple[Cause, ...]
    targets: tuple[Target, ...]


class Route(NamedTuple):
    """Where a clear request may go, best target first. `body` is what travels, but for the target's model name.

    `hides` names what was asked for our own use and is not the caller's: `logprobs`, or only `top` ones.
    """

    request: ClearRequest
    targets: tuple[Target, ...]
    body: Json
    rule: str
    usage_forced: bool
    live: bool
    dropped: tuple[str, ...] = ()
    fallbacks: tuple[Chain, ...] = ()
    shadow: Target | None = None  # gets a copy that nobody sees
    hides: str = ""
    escalated: bool = False

    @property
    def reachable(self) -> Iterator[Target]:
        """Every target that may be asked."""
        return chain(self.targets, *(fallback.targets for fallback in self.fallbacks))


class Answer(NamedTuple):
    """What a model said, complete and not yet screened: one body, or the events of a stream that was collected.

    `raw` holds the bytes of a body, to be passed on unchanged where nothing was found.
    """

    route: Route
    target: Target
    events: tuple[Json, ...]
    raw: bytes = b""


class ClearAnswer(NamedTuple):
    """A screened answer.

    `clean` is what records, reviews and caches see. `restored` holds the body or events with the caller's own
    values back; of a live answer they were sent as they came. `usage` is None where the upstream gave none.
    Of an answer that was not screened to its end, nothing is known but how many characters came (`unseen`).
    """

    answer: Answer
    clean: Json
    restored: tuple[Json, ...]
    screen: Screen
    usage: Usage | None
    unseen: int | None = None


class Scored(NamedTuple):
    """How sure an answer is, and what stands behind it; `value` None: a signal is missing."""

    value: float | None = None
    signals: tuple[Signal, ...] = ()


class Judged(NamedTuple):
    """An answer, its verdict and the score behind it."""

    answer: ClearAnswer
    judgement: Judgement
    scored: Scored = Scored()
    threshold: float | None = None


class Released(NamedTuple):
    """What may be shown: the answer, or what stands in its place, which `instead` holds in clean form.

    `review` names the review of an answer that its caller polls for.
    """

    judged: Judged
    shown: tuple[Json, ...]
    instead: Json | None = None
    review: str | None = None


class Reply(NamedTuple):
    """The caller's answer as bytes, to be sent once it is recorded; of a live answer only its last part."""

    released: Released
    body: bytes


class Recorded(NamedTuple):
    """A reply whose record is durable; nothing else can be sent as the end of an answer."""

    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
