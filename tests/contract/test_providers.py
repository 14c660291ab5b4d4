"""What the gateway relies on in a provider: the same tests on the scripted one and on the real one over a socket."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest

from gateway.errors import UpstreamError, UpstreamTimeout
from gateway.providers.base import Provider
from gateway.providers.connection import Patience
from gateway.providers.http import Connections
from gateway.providers.openai import OpenAIProvider
from gateway.providers.scripted import ScriptedProvider, ScriptedReply
from tests.upstream import Upstream, reply, running_upstream, stream

PATIENCE = Patience(connect_s=0.5, first_byte_s=0.3, idle_s=0.3, total_s=2.0)
SSE = {"content-type": "text/event-stream"}


@dataclass
class Scenes:
    """Prepares the same replies for either provider, then lets a test talk to it."""

    upstream: Upstream | None

    def run(self, name: str, test: Callable[[Provider], Awaitable[None]]) -> None:
        asyncio.run(self._run(name, test))

    async def _run(self, name: str, test: Callable[[Provider], Awaitable[None]]) -> None:
        if self.upstream is None:
            await test(ScriptedProvider([SCRIPTED[name]()]))
            return
        self.upstream.scripts.append(REAL[name])
        connections = Connections()
        await test(OpenAIProvider("real", self.upstream.base_url, "sk-x", PATIENCE, connections))
        await connections.close()


SCRIPTED: dict[str, Callable[[], ScriptedReply | UpstreamError]] = {
    "whole": lambda: ScriptedReply(200, [b'{"a"', b": 1}"]),
    "refused": lambda: ScriptedReply(429, [b'{"error": {}}'], {"content-type": "x", "retry-after": "3"}),
    "pieces": lambda: ScriptedReply(200, [b"data: 1\n\n", b"data: 2\n\n"], SSE),
    "broken": lambda: ScriptedReply(200, [b"data: 1\n\n"], SSE, UpstreamError("gone", code="upstream_disconnected")),
    "stalled": lambda: ScriptedReply(200, [b"data: 1\n\n"], SSE, UpstreamTimeout("late")),
    "silent": lambda: UpstreamTimeout("late"),
    "reset": lambda: UpstreamError("gone", code="upstream_disconnected"),
}
REAL: dict[str, list[bytes | float | str]] = {
    "whole": reply(b'{"a": 1}'),
    "refused": reply(b'{"error": {}}', 429, Retry_After="3"),
    "pieces": stream(b"data: 1\n\n", 0.05, b"data: 2\n\n", done=False),
    "broken": stream(b"data: 1\n\n", 0.05, "reset", done=False),
    "stalled": stream(b"data: 1\n\n", 5.0, done=False),
    "silent": [5.0],
    "reset": ["reset"],
}


@pytest.fixture(params=["scripted", "real"])
def scenes(request: pytest.FixtureRequest) -> Iterator[Scenes]:
    if request.param == "scripted":
        yield Scenes(None)
        return
    with running_upstream() as upstream:
        yield Scenes(upstream)


def test_a_whole_body_is_read(scenes: Scenes) -> None:
    async def ask(provider: Provider) -> None:
        answer = await provider.send("POST", "/chat/completions", b"{}", {"x-more": "1"})
        assert answer.status == 200
        assert await answer.read() == b'{"a": 1}'
        answer.close()
        answer.close()

    scenes.run("whole", ask)


def test_a_refusal_is_a_reply_with_headers_by_lower_case_name(scenes: Scenes) -> None:
    async def ask(provider: Provider) -> None:
        answer = await provider.send("POST", "/chat/completions", b"{}", {})
        assert (answer.status, answer.headers["retry-after"]) == (429, "3")
        assert "absent" not in answer.headers

    scenes.run("refused", ask)


def test_pieces_arrive_as_they_come_and_end_with_none(scenes: Scenes) -> None:
    async def ask(provider: Provider) -> None:
        answer = await provider.send("POST", "/chat/completions", b"{}", {})
        assert await answer.next() == b"data: 1\n\n"
        assert await answer.next() == b"data: 2\n\n"
        assert await answer.next() is None
        assert await answer.next() is None

    scenes.run("pieces", ask)


@pytest.mark.parametrize(("scene", "code"), [("broken", "upstream_disconnected"), ("stalled", "upstream_timeout")])
def test_a_stream_that_breaks_off_raises(scene: str, code: str, scenes: Scenes) -> None:
    async def ask(provider: Provider) -> None:
        answer = await provider.send("POST", "/chat/completions", b"{}", {})
        assert await answer.next() == b"data: 1\n\n"
        with pytest.raises(UpstreamError) as failed:
            await answer.next()
        assert failed.value.code == code
        answer.close()

    scenes.run(scene, ask)


@pytest.mark.parametrize(("scene", "code"), [("silent", "upstream_timeout"), ("reset", "upstream_disconnected")])
def test_no_reply_raises(scene: str, code: str, scenes: Scenes) -> None:
    async def ask(provider: Provider) -> None:
        with pytest.raises(UpstreamError) as failed:
            await provider.send("POST", "/chat/completions", b"{}", {})
        assert failed.value.code == code

    scenes.run(scene, ask)


def test_a_reply_that_never_ends_is_given_up() -> None:
    async def ask(upstream: Upstream) -> None:
        patience = Patience(connect_s=0.5, first_byte_s=0.5, idle_s=0.5, total_s=0.3)
        provider = OpenAIProvider("real", upstream.base_url, None, patience, Connections())
        answer = await provider.send("GET", "/x", None, {})
        with pytest.raises(UpstreamTimeout):
            await answer.read()

    with running_upstream() as upstream:
        upstream.scripts.append(stream(*([b": still here\n\n", 0.05] * 40), done=False))
        asyncio.run(ask(upstream))
        assert upstream.wait_closed()


def test_the_real_provider_sends_its_key_and_follows_no_redirect() -> None:
    async def ask(upstream: Upstream) -> None:
        connections = Connections()
        provider = OpenAIProvider("real", upstream.base_url, "sk-x", PATIENCE, connections)
        answer = await provider.send("GET", "/models/a%2Fb", None, {})
        assert answer.status == 307
        await connections.close()

    with running_upstream() as upstream:
        upstream.scripts.append(reply({}, 307, location="http://127.0.0.1:1/elsewhere"))
        asyncio.run(ask(upstream))
        (received,) = upstream.received
    assert received.path == "/v1/models/a%2Fb"
    assert received.headers["authorization"] == "Bearer sk-x"
    assert received.headers["accept-encoding"] == "identity"
