"""A call that belongs to a conversation: what it goes on from, how providers are spoken to, what is kept of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Json = dict[str, Any]


class Speech(Protocol):
    """How one call is put to one provider, and how what it says is read. One for each try: it may remember."""

    @property
    def path(self) -> str:
        """Below the provider's base URL."""

    def request(self, body: Json) -> Json:
        """Return what travels; the model's name is set already."""

    def answer(self, body: Json) -> Json:
        """Return a whole answer in the endpoint's own shape.

        Raises:
            UpstreamError: it is none.
        """

    def event(self, event: Json) -> Sequence[Json]:
        """Return what one event of the provider's stream is in the endpoint's own events.

        Raises:
            UpstreamError: it has another shape.
        """

    def end(self, said_done: bool) -> Sequence[Json]:
        """Return what is still to be said when the stream has ended, with `[DONE]` or in silence."""


class Asker(NamedTuple):
    """Whose conversation it is: nobody else may go on with it."""

    tenant: str
    automation: str | None


class Earlier(NamedTuple):
    """The turns before this one: their items, cleared, the values of their placeholders, and who answered."""

    items: list[Any]
    values: Mapping[str, str]
    provider: str | None


class Said(NamedTuple):
    """One finished call as a conversation keeps it: cleared request, clean answer, and the values apart."""

    asker: Asker
    subject: str | None
    request: Json
    answer: Json
    values: Mapping[str, str]
    provider: str
    days: int
    review: str | None = None  # the answer is held


class Waiting(NamedTuple):
    """A cleared request that may be answered later."""

    key_id: str
    facts: list[str | None]
    labels: list[str | None]
    subject: str | None
    request: Json
    values: Mapping[str, str]
    days: int


class Turn(Protocol):
    """One call of a conversation. `earlier` holds the turns before it, once it was resumed; their provider answers.

    `hear` gets each clean event of a live answer as it comes, if somebody follows it elsewhere.
    """

    @property
    def earlier(self) -> Earlier | None: ...

    @property
    def hear(self) -> Callable[[Json], None] | None: ...

    async def resume(self, asker: Asker, body: Json) -> Json:
        """Find the turns before this one; return the request without what only concerns us.

        Raises:
            BadRequest: there is no such conversation, or the request cannot be part of one.
        """

    async def defer(self, waiting: Waiting) -> Json | None:
        """Queue the call and return what its caller sees meanwhile; None when it is to be answered now.

        Raises:
            GatewayError: it cannot be queued.
        """

    def goes_on(self, shown: Json) -> bool:
        """Say whether the stream that begins with what was shown of a queued call goes on outside of the pipeline."""

    def speech(self, translated: bool) -> Speech:
        """Return how this call is put to a provider; `translated`: to one that knows chat completions only."""

    def polled(self, asked: bool) -> bool:
        """Say whether the caller of a held answer polls for it: it does so anyway, or was asked to and can."""

    async def keep(self, said: Said) -> None:
        """Remember the call if the caller wants that; a store that is away is no error."""
