"""Connections that say nothing, too little or nonsense are closed, answered and recorded, and honest calls go on."""

import contextlib
import time
from typing import Any

import pytest

from gateway.sockets import SocketLimits
from gateway.wire.exchange import UNANNOUNCED_BYTES
from tests.e2e.conftest import Start
from tests.e2e.wire import completion, text_chunks
from tests.integration.gateway.raw import BODY, ask, connect, head, read_all, reply_of, request, seconds_until_closed
from tests.running_gateway import KEY, Running
from tests.upstream import Upstream, reply, stream

QUICK = SocketLimits(
    silent_s=0.6,
    head_s=0.4,
    body_s=0.5,
    unread_s=0.5,
    linger_s=0.2,
    drain_s=0.1,
    head_bytes=8192,
    calls=3,
    every_s=0.05,
)

USUAL_S = 8.0  # the limits of a gateway that was told nothing are longer than this, so it was these


@pytest.fixture
def quick(start: Start, upstream: Upstream) -> Running:
    upstream.default = lambda _request: reply(completion())
    return start(sockets=QUICK)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\r\n",
        b"POST /v1/chat",
        head()[:-2] + b"x-more: ",
        head("content-length: 100") + b"{",
        head("transfer-encoding: chunked") + b"5\r\n",
        head("content-length: 100", path="/v1/outcomes") + b"{",
    ],
)
def test_a_connection_that_goes_silent_is_closed_in_time(sent: bytes, quick: Running) -> None:
    with connect(quick) as sock:
        sock.sendall(sent)
        assert seconds_until_closed(sock) < USUAL_S
    assert ask(quick, request())[0] == 200


@pytest.mark.parametrize("start_of", [b"POST / HTTP/1.1\r\nx: ", b"\r\n"])
def test_single_bytes_now_and_then_gain_no_time(start_of: bytes, quick: Running) -> None:
    began = time.monotonic()
    with connect(quick) as sock, contextlib.suppress(ConnectionError):
        sock.sendall(start_of)
        while time.monotonic() - began < 2 * USUAL_S:
            time.sleep(0.05)
            sock.sendall(start_of[-1:])
    assert time.monotonic() - began < USUAL_S


def test_a_connection_that_is_used_may_pause_between_calls(quick: Running) -> None:
    with connect(quick) as sock:
        for _ in range(3):
            sock.sendall(request())
            assert reply_of(sock)[0] == 200
            time.sleep(QUICK.head_s + 0.2)


NOT_HTTP: Any = [
    b"nonsense\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"POST /v1/chat/completions HTTP/9.9\r\n\r\n",
    head("content-length: 5", "transfer-encoding: chunked") + b"0\r\n\r\n",
    head("content-length: 5", "content-length: 6") + b"hello!",
    head("content-length: -1"),
    head("content-length: 1e3"),
    head("transfer-encoding: chunked, identity") + b"0\r\n\r\n",
    head("x-a: b", " folded: c"),
    head("content-length : 5") + b"hello",
    head("x-nul: a\x00b"),
    head(path="/v1/\xe4"),
    b"CONNECT evil:443 HTTP/1.1\r\nhost: evil\r\n\r\n",
    *(b"GET /v1/models HTTP/1.1\r\n%b\r\n" % lines for lines in (
        b"", b"host: a\r\nhost: a\r\n", b"host: a?x\r\n", b"host: a/../v1\r\n", b"host: a b\r\n", b"host: [::1\r\n",
    )),
]  # fmt: skip


@pytest.mark.parametrize("name", ["", "localhost", "127.0.0.1:8080", "[::1]:8080", "my_gateway.internal", "a%2fb"])
def test_whatever_host_is_named_is_served(name: str, quick: Running) -> None:
    with connect(quick) as sock:
        sock.sendall(f"GET /v1/models HTTP/1.1\r\nhost: {name}\r\n\r\n".encode())
        assert reply_of(sock)[0] == 401


def test_http_1_0_need_not_name_a_host(quick: Running) -> None:
    with connect(quick) as sock:
        sock.sendall(b"GET /v1/models HTTP/1.0\r\n\r\n")
        assert reply_of(sock)[0] == 401


