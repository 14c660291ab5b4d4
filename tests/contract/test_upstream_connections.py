"""What upstreams do to connections, and what becomes of the replies: over real sockets, some of them with TLS."""

import asyncio
import gc
import gzip
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import UpstreamError, UpstreamTimeout
from gateway.providers.connection import READ_BYTES, Connection, Patience
from gateway.providers.http import Connections, Origin
from tests.certificates import self_signed
from tests.upstream import Upstream, reply, running_upstream

ZIPPED = gzip.compress(b"to the end of the connection")
PATIENCE = Patience(connect_s=0.5, first_byte_s=0.3, idle_s=0.3, total_s=5.0)
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
Talk = Callable[[Connections, Origin], Awaitable[None]]


def talking(talk: Talk, *scripts: list[bytes | float | str]) -> Upstream:
    """Let a test talk to an upstream that answers from scripts."""

    async def main(upstream: Upstream) -> None:
        connections = Connections()
        await talk(connections, Origin.of(upstream.base_url))
        await connections.close()

    with running_upstream() as upstream:
        upstream.scripts += scripts
        asyncio.run(main(upstream))
        assert upstream.wait_closed()
        return upstream


async def body(connections: Connections, origin: Origin) -> bytes:
    answer = await connections.ask(origin, GET, PATIENCE)
    return await answer.read()


@pytest.mark.parametrize(
    "script",
    [
        [OK + b"\r\nto the end", 0.02, b" of the connection", "close"],
        [EARLY, 0.02, OK + b"content-length: 28\r\n\r\nto the end of the connection"],
        [CHUNKED + b"a\r\nto the end\r\n12\r\n of the connection\r\n0\r\nx-trailer: 1\r\n\r\n"],
        [OK[:5], 0.02, OK[5:] + b"content-length: 28\r\n\r\nto the end", 0.02, b" of the connection"],
        [OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(ZIPPED) + ZIPPED],
        [b"HTTP/1.0 200 OK\r\n\r\nto the end of the connection", "close"],
    ],
    ids=["to_eof", "early_hints", "trailers", "torn", "zipped_unasked", "http_1_0"],
)  # fmt: skip
def test_every_way_of_framing_gives_the_body(script: list[bytes | float | str]) -> None:
    async def talk(connections: Connections, origin: Origin) -> None:
        assert await body(connections, origin) == b"to the end of the connection"

    talking(talk, script)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ([b"220 mail.example.com ESMTP\r\n"], "upstream_invalid_response"),
        ([CHUNKED + b"zz\r\n"], "upstream_invalid_response"),
        ([CHUNKED + b"4\r\nhalf\r\n", 0.05, b"zz\r\n", 5.0], "upstream_invalid_response"),
        ([OK + b"content-length: 10\r\n\r\nhalf", "close"], "upstream_disconnected"),
        ([OK + b"content-encoding: gzip\r\ncontent-length: 4\r\n\r\nhalf"], "upstream_invalid_response"),
        ([OK + b"x-long: " + b"x" * 600_000], "upstream_invalid_response"),
        ([OK + b"content-length: 10\r\n\r\nhalf", 5.0], "upstream_timeout"),
        ([OK + b"content-length: 10\r\n\r\n", 5.0], "upstream_timeout"),
        ([OK[:5], 0.2, OK[5:], 0.2, b"content-length: 2\r\n\r\n{}"], "upstream_timeout"),
        ([EARLY, 0.2, EARLY, 0.2, *reply(b"{}")], "upstream_timeout"),
        ([CHUNKED, 0.2, b"0", 0.2, b"2\r\n{}\r\n0\r\n\r\n"], "upstream_timeout"),
        ([b"HTTP/1.1 101 Other\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"], "upstream_invalid_response"),
    ],
    ids=[
        "no_http",
        "bad_chunk",
        "bad_chunk_later",
        "cut",
        "bad_zip",
        "endless_head",
        "falls_silent",
        "never_begins",
        "slow_head",
        "only_hints",
        "slow_chunk_size",
        "another_protocol",
    ],
)
def test_a_reply_that_is_none_is_an_error(script: list[bytes | float | str], code: str) -> None:
    async def talk(connections: Connections, origin: Origin) -> None:
        with pytest.raises(UpstreamError) as failed:
            await body(connections, origin)
        assert failed.value.code == code

    talking(talk, script)


