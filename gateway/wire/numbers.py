"""Whole numbers beyond 64 bits, which the JSON library reads as floating point: they are refused, or stay exact."""

import json
import re
from typing import Any, Final

import orjson

from redaction.linear import Linear

_LEAST: Final = -(2**63)
_MOST: Final = 2**64 - 1
_DIGITS: Final = 19  # the fewest that such a number has
_SHOWN: Final = bytes(0x30 if code in b"0123456789" else 0x20 for code in range(256))
_RUN: Final = b"0" * _DIGITS
_WHOLE: Final = Linear(rf"[^0-9.][0-9]{{{_DIGITS}}}")
# A text, which is passed over, or a long number without a fraction or exponent.
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|(?<![0-9.eE+-])(-?[0-9]{19,})(?![0-9.eE])')


def may_be_beyond(raw: bytes) -> bool:
    """Tell cheaply whether JSON may hold a whole number beyond 64 bits."""
    return _RUN in raw.translate(_SHOWN) and _WHOLE.first(raw) >= 0


def first_beyond(raw: bytes) -> int | None:
    """Return where the first whole number beyond 64 bits stands in valid JSON."""
    numbers = (token for token in _TOKEN.finditer(raw) if token[1] and not _LEAST <= int(token[1]) <= _MOST)
    return next((token.start(1) for token in numbers), None)


def loads(raw: bytes) -> Any:
    """Decode JSON as `exact` does, at the cost of plain JSON where no such number stands in it."""
    return exact(raw) if may_be_beyond(raw) else orjson.loads(raw)


def exact(raw: bytes) -> Any:
    """Decode JSON; a whole number beyond 64 bits becomes a fragment, which is written again as it stood.

    Raises:
        orjson.JSONDecodeError: it is not JSON.
    """
    value = orjson.loads(raw)
    if first_beyond(raw) is None:
        return value
    try:
        return json.loads(raw, parse_int=_number)
    except RecursionError:  # deeper than an answer may be
        return value


def _number(digits: str) -> int | orjson.Fragment:
    value = int(digits)
    return value if _LEAST <= value <= _MOST else orjson.Fragment(digits)
