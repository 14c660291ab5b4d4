"""An honest client in a process of its own: `python -m benchmarks.honest PORT SECONDS [PACE_S]` prints its latencies.

What the campaign itself is busy with would count as the gateway's delay otherwise. SIGTERM ends it before its time.
"""

import asyncio
import json
import signal
import sys
import time

from benchmarks.hostile_requests import chat
from benchmarks.rawhttp import ask

FAILED_S = 99.0


async def latencies(port: int, seconds: float, pace_s: float = 0.02) -> list[float]:
    """Ask fifty times a second at most, each time over a connection of its own."""
    ends, found, told = time.monotonic() + seconds, list[float](), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    while time.monotonic() < ends and not told.is_set():
        reply = await ask(port, chat())
        found.append(reply.seconds if reply.status == 200 else FAILED_S)
        await asyncio.sleep(pace_s)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(latencies(int(sys.argv[1]), *map(float, sys.argv[2:])))))