@pytest.mark.parametrize("data", NOT_HTTP)
def test_what_is_not_http_or_contradicts_itself_is_one_400_and_one_record(data: bytes, quick: Running) -> None:
    with connect(quick) as sock:
        sock.sendall(data)
        status, headers, body = reply_of(sock)
        assert read_all(sock) == b""
    assert (status, body["error"]["code"]) == (400, "invalid_http")
    assert headers["x-request-id"].startswith("call_")
    (end,) = quick.ends()
    assert (end["status"], end["error_code"], end["outcome"]) == (400, "invalid_http", "refused")


def test_a_broken_chunk_in_the_body_is_answered_too(quick: Running) -> None:
    with connect(quick) as sock:
        sock.sendall(head("transfer-encoding: chunked"))
        time.sleep(0.1)
        sock.sendall(b"zz\r\n")
        status, _, body = reply_of(sock)
    assert (status, body["error"]["code"]) == (400, "invalid_http")
    (end,) = quick.ends()
    assert end["outcome"] == "client_disconnected"


@pytest.mark.parametrize("lines", [["x-big: " + "x" * 9000], [f"x-{n}: {'x' * 60}" for n in range(150)]])
def test_a_head_that_is_too_large_is_431(lines: list[str], quick: Running) -> None:
    status, headers, body = ask(quick, request(*lines))
    assert (status, body["error"]["code"]) == (431, "headers_too_large")
    assert headers["x-should-retry"] == "false"
    assert quick.ends()[0]["status"] == 431


def test_a_head_without_an_end_is_refused_before_it_is_all_read(quick: Running) -> None:
    with connect(quick) as sock:
        sock.sendall(b"GET /v1/models HTTP/1.1\r\nx-big: " + b"x" * 20_000)
        assert reply_of(sock)[0] == 431


def test_a_large_body_beside_a_small_head_is_no_large_head(start: Start, upstream: Upstream) -> None:
    upstream.default = lambda _request: reply(completion())
    gateway = start(sockets=QUICK)
    body = b'{"model":"gpt-test","messages":[{"role":"user","content":"%s"}]}' % (b"word " * 10_000)
    assert ask(gateway, request(body=body))[0] == 200


def test_a_refused_body_is_dropped_and_the_answer_arrives(quick: Running) -> None:
    with connect(quick) as sock:
        sock.sendall(head(f"content-length: {200 << 20}", key=KEY))
        sock.sendall(b"x" * (1 << 20))
        assert reply_of(sock)[0] == 413
        assert seconds_until_closed(sock) < USUAL_S


