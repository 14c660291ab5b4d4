"""W3C trace context: the caller's trace continues through the gateway to the upstream."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class Trace(NamedTuple):
    """The gateway's own span in the caller's trace, or in a new one."""

    trace_id: str
    span_id: str
    parent_id: str | None
    flags: str

    @property
    def header(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def begin(incoming: bytes | None, new_hex: Callable[[int], str]) -> Trace:
    """Open the gateway's span.

    Args:
        incoming: the caller's `traceparent`; what is not one counts as none.
        new_hex: gives that many random bytes as hex.
    """
    found = _TRACEPARENT.fullmatch(incoming) if incoming else None
    if found is None or not found[1].strip(b"0") or not found[2].strip(b"0"):
        chance = new_hex(24)
        return Trace(chance[:32], chance[32:], None, "01")
    return Trace(found[1].decode(), new_hex(8), found[2].decode(), found[3].decode())
