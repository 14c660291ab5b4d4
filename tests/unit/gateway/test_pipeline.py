"""However a call ends, it leaves one record, and the caller sees one honest reply."""

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import Call
from gateway.errors import UpstreamError, UpstreamTimeout
from gateway.providers.scripted import ScriptedProvider, ScriptedReply, json_reply, stream_reply
from gateway.requests import RequestWatch, watched
from gateway.resilience.attempt import Attempts
from gateway.wire.chat import CHAT
from gateway.wire.exchange import Message, Receive, Send
from metrics.record.events import Event
from metrics.record.journal import MemoryJournal
from policy.snapshot import Snapshot
from tests.e2e.wire import ASK, completion, text_chunks, usage_chunk
from tests.unit.gateway.making import Client, pipeline, snapshot

SSE = {"content-type": "text/event-stream"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return snapshot(tmp_path_factory.mktemp("live"))


@pytest.fixture(scope="module")
def buffered(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return snapshot(tmp_path_factory.mktemp("buffered"), delivery="buffered")


def request(**more: Any) -> bytes:
    return orjson.dumps({"model": "gpt-test", "messages": ASK} | more)


def end_of(journal: MemoryJournal) -> Event:
    (end,) = [event for event in journal.events if event.kind == "call.end"]
    return end


def asked(tree: Snapshot, provider: ScriptedProvider, journal: MemoryJournal, body: bytes, **headers: str) -> Client:
    client = Client(body, **headers)

    async def ask() -> None:
        client_run = client.ask(pipeline(tree, provider, journal), CHAT)
        await client_run

    asyncio.run(ask())
    return client


def test_an_answered_call(live: Snapshot) -> None:
    journal, provider = MemoryJournal(), ScriptedProvider([json_reply(completion())])
    client = asked(live, provider, journal, request())
    assert client.status == 200
    assert orjson.loads(client.body) == completion()
    assert end_of(journal).body["outcome"] == "ok"
    assert [event.kind for event in journal.written] == ["call.begin"]


def raw_stream() -> bytes:
    events = [*text_chunks("Write ", "to bob@", "example.com", " now."), usage_chunk()]
    return b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events) + b"data: [DONE]\n\n"


def read_text(body: bytes) -> str:
    data = [block.removeprefix(b"data: ") for block in body.split(b"\n\n") if block.startswith(b"data: {")]
    pieces = [choice["delta"].get("content") or "" for raw in data for choice in orjson.loads(raw)["choices"]]
    return "".join(pieces)


@given(cuts=st.lists(st.integers(0, 2000), max_size=12))
def test_how_the_upstreams_bytes_are_split_changes_nothing(cuts: list[int], live: Snapshot, buffered: Snapshot) -> None:
    raw = raw_stream()
    places = sorted({min(cut, len(raw)) for cut in cuts})
    chunks = [raw[a:b] for a, b in zip([0, *places], [*places, len(raw)], strict=True) if a < b]
    for tree in (live, buffered):
        journal, provider = MemoryJournal(), ScriptedProvider([ScriptedReply(200, chunks, SSE)])
        client = asked(tree, provider, journal, request(stream=True))
        assert read_text(client.body) == "Write to <EMAIL_ADDRESS> now."
        assert client.body.endswith(b"data: [DONE]\n\n")
        assert end_of(journal).body["usage"]["output_tokens"] == 3
        assert not client.sent[-1].get("more_body")


class WatchingJournal(MemoryJournal):
    """Notes what the client had been sent when the record was committed."""

    def __init__(self) -> None:
        super().__init__()
        self.client: Client | None = None
        self.sent_before = b""

    async def commit(self, event: Any, content: Any = None, *, on_failure: Any = "block") -> Any:
        assert self.client is not None
        self.sent_before = self.client.body
        return await super().commit(event, content, on_failure=on_failure)


@pytest.mark.parametrize("streamed", [False, True])
def test_nobody_sees_the_end_before_it_is_recorded(streamed: bool, live: Snapshot) -> None:
    journal = WatchingJournal()
    reply = stream_reply(*text_chunks("Hello ", "there."), usage_chunk()) if streamed else json_reply(completion())
    client = journal.client = Client(request(stream=streamed))
    asyncio.run(client.ask(pipeline(live, ScriptedProvider([reply]), journal), CHAT))
    assert b"finish_reason" in client.body
    assert b'"finish_reason":"stop"' not in journal.sent_before
    assert b"[DONE]" not in journal.sent_before
    assert (b"Hello" in journal.sent_before) is streamed


@pytest.mark.parametrize("hangs", ["connect", "stream"])
def test_a_client_that_leaves_ends_its_call(hangs: str, live: Snapshot) -> None:
    stuck = ScriptedReply(200, stream_reply(*text_chunks("Hello there.")[:2], done=False).chunks, SSE, hangs=True)
    if hangs == "connect":
        stuck = ScriptedReply(200, [], SSE, hangs=True)
    journal, client = MemoryJournal(), Client(request(stream=True))

    async def ask() -> None:
        call = asyncio.create_task(client.ask(pipeline(live, ScriptedProvider([stuck]), journal), CHAT))
        await asyncio.sleep(0.15)
        client.leave()
        await asyncio.wait_for(call, 20)

    asyncio.run(ask())
    assert stuck.closed
    assert (end_of(journal).body["status"], end_of(journal).body["outcome"]) == (499, "client_disconnected")


def test_a_gateway_that_stops_says_so(live: Snapshot) -> None:
    stuck = ScriptedReply(200, stream_reply(*text_chunks("Hello there.")[:2], done=False).chunks, SSE, hangs=True)
    journal, client = MemoryJournal(), Client(request(stream=True))

    async def ask() -> None:
        call = asyncio.create_task(client.ask(pipeline(live, ScriptedProvider([stuck]), journal), CHAT))
        await asyncio.sleep(0.05)
        call.cancel()
        await call

    asyncio.run(ask())
    assert end_of(journal).body["outcome"] == "interrupted"
    assert b'"code":"interrupted"' in client.body
    assert b"[DONE]" not in client.body


def test_a_fault_of_ours_is_recorded_and_its_text_is_not_logged(
    live: Snapshot, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(ScriptedProvider):
        async def send(self, method: str, path: str, body: bytes | None, headers: Any) -> ScriptedReply:
            raise ValueError("ann@example.com")

    journal = MemoryJournal()
    with caplog.at_level(logging.ERROR):
        client = asked(live, Faulty([]), journal, request())
    assert (client.status, end_of(journal).body["error_code"]) == (500, "internal_error")
    assert "ValueError" in caplog.text
    assert "ann@example.com" not in caplog.text + client.body.decode()


def failing(*replies: Callable[[], Any]) -> ScriptedProvider:
    return ScriptedProvider([make() for make in replies])


ROUTING = """
routing:
  candidates: [{model: gpt-a}, {model: second/gpt-b}]
"""


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "first", [lambda: UpstreamTimeout("t"), lambda: json_reply({}, 500), lambda: json_reply({}, 429)]
)
def test_the_next_candidate_is_asked_until_the_first_byte(
    first: Callable[[], Any], streamed: bool, tmp_path: Path
) -> None:
    good = stream_reply(*text_chunks("Hi.")) if streamed else json_reply(completion())
    journal, provider = MemoryJournal(), failing(first, lambda: good)
    client = asked(snapshot(tmp_path, routing=ROUTING), provider, journal, request(stream=streamed))
    assert client.status == 200
    assert [sent.json["model"] for sent in provider.sent] == ["gpt-a", "gpt-b"]
    attempts = end_of(journal).body["attempts"]
    assert [(attempt["n"], attempt["model"]) for attempt in attempts] == [(1, "gpt-a"), (2, "gpt-b")]
    assert attempts[0]["error_code"]
    assert attempts[1]["error_code"] is None
    assert end_of(journal).body["route_rule"] == "candidates"


def test_a_request_that_is_wrong_is_wrong_everywhere(tmp_path: Path) -> None:
    refused = json_reply({"error": {"message": "m", "code": "context_length_exceeded"}}, 400)
    journal, provider = MemoryJournal(), ScriptedProvider([refused, json_reply(completion())])
    client = asked(snapshot(tmp_path, routing=ROUTING), provider, journal, request())
    assert client.status == 400
    assert len(provider.sent) == 1


def test_nothing_is_asked_again_once_a_byte_was_shown(tmp_path: Path) -> None:
    cut = stream_reply(*text_chunks("Hello there.")[:2], done=False)
    cut.broken = UpstreamError("gone", code="upstream_disconnected")
    journal, provider = MemoryJournal(), ScriptedProvider([cut, stream_reply(*text_chunks("Again."))])
    client = asked(snapshot(tmp_path, routing=ROUTING), provider, journal, request(stream=True))
    assert len(provider.sent) == 1
    assert b"upstream_disconnected" in client.body
    assert b"Again" not in client.body


def malformed_stream() -> ScriptedReply:
    return ScriptedReply(200, [raw_stream()[:300], b"data: {not json}\n\n"], SSE)


def malformed_in_one_piece() -> ScriptedReply:
    return ScriptedReply(200, [raw_stream()[: raw_stream().index(b"data: [DONE]")] + b"data: {not json}\n\n"], SSE)


def test_what_came_before_a_broken_event_is_given_however_it_was_split(live: Snapshot) -> None:
    (raw,) = malformed_in_one_piece().chunks
    texts = set()
    for size in (1, 40, 10_000):
        reply = ScriptedReply(200, [raw[at : at + size] for at in range(0, len(raw), size)], SSE)
        said = asked(live, ScriptedProvider([reply]), MemoryJournal(), request(stream=True)).body
        good, _, end = said.partition(b'data: {"error"')
        texts.add(read_text(good))
        assert b'"code":"upstream_invalid_response"' in end
        assert b"[DONE]" not in said
    assert texts == {"Write to <EMAIL_ADDRESS> now."}


def cut_stream() -> ScriptedReply:
    return ScriptedReply(200, [raw_stream()[:300]], SSE)


def alive() -> list[object]:
    return [each for each in gc.get_objects() if type(each) in (Call, Attempts, UpstreamError)]


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (lambda: json_reply(completion()), 200),
        (lambda: ScriptedReply(200, [raw_stream()], SSE), 200),
        (cut_stream, 200),
        (malformed_stream, 200),
        (malformed_in_one_piece, 200),
        (lambda: json_reply({"error": {"message": "no"}}, 400), 400),
        (lambda: UpstreamTimeout("The upstream did not answer in time."), 504),
    ],
    ids=["whole", "streamed", "cut", "malformed", "in one piece", "refused", "silent"],
)
def test_the_texts_of_a_call_are_freed_when_it_ends(reply: Callable[[], Any], status: int, live: Snapshot) -> None:
    provider = ScriptedProvider([first := reply()])
    streamed = isinstance(first, ScriptedReply) and first.headers == SSE
    gc.collect()
    before = alive()  # other tests keep errors among their parameters; held here, so that no address is used again
    gc.disable()
    try:
        assert asked(live, provider, MemoryJournal(), request(stream=streamed)).status == status
        assert not [each for each in alive() if not any(each is known for known in before)]
    finally:
        gc.enable()


def test_a_request_that_asks_no_model_is_freed_when_it_ends(live: Snapshot) -> None:
    async def app(_scope: Message, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    client = Client(b"")
    governed = watched(app, pipeline(live, ScriptedProvider([]), MemoryJournal()))
    gc.collect()
    gc.disable()
    try:
        asyncio.run(cast(Coroutine[Any, Any, None], governed(client.scope, client.receive, client.send)))
        assert client.status == 200
        assert not [each for each in gc.get_objects() if type(each) is RequestWatch]
    finally:
        gc.enable()
