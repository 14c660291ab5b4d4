"""An OpenAI-compatible upstream over pooled connections."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Final

import aiohttp
from yarl import URL

from gateway.errors import UpstreamError, UpstreamTimeout

MAX_REPLY_BYTES: Final = 128 * 1024 * 1024
_SOCKET_BYTES: Final = 8 * 1024  # read ahead of a slow client twice this and what one read brings, held several times
_KEPT_ALIVE_S: Final = 15.0
_TEXT: Final = {"accept-encoding": "identity", "user-agent": "sluice", "content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, to the first byte of the body, between two bytes, for the whole reply."""

    connect_s: float
    first_byte_s: float
    idle_s: float
    total_s: float


def new_session() -> aiohttp.ClientSession:
    """Open the connection pool that all upstreams of one worker share. Needs a running loop."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_ALIVE_S, ttl_dns_cache=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        read_bufsize=_SOCKET_BYTES,
        trust_env=False,
    )


class OpenAIProvider:
    """Sends to one base URL. Follows no redirects, keeps no cookies, reads no proxy settings."""

    def __init__(
        self,
        name: str,
        base_url: str,
        api_key: str | None,
        timeouts: Timeouts,
        session: aiohttp.ClientSession,
        *,
        simulated: bool = False,
        translated: bool = False,
    ) -> None:
        self.name, self.simulated, self.translated = name, simulated, translated
        self._base = base_url.rstrip("/")
        self._session, self._timeouts = session, timeouts
        self._headers = _TEXT | ({"authorization": f"Bearer {api_key}"} if api_key else {})
        # The total is watched at each read (see OpenAIReply): a timer for it would cost a tenth of the request.
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=timeouts.connect_s, sock_read=timeouts.first_byte_s
        )
        self._urls: dict[str, URL] = {}

    def place(self, path: str, model: str) -> str:
        """Return the path as it is."""
        return path

    async def send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> "OpenAIReply":
        """Send one request; see `gateway.providers.base.Provider`."""
        ends_s = monotonic() + self._timeouts.total_s
        try:
            response = await self._session.request(
                method,
                self._url(path),
                data=body,
                headers={**self._headers, **headers},
                timeout=self._timeout,
                allow_redirects=False,
            )
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise translated(error) from error
        return OpenAIReply(response, self._timeouts.idle_s, ends_s)

    async def close(self) -> None:
        """The pool belongs to the worker, which closes it."""

    def _url(self, path: str) -> URL:
        url = self._urls.get(path)
        if url is None:
            url = URL(self._base + path, encoded=True)
            if len(self._urls) < 64:  # paths with ids in them come without end
                self._urls[path] = url
        return url


class OpenAIReply:
    """A reply whose body is read with limits: on bytes, on silence, and on the time of the whole reply.

    A reply that never falls silent is given up at its first byte after `ends_s` (of the monotonic clock).
    """

    __slots__ = ("_bytes", "_ended", "_ends_s", "_idle_s", "_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse, idle_s: float, ends_s: float) -> None:
        self._response, self._idle_s, self._ends_s = response, idle_s, ends_s
        self._bytes, self._ended = 0, False
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        """Return the whole body."""
        first = await self.next()
        if first is None:
            return b""
        parts = [first]
        while (part := await self.next()) is not None:
            parts.append(part)
        return b"".join(parts) if len(parts) > 1 else first

    async def next(self) -> bytes | None:
        """Return all bytes that are there, waiting for the first of them."""
        if self._ended:
            return None
        try:
            part = await self._response.content.readany()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise translated(error) from error
        if not part:
            self._ended = True
            return None
        if not self._bytes:
            self._expect_idle()
        self._bytes += len(part)
        if monotonic() > self._ends_s:
            self.close()
            raise UpstreamTimeout("The upstream did not finish its answer in time.")
        if self._bytes > MAX_REPLY_BYTES:
            self.close()
            raise UpstreamError("The upstream's reply is too large.", code="upstream_too_large")
        return part

    def close(self) -> None:
        """Close the connection unless its reply was read to the end."""
        self._response.close()

    def _expect_idle(self) -> None:
        """From the first byte on, silence is measured by `idle_s`."""
        connection = self._response.connection
        if connection is not None and connection.protocol is not None:
            connection.protocol.read_timeout = self._idle_s
            connection.protocol.start_timeout()


def translated(error: Exception) -> UpstreamError:
    """Say what went wrong on the way to the upstream, without its address."""
    if isinstance(error, aiohttp.ServerTimeoutError | asyncio.TimeoutError):
        return UpstreamTimeout("The upstream did not answer in time.")
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.InvalidURL):
        return UpstreamError("The upstream could not be reached.", code="upstream_unreachable")
    if isinstance(error, aiohttp.ClientPayloadError):
        return UpstreamError("The upstream's reply broke off.", code="upstream_disconnected")
    if isinstance(error, aiohttp.ClientResponseError):
        return UpstreamError("The upstream's reply is not HTTP.", code="upstream_invalid_response")
    return UpstreamError("The upstream closed the connection.", code="upstream_disconnected")
