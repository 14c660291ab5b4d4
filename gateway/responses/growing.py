"""Output items that grow piece by piece, each with the events of its kind."""

from collections.abc import Iterator
from typing import Any, Protocol

from gateway.responses.from_chat import call_item, message_item, reasoning_item, text_part
from gateway.wire.turn import Json


class Growing(Protocol):
    """One output item on its way."""

    def begin(self) -> Iterator[Json]:
        """Say that the item begins."""

    def grow(self, text: str) -> Json:
        """Take a piece of the item's text."""

    def finish(self) -> Iterator[Json]:
        """Say that the item is complete."""

    def whole(self) -> Json:
        """Return the item."""


class Words:
    """The assistant's words, or its refusal."""

    def __init__(self, place: int, name: str, refuses: bool) -> None:
        self._place, self._name, self._refuses = place, name, refuses
        self._at = {"item_id": name, "output_index": place, "content_index": 0}
        self._texts: list[str] = []

    def begin(self) -> Iterator[Json]:
        """Say that the item and its part begin."""
        item = message_item(self._name, [], "in_progress")
        yield {"type": "response.output_item.added", "output_index": self._place, "item": item}
        yield {"type": "response.content_part.added", **self._at, "part": self._part("")}

    def grow(self, text: str) -> Json:
        """Take a piece of the words."""
        self._texts.append(text)
        if self._refuses:
            return {"type": "response.refusal.delta", **self._at, "delta": text}
        return {"type": "response.output_text.delta", **self._at, "delta": text, "logprobs": []}

    def finish(self) -> Iterator[Json]:
        """Say that the part and its item are complete."""
        text = "".join(self._texts)
        if self._refuses:
            yield {"type": "response.refusal.done", **self._at, "refusal": text}
        else:
            yield {"type": "response.output_text.done", **self._at, "text": text, "logprobs": []}
        yield {"type": "response.content_part.done", **self._at, "part": self._part(text)}
        yield {"type": "response.output_item.done", "output_index": self._place, "item": self.whole()}

    def whole(self) -> Json:
        """Return the item."""
        return message_item(self._name, [self._part("".join(self._texts))])

    def _part(self, text: str) -> Json:
        return {"type": "refusal", "refusal": text} if self._refuses else text_part(text)


class Thoughts:
    """Reasoning that the provider shows."""

    def __init__(self, place: int, name: str) -> None:
        self._place, self._name = place, name
        self._at = {"item_id": name, "output_index": place, "content_index": 0}
        self._texts: list[str] = []

    def begin(self) -> Iterator[Json]:
        """Say that the item begins."""
        item = {"id": self._name, "type": "reasoning", "summary": [], "content": []}
        yield {"type": "response.output_item.added", "output_index": self._place, "item": item}

    def grow(self, text: str) -> Json:
        """Take a piece of the reasoning."""
        self._texts.append(text)
        return {"type": "response.reasoning_text.delta", **self._at, "delta": text}

    def finish(self) -> Iterator[Json]:
        """Say that the item is complete."""
        yield {"type": "response.reasoning_text.done", **self._at, "text": "".join(self._texts)}
        yield {"type": "response.output_item.done", "output_index": self._place, "item": self.whole()}

    def whole(self) -> Json:
        """Return the item."""
        return reasoning_item(self._name, "".join(self._texts))


class FunctionCall:
    """A function call; its arguments come in pieces."""

    def __init__(self, place: int, name: str, call: Json) -> None:
        self._place, self._name = place, name
        self._at = {"item_id": name, "output_index": place}
        self._named: dict[str, Any] = {"call_id": call.get("id"), "name": (call.get("function") or {}).get("name")}
        self._texts: list[str] = []

    def begin(self) -> Iterator[Json]:
        """Say that the call begins."""
        item = call_item(self._name, self._named | {"arguments": ""}, "in_progress")
        yield {"type": "response.output_item.added", "output_index": self._place, "item": item}

    def grow(self, text: str) -> Json:
        """Take a piece of the arguments."""
        self._texts.append(text)
        return {"type": "response.function_call_arguments.delta", **self._at, "delta": text}

    def finish(self) -> Iterator[Json]:
        """Say that the call is complete."""
        arguments, name = "".join(self._texts), self._named["name"]
        yield {"type": "response.function_call_arguments.done", **self._at, "name": name, "arguments": arguments}
        yield {"type": "response.output_item.done", "output_index": self._place, "item": self.whole()}

    def whole(self) -> Json:
        """Return the item."""
        return call_item(self._name, self._named | {"arguments": "".join(self._texts)}, "completed")
