"""Speaking to a provider that has the Responses API: its ids become ours, and it stores nothing."""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.wire.responses import TERMINAL, check_answer, check_event
from gateway.wire.turn import Json


class Told(NamedTuple):
    """What callers are told about their response, whatever the provider was told."""

    response_id: str
    previous: str | None
    store: bool
    background: bool

    def own(self, body: Json) -> Json:
        """Return a response with our id, and with what the caller asked for."""
        told: Json = {"id": self.response_id, "previous_response_id": self.previous, "store": self.store}
        return body | told | ({"background": self.background} if self.background or "background" in body else {})


class NativeSpeech:
    """Passes requests and answers on, with the ids that each side knows."""

    path = "/responses"

    def __init__(self, told: Told) -> None:
        self._told, self._ended = told, False

    def request(self, body: Json) -> Json:
        """Ask the provider to store nothing, unless caller and policy want it to."""
        return {"store": False} | body

    def answer(self, body: Json) -> Json:
        """Return the response with our id."""
        check_answer(body)
        return self._told.own(body)

    def event(self, event: Json) -> Sequence[Json]:
        """Return the event with our id; after the one that ends the response there is none."""
        if self._ended:
            return ()
        check_event(event)
        self._ended = event.get("type") in TERMINAL
        if "response_id" in event:
            event = event | {"response_id": self._told.response_id}
        if isinstance(event.get("response"), dict):
            event = event | {"response": self._told.own(event["response"])}
        return (event,)

    def end(self, said_done: bool) -> Sequence[Json]:
        """Say nothing more."""
        return ()
