"""Time-ordered identifiers; clock and randomness are arguments."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

Clock = Callable[[], int]  # UTC microseconds since 1970
Randomness = Callable[[int], bytes]

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: sorts like the number it writes


def utc_us() -> int:
    """Return the time in UTC microseconds since 1970."""
    return time.time_ns() // 1000


def time_ordered(prefix: str, ts_us: int, random_bytes: Randomness = secrets.token_bytes) -> str:
    """Make an identifier that sorts by time: prefix, 11 digits of microseconds, 13 of chance."""
    return f"{prefix}{_base32(ts_us, 11)}{_base32(int.from_bytes(random_bytes(8)), 13)}"


def _base32(number: int, digits: int) -> str:
    return "".join(_DIGITS[(number >> (5 * place)) & 31] for place in reversed(range(digits)))
