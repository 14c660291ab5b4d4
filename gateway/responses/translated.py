"""Speaking to a provider that knows chat completions only."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from gateway.errors import UpstreamError
from gateway.responses.from_chat import ended, frame, output_of
from gateway.responses.growing import FunctionCall, Growing, Thoughts, Words
from gateway.responses.native import Told
from gateway.responses.to_chat import to_chat
from gateway.wire.chat import check_answer, check_event
from gateway.wire.turn import Json

_THOUGHTS: Final = ("reasoning_content", "reasoning")


class TranslatedSpeech:
    """Puts a request as a chat and tells the chat's answer, whole or in events, as a response."""

    path = "/chat/completions"

    def __init__(self, told: Told) -> None:
        self._told = told
        self._asked: Json = {}
        self._frame: Json = {}
        self._items: dict[object, Growing] = {}
        self._finish: str | None = None
        self._usage: Any = None

    def request(self, body: Json) -> Json:
        """Return the chat request; the provider stores nothing unless asked."""
        self._asked = body
        return to_chat(body)

    def answer(self, body: Json) -> Json:
        """Return the response that a chat completion amounts to: its first choice."""
        check_answer(body)
        choice = body["choices"][0]
        begun = frame(self._told, self._asked, body.get("model"), body.get("created"))
        output = output_of(choice.get("message") or {}, self._ids, choice.get("logprobs"))
        return ended(begun, output, choice.get("finish_reason"), body.get("usage"))

    @property
    def _ids(self) -> str:
        return self._told.response_id.removeprefix("resp_")

    def event(self, event: Json) -> Sequence[Json]:
        """Return the events of the response that a chat's event amounts to."""
        check_event(event)
        return [said | {"sequence_number": 0} for said in self._told_by(event)]

    def end(self, said_done: bool) -> Sequence[Json]:
        """Complete the items and the response, if the provider said that they are."""
        if not self._frame or not (said_done or self._finish):
            return ()
        done = [said for item in self._items.values() for said in item.finish()]
        whole = ended(self._frame, [item.whole() for item in self._items.values()], self._finish, self._usage)
        done.append({"type": f"response.{whole['status']}", "response": whole})
        return [said | {"sequence_number": 0} for said in done]

    def _told_by(self, event: Json) -> Iterator[Json]:
        if event.get("usage"):
            self._usage = event["usage"]
        for choice in event.get("choices") or ():
            if choice.get("index"):
                continue
            if not self._frame:
                self._frame = frame(self._told, self._asked, event.get("model"), event.get("created"))
                yield {"type": "response.created", "response": self._frame}
                yield {"type": "response.in_progress", "response": self._frame}
            yield from self._pieces(choice.get("delta") or {})
            self._finish = choice.get("finish_reason") or self._finish

    def _pieces(self, delta: Json) -> Iterator[Json]:
        for name in (*_THOUGHTS, "content", "refusal"):
            text = delta.get(name)
            if isinstance(text, str) and text:
                yield from self._grown("thoughts" if name in _THOUGHTS else name, delta, text)
        for place, call in enumerate(delta.get("tool_calls") or ()):
            arguments = (call.get("function") or {}).get("arguments")
            yield from self._grown(("call", call.get("index", place)), call, arguments or "")

    def _grown(self, key: object, piece: Json, text: Any) -> Iterator[Json]:
        if not isinstance(text, str):
            raise UpstreamError("The upstream's stream has another shape.", code="upstream_invalid_response")
        item = self._items.get(key)
        if item is None:
            item = self._items[key] = self._new(key, len(self._items), piece)
            yield from item.begin()
        if text:
            yield item.grow(text)

    def _new(self, key: object, place: int, piece: Json) -> Growing:
        if key == "thoughts":
            return Thoughts(place, f"rs_{self._ids}")
        if key in ("content", "refusal"):
            return Words(place, f"msg_{self._ids}_{place}", key == "refusal")
        return FunctionCall(place, f"fc_{self._ids}_{place}", piece)
