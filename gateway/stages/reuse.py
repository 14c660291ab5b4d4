"""Answers given again: a request repeated under the same Idempotency-Key, or one equal to a cached one."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, NamedTuple, Self

import orjson

from gateway.answers import AnswerStore, Known, MemoryAnswers, Named
from gateway.call import ClearRequest, Recorded
from gateway.control.errors import ControlError
from gateway.errors import BadRequest, GatewayError, RedactionDown
from gateway.stages.restore import event_bytes, numbered
from gateway.wire import headers
from gateway.wire.endpoint import Json
from gateway.wire.said import as_events
from policy.usage import Usage
from redaction.types import Blocked, RedactionFailed

IDEMPOTENCY, CACHE = "idempotency", "cache"
HEADER: Final = b"idempotency-key"
_KEY_CHARS: Final = 255
_DAY_S: Final = 24 * 3600.0
_LONGEST_CALL_S: Final = 900.0
# They change how an answer travels, not what it says.
_MANNER: Final = frozenset({"stream", "stream_options"})


class Conflict(GatewayError):
    """The Idempotency-Key was used for another request."""

    status, code, type = 409, "idempotency_key_reused", "invalid_request_error"
    layer, outcome = "admit", "refused"


class InProgress(GatewayError):
    """The first request under this Idempotency-Key is not answered yet."""

    status, code, type, retryable = 409, "idempotency_in_progress", "invalid_request_error", True
    layer, outcome = "admit", "refused"


class StoreDown(GatewayError):
    """Whether this request was answered before cannot be asked."""

    status, code, retryable = 503, "idempotency_unavailable", True
    layer = "admit"


class Kept(NamedTuple):
    """What was shown of an answer; `alike`: an equal request of somebody else may get it, too."""

    clean: Json
    alike: bool = True


@dataclass(slots=True)
class Place:
    """Where the answer of one call will be kept: `async with` frees the names in the end if nothing was."""

    store: AnswerStore
    tenant: str
    asked: str = ""
    names: dict[str, tuple[str, float]] = field(default_factory=dict)
    known: tuple[str, Json] | None = None
    review: str | None = None  # where the answer is held
    is_kept: bool = False
    subject: str | None = None

    @property
    def is_new(self) -> bool:
        """Whether nothing is known about the answer yet."""
        return self.known is None and self.review is None

    async def held(self, review_id: str) -> None:
        """Keep where the answer is held, from now on: whoever repeats the request, after a crash too, asks there."""
        self.review = review_id
        if IDEMPOTENCY in self.names:
            await self._keep(IDEMPOTENCY, Known(self.asked, review=review_id))

    async def keep(self, kept: Kept) -> None:
        """Keep an answer whose end its caller has not seen: who has seen it may ask again at once."""
        self.is_kept = True
        for kind in self.names:
            if kept.alike or kind == IDEMPOTENCY:
                await self._keep(kind, Known(self.asked, kept.clean))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None
    ) -> None:
        if IDEMPOTENCY in self.names and not self.is_kept and self.review is None:
            await self._keep(IDEMPOTENCY, None)

    async def _keep(self, kind: str, known: Known | None) -> None:
        name, seconds = self.names[kind]
        with suppress(ControlError):  # the answer is given all the same; a repeated request will ask the model again
            if known is None:
                await self.store.drop(self.tenant, kind, name)
            else:
                await self.store.put(self.tenant, Named(kind, name, seconds), known, self.subject)


@dataclass(frozen=True, slots=True)
class Reuse:
    """Looks for answers that may be given again."""

    store: AnswerStore = field(default_factory=MemoryAnswers)

    async def look(
        self, request: ClearRequest, sent: Mapping[bytes, bytes], notes: Json, *, stopped: bool = False
    ) -> Place | None:
        """Find an answer, or the place where this call's will be kept; None when it is not to be kept.

        Of an automation that is `stopped` no answer is given again, only what a person decided.

        Raises:
            Conflict, InProgress, BadRequest, StoreDown: see `gateway.stages.reuse`.
        """
        policy = request.governed.bound.policy
        key = sent.get(HEADER)
        if key is None and policy.cache.mode == "off":
            return None
        call = request.governed.call
        place = Place(self.store, call.holder.facts.tenant, subject=call.labels.subject)
        try:
            if key is not None:
                await self._repeated(place, request, key)
            if place.is_new and policy.cache.mode == "exact" and not stopped and _belongs_to_nobody(request):
                await self._cached(place, request, notes)
        except ControlError as error:
            raise StoreDown("Whether this request was answered before cannot be asked; try again.") from error
        if stopped and place.known is not None:
            return None
        if not place.is_new:
            kind = IDEMPOTENCY if place.known is None else place.known[0]
            notes |= {"reused": kind, "cost_usd": 0.0, "usage": Usage().as_dict()}
        return place

    async def _repeated(self, place: Place, request: ClearRequest, key: bytes) -> None:
        call = request.governed.call
        await claim(place, call.holder.key_id, key, (call.endpoint.name.encode(), orjson.dumps(call.body)))

    async def _cached(self, place: Place, request: ClearRequest, notes: Json) -> None:
        """Look for an equal request: cleared alike, under the same policy version, of the same tenant."""
        governed = request.governed
        body = {name: value for name, value in request.cleared.body.items() if name not in _MANNER}
        parts = (governed.bound.hash12.encode(), governed.call.endpoint.name.encode(), _sorted(body))
        name, rule = self.store.hidden(place.tenant, *parts), governed.bound.policy.cache
        known = await self.store.get(place.tenant, CACHE, name)
        place.names[CACHE] = (name, rule.ttl.total_seconds())
        if known is None or known.answer is None:
            return
        if rule.enforce == "observe":
            notes["would_reuse"] = True
        else:
            place.known = (CACHE, known.answer)


async def claim(place: Place, key_id: str, key: bytes, asked: tuple[bytes, ...]) -> None:
    """Find the answer that was given under an Idempotency-Key, or take the key for this request.

    Raises:
        Conflict, InProgress, BadRequest: the key cannot be used for it.
    """
    if not key or len(key) > _KEY_CHARS:
        raise BadRequest(f"The Idempotency-Key has 1 to {_KEY_CHARS} characters.", param="idempotency-key")
    name = place.store.hidden(place.tenant, key_id.encode(), key)
    place.asked = place.store.hidden(place.tenant, *asked)
    known = await place.store.claim(place.tenant, IDEMPOTENCY, name, place.asked, _LONGEST_CALL_S)
    if known is None:
        place.names[IDEMPOTENCY] = (name, _DAY_S)
    elif known.asked != place.asked:
        raise Conflict("This Idempotency-Key was used for another request; use a new one.")
    elif known.review is not None:
        place.review = known.review
    elif known.answer is None:
        raise InProgress("The first request under this Idempotency-Key is not answered yet.")
    else:
        place.known = (IDEMPOTENCY, known.answer)


def again(request: ClearRequest, clean: Json) -> bytes:
    """Give a clean answer to this caller, with the values of the request's own placeholders restored.

    Raises:
        RedactionDown: it could not be screened.
    """
    governed = request.governed
    screen = governed.redactor.screen(request.cleared.vault, governed.call.endpoint.name, again=True)
    try:
        body = screen.whole(clean).reply
    except (Blocked, RedactionFailed) as error:
        raise RedactionDown("The answer could not be searched for personal data.") from error
    if not governed.call.stream:
        return orjson.dumps(body)
    options = governed.call.body.get("stream_options") or {}
    events = as_events(governed.call.endpoint.name, body, bool(options.get("include_usage")))
    told = (event_bytes(numbered(event, place), hide_usage=False) for place, event in enumerate(events))
    return b"".join(told) + governed.call.endpoint.done


def marked(recorded: Recorded, kind: str) -> list[headers.Header]:
    """Give the headers of an answer that was given before."""
    return [*recorded.headers, (b"x-sluice-reused", kind.encode())]


def _belongs_to_nobody(request: ClearRequest) -> bool:
    """Say whether an answer may be another call's, too: it is about no person and no turn of a conversation."""
    call = request.governed.call
    return call.labels.subject is None and call.endpoint.turn is None


def _sorted(body: Json) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