def test_a_body_without_a_length_is_refused_at_its_own_limit(quick: Running) -> None:
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    for pieces, wanted in ((UNANNOUNCED_BYTES // 0x10000 - 1, 200), (UNANNOUNCED_BYTES // 0x10000 + 1, 413)):
        with connect(quick) as sock:
            sock.sendall(head("transfer-encoding: chunked") + piece * pieces + b"%x\r\n" % len(BODY) + BODY + b"\r\n")
            sock.sendall(b"0\r\n\r\n")
            status, _, body = reply_of(sock)
        assert status == wanted
    assert "without a Content-Length" in body["error"]["message"]
    assert ask(quick, request(body=b" " * (UNANNOUNCED_BYTES + 1) + BODY))[0] == 200


def test_beyond_its_limit_a_worker_says_when_to_come_back(quick: Running, upstream: Upstream) -> None:
    upstream.default = lambda _request: [2.0, *reply(completion())]
    socks = [connect(quick) for _ in range(QUICK.calls)]
    for sock in socks:
        sock.sendall(request())
    while len(upstream.received) < QUICK.calls:
        time.sleep(0.01)
    for path in ("/v1/chat/completions", "http://sluice/v1/chat/completions", "/%761/chat/completions"):
        status, headers, body = ask(quick, request(path=path))
        assert (status, headers["retry-after"], body["error"]["code"]) == (503, "1", "overloaded")
        assert "x-should-retry" not in headers
    for sock in socks:
        assert reply_of(sock)[0] == 200
        sock.close()
    assert ask(quick, request())[0] == 200


def test_pipelined_requests_are_all_answered(quick: Running) -> None:
    with connect(quick) as sock:
        sock.sendall(request() * 3)
        data = b""
        while data.count(b"HTTP/1.1 200") < 3:
            part = sock.recv(65536)
            assert part
            data += part
    assert len(quick.ends(3)) == 3


def test_who_leaves_with_requests_waiting_behind_one_another_is_noticed(quick: Running, upstream: Upstream) -> None:
    upstream.default = lambda _request: [20.0]
    with connect(quick) as sock:
        sock.sendall(request() * 2)
        while not upstream.received:
            time.sleep(0.01)
    assert upstream.wait_closed(2.5)  # its own limit is 3 s
    assert quick.ends()[0]["outcome"] == "client_disconnected"


STREAMED = BODY[:-1] + b',"stream":true}'


@pytest.mark.parametrize("more", ["connection: keep-alive", "expect: 100-continue", "x-a: b"])
def test_a_client_of_http_1_0_gets_a_stream_that_ends_with_the_connection(
    more: str, quick: Running, upstream: Upstream
) -> None:
    upstream.default = lambda _request: stream(*text_chunks("One, ", "two."))
    with connect(quick) as sock:
        sock.sendall(request(more, body=STREAMED).replace(b"HTTP/1.1", b"HTTP/1.0"))
        fields, _, body = read_all(sock).partition(b"\r\n\r\n")
    assert fields.startswith(b"HTTP/1.1 200")
    assert b"transfer-encoding" not in fields
    assert b"connection: close" in fields
    assert body.startswith(b"data: {")
    assert body.endswith(b"\n\ndata: [DONE]\n\n")
    with connect(quick) as sock:
        sock.sendall(request("connection: keep-alive", body=b"{").replace(b"HTTP/1.1", b"HTTP/1.0"))
        status, headers, _ = reply_of(sock)
        assert (status, headers["connection"], sock.recv(1)) == (400, "close", b"")


LAST_CHUNK = b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n"


def test_trailers_are_no_headers(quick: Running) -> None:
    nobody = head("transfer-encoding: chunked").replace(KEY.encode(), b"sk-wrong") + LAST_CHUNK
    assert ask(quick, nobody + f"authorization: Bearer {KEY}\r\n\r\n".encode())[0] == 401
    mine = head("transfer-encoding: chunked", "x-sluice-run-id: mine") + LAST_CHUNK
    assert ask(quick, mine + b"x-sluice-run-id: smuggled\r\n\r\n")[0] == 200
    assert [event.run for event in quick.end_events(2)][1] == "mine"


@pytest.mark.parametrize("line", [b"x-a: " + b"y" * 1000 + b"\r\n", b"y" * 1000])
def test_trailers_without_an_end_are_refused(line: bytes, quick: Running) -> None:
    with connect(quick) as sock, contextlib.suppress(ConnectionError):
        sock.sendall(head("transfer-encoding: chunked") + LAST_CHUNK[:-3])
        time.sleep(0.1)
        sock.sendall(b"0\r\nx-b: ")
        for _ in range(20):
            sock.sendall(line)
            time.sleep(0.01)
        status, _, body = reply_of(sock)
        assert (status, body["error"]["code"]) == (431, "headers_too_large")
    assert quick.ends()[0]["outcome"] == "client_disconnected"


H2C = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAARAAAAAAAIAAAAA")


@pytest.mark.parametrize("pause_s", [0.0, 0.1])
def test_who_asks_for_http_2_as_java_does_is_answered_over_http_1(pause_s: float, quick: Running) -> None:
    with connect(quick) as sock:
        for _ in range(2):
            first, body = request(*H2C).split(b"\r\n\r\n")
            sock.sendall(first + b"\r\n\r\n" + body[: 10 if pause_s else len(body)])
            time.sleep(pause_s)
            sock.sendall(body[10:] if pause_s else b"")
            assert reply_of(sock)[0] == 200
    assert len(quick.ends(2)) == 2


def test_wrong_keys_are_429_after_twenty_a_minute_and_right_ones_go_on(quick: Running) -> None:
    said = [ask(quick, request(key=f"sk-wrong-{n}")) for n in range(30)]
    statuses = [status for status, _, _ in said]
    # A minute may have turned in between.
    assert statuses.count(429) >= 5
    assert set(statuses) == {401, 429}
    limited = next(headers for status, headers, _ in said if status == 429)
    assert 1 <= int(limited["retry-after"]) <= 60
    assert ask(quick, request())[0] == 200
    assert len(quick.ends(31)) == 31
