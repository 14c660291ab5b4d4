"""An honest client in a process of its own: `python -m benchmarks.honest PORT SECONDS` prints its latencies as JSON.

What the campaign itself is busy with would count as the gateway's delay otherwise.
"""

import asyncio
import json
import sys
import time

from benchmarks.hostile_requests import chat
from benchmarks.rawhttp import ask

FAILED_S = 99.0


async def latencies(port: int, seconds: float) -> list[float]:
    """Ask fifty times a second at most, each time over a connection of its own."""
    ends, found = time.monotonic() + seconds, []
    while time.monotonic() < ends:
        reply = await ask(port, chat())
        found.append(reply.seconds if reply.status == 200 else FAILED_S)
        await asyncio.sleep(0.02)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(latencies(int(sys.argv[1]), float(sys.argv[2])))))
