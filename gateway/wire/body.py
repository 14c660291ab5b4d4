"""Reads a JSON request body within limits; every refusal says what is wrong and where."""

from typing import Any, Final

import orjson

from gateway.errors import BadRequest
from gateway.wire.numbers import first_beyond, may_be_beyond

MAX_DEPTH: Final = 100


def parse(raw: bytes) -> dict[str, Any]:
    """Return the JSON object of a request.

    Raises:
        BadRequest: it is not JSON, not an object, nested too deeply, or has numbers that would lose digits.
    """
    if not raw:
        raise BadRequest("The request has no body; send a JSON object.", code="invalid_json")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadRequest(f"The request body is not valid JSON ({where}).", code="invalid_json") from None
    if not isinstance(body, dict):
        raise BadRequest("The request body must be a JSON object.", code="invalid_type")
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _deeper_than(body, MAX_DEPTH):
        raise BadRequest(f"The request body is nested more than {MAX_DEPTH} levels deep.", code="invalid_json")
    if may_be_beyond(raw):
        _check_numbers(raw)
    return body


def _check_numbers(raw: bytes) -> None:
    at = first_beyond(raw)
    if at is None:
        return
    line, column = raw.count(b"\n", 0, at) + 1, at - raw.rfind(b"\n", 0, at)
    raise BadRequest(
        f"The request body has a whole number beyond 64 bits (line {line}, column {column}), which would lose digits. "
        "Send it as a text.",
        code="invalid_value",
    )


def wanted_text(body: dict[str, Any], name: str) -> str:
    """Return a required, non-empty text of the body."""
    value = body.get(name)
    if value is None:
        raise BadRequest(f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"'{name}' must be a text that is not empty.", code="invalid_type", param=name)
    return value


def optional(body: dict[str, Any], name: str, kind: type, called: str) -> None:
    """Refuse a value of another type; null and left out are the same."""
    value = body.get(name)
    if value is None or (isinstance(value, kind) and not (kind is int and isinstance(value, bool))):
        return
    raise BadRequest(f"'{name}' must be {called}.", code="invalid_type", param=name)


def _deeper_than(body: dict[str, Any], limit: int) -> bool:
    level: list[Any] = [body]
    for _ in range(limit):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
