"""What an automation is: a name, an input, and typed steps that follow each other."""

import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeVar

from pydantic import TypeAdapter

from automations.flow.run import Run

StepKind = Literal["ingest", "transform", "retrieve", "decide", "prompt", "dispatch"]
Takes = TypeVar("Takes")
Gives = TypeVar("Gives")
Work = Callable[[Run[Any], Takes], Gives]
KeyOf = Callable[[Any], str]


class BadAutomation(TypeError):
    """The file describes no automation that could run; the sentence says what to change."""


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a step is tried, and how long the waits between are: doubled each time, with jitter."""

    attempts: int = 5
    first_wait_s: float = 2.0
    longest_wait_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Effect:
    """What a dispatch step does to the outside.

    `key` makes the business key from the run's input. It never sees what a model wrote, so a model cannot make one
    action into two. `takes_key`: the target does nothing twice for one key; without it a crash in the middle leaves
    the effect unknown, and a person is asked. `per_minute` bounds the pace over all workers.
    """

    name: str
    key: KeyOf
    takes_key: bool
    per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its work, the types it takes and gives, and its limits."""

    name: str
    kind: StepKind
    work: Work[Any, Any]
    takes: TypeAdapter[Any]
    gives: TypeAdapter[Any]
    timeout_s: float
    tries: Tries
    prompt: str | None = None
    effect: Effect | None = None


class Offer(Protocol):
    """How a source hands over inputs: for each it is told why it cannot be taken, None where it is on disk."""

    def __call__(self, given: Sequence[Any], /) -> Sequence[str | None]: ...


class Source(Protocol):
    """Something that is asked for new inputs now and then. It forgets one only after `offer` has returned."""

    @property
    def name(self) -> str: ...

    @property
    def every_s(self) -> float: ...

    def poll(self, offer: Offer) -> None: ...


class Pace(Protocol):
    """Says how long to wait before the next request to a peer of a name that takes so many in a second."""

    def wait_s(self, name: str, per_second: float) -> float: ...


class Paced(Protocol):
    """Something that keeps a pace: a worker gives it one that holds over all workers."""

    pace: Pace


class Hook(Protocol):
    """Reads what others send to `/hooks/AUTOMATION` of the worker."""

    def read(self, headers: typing.Mapping[str, str], body: bytes) -> Sequence[Any]:
        """Return the inputs that a request carries; raise `PermissionError` when it is not signed as it should be."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of an automation over all workers.

    `deadline_s`: a run that is not done so long after it was enqueued becomes a dead letter. `max_queued`: more are
    refused, so that whoever enqueues slows down.
    """

    concurrency: int = 4
    per_minute: int | None = None
    deadline_s: float = 24 * 3600.0
    max_queued: int = 20_000
    max_input_bytes: int = 1_000_000


DEFAULT_LIMITS: Final = Limits()
DEFAULT_TRIES: Final = Tries()


@dataclass(slots=True)
class Automation:
    """An automation. Its steps run in the order in which they are written.

    Args:
        name: as in its policy and its API key.
        takes: the type of its input, a pydantic model or a dataclass.
        key: the business key of an input; a second input with the same key is a duplicate and starts no run.
        subject: whom an input is about, for search and erasure; None: nobody.
    """

    name: str
    takes: type[Any]
    key: KeyOf
    subject: Callable[[Any], str | None] = lambda _given: None
    limits: Limits = DEFAULT_LIMITS
    sources: Sequence[Source] = ()
    hook: Hook | None = None
    paced: Sequence[Paced] = ()
    dry_run: bool = False
    steps: list[Step] = field(default_factory=list)
    input_type: TypeAdapter[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.input_type = TypeAdapter(self.takes)

    def ingest(self, **how: Any) -> Callable[[Work[Takes, Gives]], Work[Takes, Gives]]:
        """Read the raw input. Options of every kind: `timeout_s`, `tries`."""
        return self._adding("ingest", **how)

    def transform(self, **how: Any) -> Callable[[Work[Takes, Gives]], Work[Takes, Gives]]:
        """Change what was read."""
        return self._adding("transform", **how)

    def retrieve(self, **how: Any) -> Callable[[Work[Takes, Gives]], Work[Takes, Gives]]:
        """Look something up."""
        return self._adding("retrieve", **how)

    def decide(self, **how: Any) -> Callable[[Work[Takes, Gives]], Work[Takes, Gives]]:
        """Decide by rules what happens next."""
        return self._adding("decide", **how)

    def prompt(self, version: str, **how: Any) -> Callable[[Work[Takes, Gives]], Work[Takes, Gives]]:
        """Ask a model; `version` is the prompt's `name@version`."""
        return self._adding("prompt", prompt=version, **how)

    def dispatch(
        self, action: str, *, key: KeyOf, takes_key: bool, per_minute: int | None = None, **how: Any
    ) -> Callable[[Work[Takes, Gives]], Work[Takes, Gives]]:
        """Act on the outside, once: see `Effect`. What the step takes is what a person is shown before it happens."""
        return self._adding("dispatch", effect=Effect(action, key, takes_key, per_minute), **how)

    def _adding(
        self,
        kind: StepKind,
        *,
        timeout_s: float = 60.0,
        tries: Tries = DEFAULT_TRIES,
        prompt: str | None = None,
        effect: Effect | None = None,
    ) -> Callable[[Work[Takes, Gives]], Work[Takes, Gives]]:
        def add(work: Work[Takes, Gives]) -> Work[Takes, Gives]:
            takes, gives = _types_of(work)
            self._refuse_mismatch(work, takes)
            adapters = TypeAdapter(takes), TypeAdapter(gives)
            self.steps.append(Step(work.__name__, kind, work, *adapters, timeout_s, tries, prompt, effect))
            self._gives = gives
            return work

        return add

    _gives: Any = field(default=None, init=False)

    def _refuse_mismatch(self, work: Callable[..., Any], takes: Any) -> None:
        if any(step.name == work.__name__ for step in self.steps):
            raise BadAutomation(f"{self.name}: two steps are called {work.__name__}; give each a name of its own.")
        before = self._gives if self.steps else self.takes
        if takes != before:
            source = f"the step before gives {_name(before)}" if self.steps else f"the input is {_name(before)}"
            raise BadAutomation(f"{self.name}: the step {work.__name__} takes {_name(takes)}, but {source}.")


def _types_of(work: Callable[..., Any]) -> tuple[Any, Any]:
    hints = typing.get_type_hints(work)
    gives = hints.pop("return", None)
    names = list(hints)
    if len(names) != 2 or gives is None:
        raise BadAutomation(f"{work.__name__} must be written as: def {work.__name__}(run: Run[X], given: A) -> B")
    return hints[names[1]], gives


def _name(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))
