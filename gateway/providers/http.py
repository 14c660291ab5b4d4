"""HTTP/1.1 to upstreams over pooled connections: only what a gateway asks of it, at a quarter of a full client's cost.

Follows no redirects, keeps no cookies, reads no proxy settings, sends nothing twice.
"""

import asyncio
import functools
import os
import socket
import ssl
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

from aiohappyeyeballs import start_connection

from gateway.errors import UpstreamError, UpstreamTimeout
from gateway.providers.connection import READ_BYTES, Connection, Patience, Reply
from policy.addresses import is_forbidden

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_AddressInfo = tuple[
    socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
]
_OTHER_FAMILY_S: Final = 0.25  # an address that does not answer sooner is tried beside the next one


class Origin(NamedTuple):
    """Where a base URL leads."""

    host: str
    port: int
    tls: bool
    authority: str

    @classmethod
    def of(cls, url: str) -> "Origin":
        """Read the origin of a URL."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if tls else 80)
        shown = f"[{host}]" if ":" in host else host if host.isascii() else host.encode("idna").decode()
        usual = parts.port is None or port == (443 if tls else 80)
        return cls(host, port, tls, shown if usual else f"{shown}:{port}")


def lines(headers: Mapping[str, str]) -> str:
    """Write headers out."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


class Connections:
    """All connections of one worker, kept open between requests."""

    def __init__(self, tls: Callable[[], ssl.SSLContext] | None = None) -> None:
        self._idle: dict[Origin, deque[Connection]] = {}
        self._looked_up: dict[Origin, asyncio.Future[Sequence[_AddressInfo]]] = {}
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._tls = functools.cache(tls or ssl.create_default_context)  # made at need: it takes some milliseconds

    async def ask(self, origin: Origin, data: bytes, patience: Patience) -> Reply:
        """Send a request that is written out, and return its reply once the head is there.

        Raises:
            UpstreamError: no connection, no reply in time, or the connection broke.
        """
        reply = Reply(patience)
        connection = self._take(origin) or await self._connect(origin, patience.connect_s)
        connection.ask(data, reply)
        await reply.started(connection)
        return reply

    async def get(self, url: str, seconds: float, headers: Mapping[str, str] = _NONE) -> tuple[int, bytes]:
        """Ask a URL once.

        Raises:
            UpstreamError: it gave no answer in so many seconds.
        """
        origin, parts = Origin.of(url), urlsplit(url)
        target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        sent = lines({"host": origin.authority, "user-agent": "sluice", **headers})
        head = f"GET {target} HTTP/1.1\r\n{sent}\r\n"
        reply = await self.ask(origin, head.encode("ascii"), Patience(seconds, seconds, seconds, seconds))
        try:
            return reply.status, await reply.read()
        finally:
            reply.close()

    async def close(self) -> None:
        """Close what is idle; a reply under way keeps its connection to its end."""
        for kept in self._idle.values():
            while kept:
                kept.pop().abort()

    def _take(self, origin: Origin) -> Connection | None:
        kept = self._idle.get(origin)
        while kept:
            connection = kept.pop()
            if not connection.closed:
                return connection
        return None

    async def _connect(self, origin: Origin, seconds: float) -> Connection:
        loop = asyncio.get_running_loop()
        idle = self._idle.setdefault(origin, deque())
        try:
            async with asyncio.timeout(seconds):
                addresses = _allowed(await asyncio.shield(self._addresses(origin, loop)))
                sock = await start_connection(
                    addresses, happy_eyeballs_delay=_OTHER_FAMILY_S, loop=_Connecting.on(loop)
                )
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                context = self._tls() if origin.tls else None
                name = origin.host if origin.tls else None
                _, made = await loop.create_connection(
                    lambda: Connection(loop, idle, self._buffer), sock=sock, ssl=context, server_hostname=name
                )
                return made
        except TimeoutError as error:
            raise UpstreamTimeout("The upstream did not answer in time.") from error
        except (OSError, UnicodeError) as error:
            raise UpstreamError("The upstream could not be reached.", code="upstream_unreachable") from error

    def _addresses(self, origin: Origin, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[Sequence[_AddressInfo]]":
        """Look a name up, once for all who ask meanwhile: a dead name server holds one thread for it, not all."""
        looked_up = self._looked_up.get(origin)
        if looked_up is None:
            looked_up = self._looked_up[origin] = loop.create_task(_look_up(origin, loop))
            looked_up.add_done_callback(functools.partial(self._known, origin))
        return looked_up

    def _known(self, origin: Origin, looked_up: "asyncio.Future[Sequence[_AddressInfo]]") -> None:
        self._looked_up.pop(origin, None)
        if not looked_up.cancelled():
            looked_up.exception()  # seen, also when nobody waits any more


async def _look_up(origin: Origin, loop: asyncio.AbstractEventLoop) -> Sequence[_AddressInfo]:
    return await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)


class _Connecting:
    """All that making a connection asks of a loop. uvloop's own way waits for the threads that look names up."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    @classmethod
    def on(cls, loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
        """Stand in for a loop."""
        return cast(asyncio.AbstractEventLoop, cls(loop))

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect a socket that does not block. Raises OSError."""
        try:
            sock.connect(address)
        except BlockingIOError:
            ready = self._loop.create_future()
            self._loop.add_writer(sock, _set, ready)
            try:
                await ready
            finally:
                self._loop.remove_writer(sock)
            if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(error, os.strerror(error)) from None


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _allowed(named: Sequence[_AddressInfo]) -> list[_AddressInfo]:
    """Leave out addresses that no model has. What is checked is connected to: no second look-up comes in between."""
    found = [each for each in named if not is_forbidden(str(each[4][0]))]
    if not found:
        raise OSError
    return found