def test_what_drips_without_ever_being_an_answer_ends_with_the_total_time() -> None:
    async def talk(connections: Connections, origin: Origin) -> None:
        answer = await connections.ask(origin, GET, PATIENCE._replace(total_s=0.5))
        assert await answer.next() == b"half"
        async with asyncio.timeout(1.5):
            with pytest.raises(UpstreamTimeout):
                await answer.next()

    drips: list[bytes | float | str] = [0.1, b"0"] * 20  # of the next chunk's size, each before the upstream is silent
    talking(talk, [CHUNKED + b"4\r\nhalf\r\n", *drips])


@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_nothing_is_sent_twice(method: bytes) -> None:
    async def talk(connections: Connections, origin: Origin) -> None:
        assert await body(connections, origin) == b"{}"
        with pytest.raises(UpstreamError) as failed:
            await connections.ask(origin, method + b" / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", PATIENCE)
        assert failed.value.code == "upstream_disconnected"

    assert len(talking(talk, reply(b"{}"), ["close"], reply(b"{}")).received) == 2


@pytest.mark.parametrize(
    ("end", "code"), [("close", "upstream_disconnected"), (b"zz\r\n", "upstream_invalid_response")]
)
def test_who_is_busy_when_a_reply_breaks_off_still_gets_what_came_before(end: bytes | str, code: str) -> None:
    async def talk(connections: Connections, origin: Origin) -> None:
        answer = await connections.ask(origin, GET, PATIENCE)
        assert await answer.next() == b"first"
        await asyncio.sleep(0.1)
        assert await answer.next() == b"second"
        with pytest.raises(UpstreamError) as failed:
            await answer.next()
        assert failed.value.code == code

    talking(talk, [CHUNKED + b"5\r\nfirst\r\n", 0.02, b"6\r\nsecond\r\n", 0.02, end])


def test_a_connection_is_used_again_and_one_that_was_closed_is_not() -> None:
    async def talk(connections: Connections, origin: Origin) -> None:
        for _ in range(3):
            assert await body(connections, origin) == b"{}"
        await asyncio.sleep(0.05)
        assert await body(connections, origin) == b"{}"

    closing = [*reply(b"{}"), "close"]
    opened = talking(talk, reply(b"{}"), reply(b"{}"), closing, reply(b"{}"))
    assert len(opened.received) == 4


@pytest.mark.parametrize("pause", [(), (0.01,)], ids=["at_once", "later"])
def test_a_second_reply_that_nobody_asked_for_is_given_to_nobody(pause: tuple[float, ...]) -> None:
    async def talk(connections: Connections, origin: Origin) -> None:
        assert await body(connections, origin) == b"{}"
        await asyncio.sleep(0.05)
        assert await body(connections, origin) == b'{"mine": 1}'

    twice = [*reply(b"{}"), *pause, *reply(b'{"another": 1}')]
    talking(talk, twice, reply(b'{"mine": 1}'))


def test_a_slow_reader_holds_the_upstream_back_and_still_gets_everything() -> None:
    size = 8_000_000

    async def talk(connections: Connections, origin: Origin) -> None:
        answer = await connections.ask(origin, GET, PATIENCE)
        await asyncio.sleep(0.6)  # longer than the upstream may be silent: it is not, it is not read
        got = len(first := await answer.next() or b"")
        assert 0 < len(first) <= 2 * READ_BYTES  # so much each of many slow readers holds
        while (part := await answer.next()) is not None:
            got += len(part)
        assert got == size

    talking(talk, [OK + b"content-length: %d\r\n\r\n" % size + b"x" * size])


def test_leaving_a_reply_closes_its_connection() -> None:
    async def talk(connections: Connections, origin: Origin) -> None:
        answer = await connections.ask(origin, GET, PATIENCE)
        answer.close()
        with pytest.raises(UpstreamError):
            await answer.read()
        asking = asyncio.ensure_future(connections.ask(origin, GET, Patience(1, 60, 60, 60)))
        await asyncio.sleep(0.05)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    talking(talk, [OK + b"content-length: 10\r\n\r\nhalf", 5.0], [5.0])


