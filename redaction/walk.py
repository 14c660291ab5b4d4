"""The one walk over bodies of requests: every string and key is visited, except the words of the protocol itself."""

import json
import re
from typing import Any, Protocol

from redaction.media import is_media
from redaction.types import Unsearchable

_PROTOCOL = frozenset(
    {
        "role",
        "type",
        "id",
        "object",
        "model",
        "tool_call_id",
        "call_id",
        "item_id",
        "response_id",
        "previous_response_id",
        "status",
        "format",
        "encoding_format",
        "service_tier",
        "detail",
        "effort",
        "reasoning_effort",
        "verbosity",
        "truncation",
        "tool_choice",
        "file_id",
        "modalities",
        "prompt_cache_retention",
        "voice",
        "include",
        "finish_reason",
    }
)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}\Z")
# Words of letters alone are the protocol's own vocabulary; a word with digits may be a number of somebody.
_LETTERS = re.compile(r"[A-Za-z_.:/-]{1,64}\Z")
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z_-]{0,39}\Z")
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]{0,63}\Z")
_SITE_OF_ROLE = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_SITE_OF_KEY = {
    "instructions": "system",
    "system": "system",
    "input": "user",
    "prompt": "user",
    "suffix": "user",
    "tools": "tool",
    "functions": "tool",
    "metadata": "metadata",
    "user": "metadata",
    "safety_identifier": "metadata",
    "prompt_cache_key": "metadata",
    "prediction": "assistant",
}
_TOOL_ITEMS = frozenset(
    {
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "mcp_call",
        "tool_result",
        "tool_use",
    }
)
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
_NO_HINT = frozenset(
    {
        "content",
        "text",
        "arguments",
        "input",
        "output",
        "description",
        "prompt",
        "name",
        "url",
        "value",
        "message",
        "body",
        "data",
    }
)
_PLAIN_NUMBER_DIGITS = 7
_NUMBERS = frozenset({"seed", "created"})
_DEPTH = 64


class Visitor(Protocol):
    """What is done with the pieces of a body."""

    def text(self, value: str, site: str, hint: str) -> str:
        """Give what a string becomes; `hint` is the key it stands under in free-form data, else empty."""
        ...

    def word(self, value: str, site: str) -> str:
        """Give what an identifier of the protocol becomes: it has no prose, so nobody is named in it."""
        ...

    def parts(self, values: list[str], site: str) -> list[str]:
        """Give what neighbouring text parts of one message become."""
        ...

    def media(self, value: str, kind: str, site: str) -> None:
        """Take note of data that is not read, or refuse it."""
        ...


