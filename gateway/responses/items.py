"""Input items of the Responses API as messages of a chat."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.wire.responses import unsupported
from gateway.wire.turn import Json

_KNOWN_ONLY: Final = "cannot be put to this provider, which knows chat completions only."
_ROLES: Final = frozenset({"user", "assistant", "system", "developer"})


def messages(instructions: Any, given: Any) -> list[Json]:
    """Return the messages that say the same as instructions and input.

    Raises:
        BadRequest: an item or part has no counterpart; the error names it.
    """
    told: list[Json] = []
    if isinstance(instructions, str) and instructions:
        told.append({"role": "system", "content": instructions})
    if isinstance(given, str):
        return [*told, {"role": "user", "content": given}]
    for place, item in enumerate(given or ()):
        _add(told, item, f"input[{place}]")
    return told


def _add(told: list[Json], item: Json, where: str) -> None:
    kind = item.get("type") or "message"
    if kind == "message":
        told.append(_message(item, where))
    elif kind == "function_call":
        _calls(told).append(_call(item))
    elif kind == "function_call_output":
        content = _content(item.get("output"), f"{where}.output")
        told.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": content})
    elif kind != "reasoning":  # what a model thought before is shown to no other API
        raise unsupported(f"{where}.type", f"Items of the type '{kind}' {_KNOWN_ONLY}")


def _message(item: Json, where: str) -> Json:
    role = item.get("role")
    if role not in _ROLES:
        raise unsupported(f"{where}.role", f"This role {_KNOWN_ONLY}")
    return {"role": role, "content": _content(item.get("content"), f"{where}.content")}


def _calls(told: list[Json]) -> list[Json]:
    """Return the list of calls of the assistant's last turn, which function calls belong to."""
    if not told or told[-1]["role"] != "assistant":
        told.append({"role": "assistant", "content": None})
    calls: list[Json] = told[-1].setdefault("tool_calls", [])
    return calls


def _call(item: Json) -> Json:
    function = {"name": item.get("name"), "arguments": item.get("arguments") or ""}
    return {"id": item.get("call_id"), "type": "function", "function": function}


def _content(content: Any, where: str) -> Any:
    """Return a message's content; a text stays one, and nothing but text becomes one."""
    if not isinstance(content, list):
        return content
    parts = [_part(part, f"{where}[{place}]") for place, part in enumerate(content)]
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _part(part: Any, where: str) -> Json:
    kind = part.get("type") if isinstance(part, dict) else None
    made = _PARTS[kind](part) if isinstance(kind, str) and kind in _PARTS else None
    if made is None:
        raise unsupported(where, f"This part {_KNOWN_ONLY}")
    return made


def _text(part: Json) -> Json | None:
    return {"type": "text", "text": part["text"]} if isinstance(part.get("text"), str) else None


def _refusal(part: Json) -> Json | None:
    return {"type": "text", "text": part["refusal"]} if isinstance(part.get("refusal"), str) else None


def _image(part: Json) -> Json | None:
    if not isinstance(part.get("image_url"), str):
        return None
    detail = {"detail": part["detail"]} if part.get("detail") else {}
    return {"type": "image_url", "image_url": {"url": part["image_url"], **detail}}


def _audio(part: Json) -> Json | None:
    return {"type": "input_audio", "input_audio": part["input_audio"]} if part.get("input_audio") else None


def _file(part: Json) -> Json | None:
    named = {name: part[name] for name in ("file_id", "file_data", "filename") if part.get(name)}
    return {"type": "file", "file": named} if named and not part.get("file_url") else None


_PARTS: Final[Mapping[str, Callable[[Json], Json | None]]] = {
    "input_text": _text,
    "output_text": _text,
    "text": _text,
    "refusal": _refusal,
    "input_image": _image,
    "input_audio": _audio,
    "input_file": _file,
}
