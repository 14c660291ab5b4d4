"""Raw connections: what no HTTP client would send."""

import json
import socket
import time
from typing import Any

from tests.running_gateway import KEY, Running

BODY = b'{"model":"gpt-test","messages":[{"role":"user","content":"hello"}]}'


def connect(gateway: Running) -> socket.socket:
    host, port = gateway.base_url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def head(*lines: str, method: str = "POST", path: str = "/v1/chat/completions", key: str = KEY) -> bytes:
    """Return a request's head without any length of its own."""
    given = (f"{method} {path} HTTP/1.1", "host: sluice", f"authorization: Bearer {key}", *lines)
    return "".join(f"{line}\r\n" for line in given).encode("utf-8", "surrogateescape") + b"\r\n"


def request(*lines: str, body: bytes = BODY, **of_head: str) -> bytes:
    return head(f"content-length: {len(body)}", *lines, **of_head) + body


def read_all(sock: socket.socket) -> bytes:
    """Read until the other side closes."""
    parts = []
    try:
        while part := sock.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def seconds_until_closed(sock: socket.socket) -> float:
    began = time.monotonic()
    read_all(sock)
    return time.monotonic() - began


def reply_of(sock: socket.socket) -> tuple[int, dict[str, str], Any]:
    """Read one reply with a length."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        assert part, f"closed after {data!r}"
        data += part
    raw, _, body = data.partition(b"\r\n\r\n")
    status, *lines = raw.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += sock.recv(65536)
    return int(status.split(" ")[1]), headers, json.loads(body)


def ask(gateway: Running, data: bytes) -> tuple[int, dict[str, str], Any]:
    with connect(gateway) as sock:
        sock.sendall(data)
        return reply_of(sock)