class Walk:
    """Walks one body; unchanged parts of the result are the caller's own objects."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor

    def request(self, body: dict[str, Any]) -> dict[str, Any]:
        """Rewrite a request of any endpoint."""
        return _changed(body, {self._key(key, "other"): self._top(key, value) for key, value in body.items()})

    def _top(self, key: str, value: Any) -> Any:
        site = _SITE_OF_KEY.get(key, "other")
        if key in {"messages", "input"} and isinstance(value, list):
            _refuse_tokens(value)
            return _same(value, [self._message(item, index, site) for index, item in enumerate(value)])
        if key == "prompt" and isinstance(value, list):
            _refuse_tokens(value)
        if isinstance(value, str):
            return self._field(key, value, site, 0)
        return value if key in _NUMBERS else self._free(value, site, key, 0)

    def _message(self, message: Any, index: int, site: str) -> Any:
        if not isinstance(message, dict):
            return self._node(message, f"{site}:{index}", "", 1)
        role = _SITE_OF_ROLE.get(_word(message.get("role")), site)
        place = f"{'tool' if _word(message.get('type')) in _TOOL_ITEMS else role}:{index}"
        return _changed(message, {key: self._field(key, value, place, 1) for key, value in message.items()})

    def _field(self, key: str, value: Any, site: str, depth: int) -> Any:
        if isinstance(value, str) and key in _PROTOCOL and _WORD.match(value):
            return value if _LETTERS.match(value) else self._visitor.word(value, site)
        if key == "encrypted_content" and is_media(key, value):
            return value
        if isinstance(value, list) and len(value) > 1 and key in {"content", "parts", "output"}:
            return self._content(value, site, depth)
        if isinstance(value, list | dict):
            return self._node(value, site, key, depth)
        return self._leaf(value, site, "", depth) if isinstance(value, str) else self._number(value, site, "")

    def _content(self, parts: list[Any], site: str, depth: int) -> list[Any]:
        """Rewrite a list of parts; neighbouring text parts are looked at together."""
        out: list[Any] = []
        run: list[dict[str, Any]] = []
        for part in parts:
            if isinstance(part, dict) and _word(part.get("type")) in _TEXT_PARTS and isinstance(part.get("text"), str):
                run.append(part)
                continue
            out += self._texts(run, site)
            run = []
            out.append(self._node(part, site, "", depth + 1))
        out += self._texts(run, site)
        return _same(parts, out)

    def _texts(self, run: list[dict[str, Any]], site: str) -> list[Any]:
        texts = self._visitor.parts([part["text"] for part in run], site) if run else []
        fields = [
            {key: text if key == "text" else self._field(key, value, site, 2) for key, value in part.items()}
            for part, text in zip(run, texts, strict=True)
        ]
        return [_changed(part, new) for part, new in zip(run, fields, strict=True)]

    def _node(self, node: Any, site: str, hint: str, depth: int) -> Any:
        if depth > _DEPTH:
            raise Unsearchable("the request is nested too deeply to be looked at")
        if isinstance(node, str):
            return self._leaf(node, site, "", depth)
        if isinstance(node, list):
            return _same(node, [self._node(item, site, hint, depth + 1) for item in node])
        if isinstance(node, dict):
            return self._part(node, site, depth) if isinstance(node.get("type"), str) else self._dict(node, site, depth)
        return self._number(node, site, hint)

    def _part(self, part: dict[str, Any], site: str, depth: int) -> Any:
        fields = {}
        for key, value in part.items():
            data = is_media(key, value)
            if data:
                self._visitor.media(value, str(part["type"]), site)
            fields[self._key(key, site)] = value if data else self._field(key, value, site, depth + 1)
        return _changed(part, fields)

    def _dict(self, node: dict[str, Any], site: str, depth: int) -> Any:
        fields = {}
        for key, value in node.items():
            if is_media(key, value):
                self._visitor.media(value, key, site)
                fields[key] = value
            elif isinstance(value, str) and key not in _PROTOCOL:
                fields[self._key(key, site)] = self._leaf(value, site, key, depth + 1)
            else:
                fields[self._key(key, site)] = self._field(key, value, site, depth + 1)
        return _changed(node, fields)

    def _free(self, node: Any, site: str, hint: str, depth: int) -> Any:
        """Rewrite free-form data, in which every string counts and keys say what their values are."""
        if depth > _DEPTH:
            raise Unsearchable("a value of the request is nested too deeply to be looked at")
        if isinstance(node, str):
            return self._leaf(node, site, hint, depth)
        if isinstance(node, list):
            return _same(node, [self._free(item, site, hint, depth + 1) for item in node])
        if isinstance(node, dict):
            return _changed(
                node, {self._key(key, site): self._free(value, site, key, depth + 1) for key, value in node.items()}
            )
        return self._number(node, site, hint)

    def _number(self, node: Any, site: str, hint: str) -> Any:
        """Look at a long whole number as at its digits; `1e16` and `1.0` count as whole."""
        if type(node) is float and node.is_integer():
            node_as_int = int(node)
        elif type(node) is int:
            node_as_int = node
        else:
            return node
        text = str(node_as_int)
        if len(text) < _PLAIN_NUMBER_DIGITS:
            return node
        new = self._visitor.text(text, site, hint)
        return node if new == text else new

    def _key(self, key: str, site: str) -> str:
        if _PLAIN_KEY.match(key):
            return key
        # An identifier with digits may be a number of somebody, but names nobody; a tool's schema is full of them.
        return self._visitor.word(key, site) if _IDENTIFIER.match(key) else self._visitor.text(key, site, "")

    def _leaf(self, value: str, site: str, hint: str, depth: int) -> str:
        if value[:1] in {"{", "["} and value[-1:] in {"}", "]"}:
            return self._json(value, site, depth)
        return self._visitor.text(value, site, "" if hint in _NO_HINT else hint)

    def _json(self, value: str, site: str, depth: int) -> str:
        """Rewrite JSON inside a string; it stays as it was written unless something in it changes."""
        try:
            parsed = json.loads(value, object_pairs_hook=_unique)
        except (ValueError, RecursionError):
            return self._visitor.text(value, site, "")
        new = self._free(parsed, site, "", depth + 1)
        if new is parsed:
            return value
        compact = '": ' not in value
        escaped = value.isascii() or "\\ud" in value.lower()  # half a pair cannot be sent but as an escape
        return json.dumps(new, ensure_ascii=escaped, separators=(",", ":") if compact else None)


def _word(value: Any) -> str:
    """Return a text, or nothing where another type stands in its place."""
    return value if isinstance(value, str) else ""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse_tokens(value: list[Any]) -> None:
    """Refuse lists of token numbers: nobody can look into them without the model's own vocabulary."""
    first = value[0] if value else None
    if isinstance(first, int) or (isinstance(first, list) and first and isinstance(first[0], int)):
        raise Unsearchable("the input is a list of token numbers, which cannot be looked at; send text instead")


def _changed(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    for key, value in new.items():  # plain loops: this runs on every object of every request
        if old.get(key, new) is not value:
            return new
    return old if len(old) == len(new) else new


def _same(old: list[Any], new: list[Any]) -> list[Any]:
    for place, value in enumerate(new):
        if old[place] is not value:
            return new
    return old