def test_a_closed_connection_is_freed_at_once() -> None:
    async def talk(connections: Connections, origin: Origin) -> None:
        for _ in range(2):
            assert await body(connections, origin) == b"{}"
            await asyncio.sleep(0.05)

    gc.collect()
    gc.disable()
    try:
        talking(talk, [*reply(b"{}"), "close"], [*reply(b"{}"), "close"])
        assert not [each for each in gc.get_objects() if type(each) is Connection and each.closed]
    finally:
        gc.enable()


def test_nobody_there_is_said_so() -> None:
    async def ask(origin: Origin) -> str | None:
        with pytest.raises(UpstreamError) as failed:
            await Connections().ask(origin, GET, PATIENCE)
        return failed.value.code

    assert asyncio.run(ask(Origin.of("http://127.0.0.1:1/v1"))) == "upstream_unreachable"
    assert asyncio.run(ask(Origin.of("http://no-such-host.invalid/v1"))) == "upstream_unreachable"


@pytest.mark.parametrize("status", [200, 413])
def test_a_connection_whose_request_was_not_taken_is_not_used_again(status: int) -> None:
    async def main() -> None:
        seen: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 2\r\n\r\n{}" % status)
            await over.wait()
            writer.close()

        over, connections = asyncio.Event(), Connections()
        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=4096)
        origin = Origin.of(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        large = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 33554432\r\n\r\n" + bytes(1 << 25)
        for data in (large, GET):
            answer = await connections.ask(origin, data, PATIENCE)
            assert (answer.status, await answer.read()) == (status, b"{}")
        assert [head[:4] for head in seen] == [b"POST", b"GET "]
        over.set()
        await connections.close()
        server.close()

    asyncio.run(main())


class NameServerAway(asyncio.SelectorEventLoop):
    """Looks names up slowly, all through few threads; a connection to an address has no business there."""

    looked_up = 0

    async def getaddrinfo(self, host: Any, port: Any, **given: Any) -> Any:
        if host == "127.0.0.1":
            return await super().getaddrinfo(host, port, **given)
        self.looked_up += 1
        await asyncio.sleep(0.2)
        raise socket.gaierror

    async def sock_connect(self, sock: Any, address: Any) -> None:
        raise AssertionError("uvloop looks addresses up here")


def test_a_dead_name_server_is_asked_once_and_holds_up_nobody_else() -> None:
    with running_upstream() as upstream, asyncio.Runner(loop_factory=NameServerAway) as runner:
        upstream.scripts.append(reply(b"{}"))

        async def main() -> None:
            connections = Connections()
            lost = Origin.of("http://slow.invalid/v1")
            patience = PATIENCE._replace(connect_s=0.1)
            asked = [asyncio.create_task(connections.ask(lost, GET, patience)) for _ in range(20)]
            await asyncio.sleep(0)
            assert await body(connections, Origin.of(upstream.base_url)) == b"{}"
            ends = await asyncio.gather(*asked, return_exceptions=True)
            assert {type(end) for end in ends} == {UpstreamTimeout}
            with pytest.raises(UpstreamError, match="could not be reached"):
                await connections.ask(lost, GET, PATIENCE)
            await connections.close()

        runner.run(main())
        loop = runner.get_loop()
        assert isinstance(loop, NameServerAway)
        assert loop.looked_up == 1


def test_origins_are_read_from_base_urls() -> None:
    assert Origin.of("https://api.example.com/v1") == ("api.example.com", 443, True, "api.example.com")
    assert Origin.of("http://[::1]:8000/v1") == ("::1", 8000, False, "[::1]:8000")
    assert Origin.of("http://bücher.example:81") == ("bücher.example", 81, False, "xn--bcher-kva.example:81")


def test_tls_is_spoken_and_certificates_are_checked(tmp_path: Path) -> None:
    pem = self_signed(tmp_path / "both.pem", "localhost")
    trusting = ssl.create_default_context(cafile=str(pem))

    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK + b"content-length: 2\r\n\r\n{}")
            await writer.drain()
            writer.close()

        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem)
        async with await asyncio.start_server(serve, "localhost", 0, ssl=context) as server:
            origin = Origin.of(f"https://localhost:{server.sockets[0].getsockname()[1]}/v1")
            assert await body(Connections(lambda: trusting), origin) == b"{}"
            with pytest.raises(UpstreamError) as failed:
                await body(Connections(), origin)
            assert failed.value.code == "upstream_unreachable"
            assert not isinstance(failed.value, UpstreamTimeout)

    asyncio.run(main())
