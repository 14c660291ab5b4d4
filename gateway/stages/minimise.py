"""Stage clear, before redaction: fields of structured content that may not travel are taken out, and counted."""

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from gateway.call import Governed
from gateway.wire.endpoint import Json
from policy.blocks_data import Minimise
from policy.minimise import minimised

_DECODER: Final = json.JSONDecoder()
_OPENING: Final = re.compile(r"^[ \t]*[\[{]", re.MULTILINE)
_TEXTS: Final = ("content", "text", "arguments", "output", "input")
_Count = dict[str, int]


def minimise(governed: Governed, notes: Json) -> Governed:
    """Take out what the policy does not let travel; every JSON object or list in a text counts as structured."""
    block = governed.bound.policy.minimise
    if block is None:
        return governed
    gone: _Count = {}
    call = governed.call
    fields = {name: _node(value, partial(_text, block, gone)) for name, value in call.body.items() if name in _PLACES}
    if gone:
        notes["minimised"] = {"enforce": block.enforce, "fields": gone}
    if not gone or block.enforce == "observe":
        return governed
    return governed._replace(call=call._replace(body=call.body | fields))


_PLACES: Final = frozenset({"messages", "input", "prompt", "prediction", "instructions"})


def _node(node: Any, clean: Callable[[str], str]) -> Any:
    """Walk the places of a request where a caller's content stands."""
    if isinstance(node, str):
        return clean(node)
    if isinstance(node, list):
        return [_node(item, clean) for item in node]
    if not isinstance(node, dict):
        return node
    return {name: _inner(name, value, clean) for name, value in node.items()}


def _inner(name: str, value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value) if name in _TEXTS else value
    return _node(value, clean)


def _text(block: Minimise, gone: _Count, text: str) -> str:
    """Minimise the JSON in a text: all of it, or what begins at the start of a line."""
    if "{" not in text and "[" not in text:
        return text
    parts, at = [], 0
    for start, end, value in _found(text):
        before = sum(gone.values())
        kept, counted = minimised(block, value)
        for path, count in counted.items():
            gone[path] = gone.get(path, 0) + count
        if sum(gone.values()) > before:
            parts += [text[at:start], json.dumps(kept, ensure_ascii=False, indent=_indent(text[start:end]))]
            at = end
    return "".join([*parts, text[at:]]) if parts else text


def _found(text: str) -> Iterator[tuple[int, int, Any]]:
    at = 0
    while (opening := _OPENING.search(text, at)) is not None:
        start = opening.end() - 1
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            at = opening.end()
            continue
        yield start, end, value
        at = end


def _indent(text: str) -> int | None:
    return 2 if "\n" in text else None
