"""The emergency stop over four workers: how long until the last live stream ended, and the last answer went unheld.

Each round opens live streams until three workers carry some, stops the automation over HTTP, and lets it run again.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import psutil

from benchmarks.payload import request_body

STREAMS, CALLERS, ROUNDS, SPREAD = 24, 6, 20, 3
AUTOMATION: Final = "default"
_LONG: Final = "paced-2000-20"


@dataclass
class Stopping:
    """One running product; `session` may stop, `key` belongs to the automation."""

    url: str
    session: str
    key: str
    workers: set[int]
    ended_ms: list[float] = field(default_factory=list)
    unheld_ms: list[float] = field(default_factory=list)
    endings: dict[str, int] = field(default_factory=dict)
    fewest: int = 99

    async def round(self, http: aiohttp.ClientSession) -> None:
        """Stop while streams run and callers call; note the slowest of each."""
        streams: list[asyncio.Task[tuple[float, str]]] = []
        while len(streams) < STREAMS or (len(self._carrying()) < SPREAD and len(streams) < 8 * STREAMS):
            begun = [asyncio.Event() for _ in range(STREAMS)]
            streams += [asyncio.create_task(self._stream(http, event)) for event in begun]
            await asyncio.gather(*(event.wait() for event in begun))
        self.fewest = min(self.fewest, len(self._carrying()))
        over = asyncio.Event()
        calls: list[tuple[float, int]] = []
        callers = [asyncio.create_task(self._call(http, over, calls)) for _ in range(CALLERS)]
        await asyncio.sleep(0.2)
        at = time.monotonic()
        await self._switch(http, "PUT")
        ends = await asyncio.gather(*streams)
        await asyncio.sleep(1.5)
        over.set()
        await asyncio.gather(*callers)
        self.ended_ms.append((max(end for end, _ in ends) - at) * 1e3)
        self.unheld_ms.append(max((begun for begun, status in calls if status == 200), default=at) * 1e3 - at * 1e3)
        for _, code in ends:
            self.endings[code] = self.endings.get(code, 0) + 1
        await self._switch(http, "DELETE")
        while await self._status(http) != 200:  # noqa: ASYNC110 - another program decides
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)

    def _carrying(self) -> set[int]:
        """Give the workers that have a client's connection open."""
        port = int(self.url.rpartition(":")[2])
        return {
            pid
            for pid in self.workers
            if any(c.laddr.port == port and c.raddr for c in psutil.Process(pid).net_connections())
        }

    async def _stream(self, http: aiohttp.ClientSession, begun: asyncio.Event) -> tuple[float, str]:
        """Read a stream to its end; give when it was, and the code of its error."""
        body = request_body(1, stream=True, model=_LONG)
        async with self._post(http, body) as reply:
            last = b""
            async for line in reply.content:
                begun.set()
                last = line if line.startswith(b"data: ") else last
            code = "automation_stopped" if b'"automation_stopped"' in last else "other"
            return time.monotonic(), code

    async def _call(self, http: aiohttp.ClientSession, over: asyncio.Event, calls: list[tuple[float, int]]) -> None:
        while not over.is_set():
            at = time.monotonic()
            calls.append((at, await self._status(http)))
            await asyncio.sleep(0.02)

    async def _status(self, http: aiohttp.ClientSession) -> int:
        async with self._post(http, request_body(2)) as reply:
            await reply.read()
            status: int = reply.status
        return status

    def _post(self, http: aiohttp.ClientSession, body: bytes) -> Any:
        headers = {"authorization": f"Bearer {self.key}"}
        return http.post(f"{self.url}/v1/chat/completions", data=body, headers=headers)

    async def _switch(self, http: aiohttp.ClientSession, method: str) -> None:
        headers = {"authorization": f"Bearer {self.session}"}
        async with http.request(method, f"{self.url}/stops/{AUTOMATION}", headers=headers) as reply:
            assert reply.status == 200, await reply.text()


async def stopping(url: str, link: str, key: str, workers: set[int]) -> dict[str, float]:
    """Run the rounds and give the figures."""
    # A new connection for every call: the system gives each to any worker.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as http:
        async with http.post(f"{url}/auth/link", json={"token": link}) as reply:
            session = (await reply.json())["session"]
        run = Stopping(url, session, key, workers)
        for _ in range(ROUNDS):
            await run.round(http)
    stopped = run.endings.get("automation_stopped", 0)
    return {
        "emergency stops": ROUNDS,
        "workers with live streams at the stop, at least": run.fewest,
        "live streams ended with automation_stopped": stopped,
        "live streams ended in another way": sum(run.endings.values()) - stopped,
        "slowest end of a live stream (ms)": round(max(run.ended_ms)),
        "last call begun that was answered unheld (ms)": round(max(run.unheld_ms)),
    }
