"""Single facts and bytes of HTTP/1.1 that a server's connections need beside their parser."""

import re
import socket
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote

import httptools

from gateway.errors import GatewayError
from gateway.wire import headers
from gateway.wire.exchange import Message

# Linux tells by this whether the other side has closed a connection that nobody reads from.
_TCP_INFO: Final = getattr(socket, "TCP_INFO", None)
_CLOSED: Final = (7, 8)
_HOST: Final = re.compile(rb"(?:[\w.~!$&'()*+,;=%-]{0,255}|\[[0-9A-Fa-f:.]{2,64}\])(?::[0-9]{0,5})?", re.ASCII)


def path_of(url: bytes) -> str:
    """Return the path that a request is routed by, however its target was written."""
    return unquote((httptools.parse_url(url).path or b"").decode("ascii"))


def is_addressed(fields: Iterable[tuple[bytes, bytes]], version: str) -> bool:
    """Tell whether a head names one host, as it must (RFC 9112, 3.2); HTTP/1.0 may leave it out."""
    hosts = [text for name, text in fields if name == b"host"]
    return (len(hosts) == 1 and _HOST.fullmatch(hosts[0]) is not None) or (not hosts and version == "1.0")


def head_of(method: bytes, url: bytes, version: str, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write a request's head out, without its wish for another protocol."""
    lines = b"".join(b"%b: %b\r\n" % field for field in fields if field[0] != b"upgrade")
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, url, version.encode(), lines)


def without_chunks(cycle: Any) -> None:
    """Let the reply of one of uvicorn's cycles end with the connection where it has no length.

    Clients of HTTP/1.0 know neither chunks nor an interim reply (RFC 9112, 6.1; RFC 9110, 10.1.1).
    """
    send = cycle.send
    cycle.waiting_for_100_continue = False
    measured = True

    async def plain(message: Message) -> None:
        nonlocal measured
        if message["type"] == "http.response.start":
            measured = any(name.lower() == b"content-length" for name, _ in message["headers"])
            cycle.chunked_encoding = None if measured else False
        elif not measured:
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    cycle.send = plain


def plain_reply(error: GatewayError) -> bytes:
    """Encode an error as a whole reply."""
    body = error.encoded()
    fields = [*headers.of_error(error), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    return b"HTTP/1.1 %d Error\r\n" % error.status + b"".join(b"%s: %s\r\n" % f for f in fields) + b"\r\n" + body


def closed_by_peer(sock: socket.socket) -> bool:
    """Tell whether the other side is gone, also while nothing is read; False where the system does not say."""
    return _TCP_INFO is not None and sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 1)[0] in _CLOSED
