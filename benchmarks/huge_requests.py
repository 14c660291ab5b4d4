"""Requests that are far too large: each must be refused before it is held."""

import asyncio
import gzip
from collections.abc import Callable

import orjson

from benchmarks.hostile_requests import head, sent
from benchmarks.rawhttp import ask
from benchmarks.stand import Peak, Stand

MIB = 1 << 20
SIZE = 200 * MIB
MAX_MIB = 5.0
LINGER_S = 2.5  # what still comes after a refusal is dropped for so long
TIMES = 3


def requests() -> dict[str, tuple[int, bytes]]:
    """Return the requests by name, each with the status that refuses it."""
    right = orjson.dumps({"model": "ok", "messages": [{"role": "user", "content": "hi"}]})
    part = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    return {
        "a head of 3 MB": (431, sent(right, "x-big: " + "x" * 3_000_000)),
        "200 MB, length announced": (413, head(f"content-length: {SIZE}") + bytes(SIZE)),
        "200 MB in chunks": (413, head("transfer-encoding: chunked") + part * (SIZE // 0x10000) + b"0\r\n\r\n"),
        "gzip bomb of 200 MB": (415, sent(gzip.compress(bytes(SIZE)), "content-encoding: gzip")),
    }


async def huge(stand: Stand, say: Callable[[str, object], None]) -> list[str]:
    """Send each a few times; return what should not have happened."""
    bad: list[str] = []
    for name, (wanted, data) in requests().items():
        peak = Peak(stand.workers())
        replies = [await ask(stand.port, data, 30) for _ in range(TIMES)]
        await asyncio.sleep(LINGER_S)
        more, statuses = peak.more_mib(), {reply.status for reply in replies}
        if statuses != {wanted} or more > MAX_MIB:
            bad.append(f"{name}: {statuses}, {more:.1f} MiB more (limit {MAX_MIB:g})")
        slowest = max(reply.seconds for reply in replies)
        say(f"{name}: status, MiB more", f"{wanted}, {more:.1f} (limit {MAX_MIB:g}); {slowest:.2f} s")
    return bad
