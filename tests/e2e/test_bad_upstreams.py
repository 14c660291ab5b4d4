"""Whatever an upstream sends, the caller gets an answer or an explicit error in time, and the record says which."""

import re
from typing import Any

import httpx2 as httpx
import psutil
import pytest

from benchmarks.faulty_upstream import BODIES, STREAMS
from benchmarks.payload import stream_events
from tests.e2e.conftest import Start
from tests.e2e.wire import ASK, chunk, text_chunks
from tests.running_gateway import KEY, Running
from tests.upstream import Step, Upstream, stream

FINISH = re.compile(rb'"finish_reason":"\w')


def post(gateway: Running, streamed: bool = True, **more: Any) -> httpx.Response:
    body = {"model": "gpt-test", "messages": ASK, "stream": streamed, **more}
    headers = {"authorization": f"Bearer {KEY}"}
    return httpx.post(f"{gateway.base_url}/v1/chat/completions", json=body, headers=headers, timeout=60)


def is_error(response: httpx.Response) -> bool:
    if response.status_code != 200:
        return set(response.json()["error"]) == {"message", "type", "param", "code"}
    return b'data: {"error":' in response.content and b"[DONE]" not in response.content


def script(raw: bytes, name: str) -> list[Step]:
    closing: list[Step] = ["close"] if name in ("not-http", "short-body", "bad-chunk") else []
    return [raw, *closing]


@pytest.mark.parametrize("delivery", ["live", "buffered"])
def test_no_broken_stream_looks_complete(delivery: str, upstream: Upstream, start: Start) -> None:
    gateway = start(delivery)
    odd = {}
    for name, raw in STREAMS.items():
        upstream.scripts.append(script(raw, name))
        response = post(gateway)
        if not is_error(response) or FINISH.search(response.content):
            odd[name] = (response.status_code, response.content[:300])
    assert not odd
    ends = gateway.ends(len(STREAMS))
    assert [end["error_code"] for end in ends if end["layer"] != "upstream"] == []


def test_no_broken_body_looks_complete(upstream: Upstream, gateway: Running) -> None:
    broken = {name: raw for name, raw in BODIES.items() if name != "list-usage-body"}  # complete, if odd
    odd = {}
    for name, raw in broken.items():
        upstream.scripts.append(script(raw, name))
        response = post(gateway, streamed=False)
        if not is_error(response) or response.status_code == 500:
            odd[name] = (response.status_code, response.content[:300])
    assert not odd
    assert len(gateway.ends(len(broken))) == len(broken)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_stream_that_is_cut_at_any_byte_ends_with_an_error(how: str, upstream: Upstream, gateway: Running) -> None:
    events = stream_events(1, 2, leading_space=True)
    raw = b"".join(events)
    complete = len(b"".join(events[:4]))  # with the finish reason, the answer is complete
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    for at in range(0, complete, 61):
        upstream.scripts.append([head, raw[:at], how] if at else [head, how])
        response = post(gateway)
        assert is_error(response), (at, response.content)
        assert not FINISH.search(response.content)
    assert all(end["outcome"] in ("truncated", "error") for end in gateway.ends())


@pytest.mark.parametrize("delivery", ["live", "buffered"])
def test_what_was_received_before_a_cut_is_recorded(delivery: str, upstream: Upstream, start: Start) -> None:
    gateway = start(delivery)
    upstream.scripts.append(stream(*text_chunks("word " * 40)[:-1], "reset", done=False))
    assert is_error(post(gateway))
    (end,) = gateway.ends()
    assert end["usage_estimated"]
    assert (end["usage"]["output_tokens"], end["answer_chars"]) == (50, 200)
    assert end["finish_reasons"] == []
    assert end["cost_usd"] == end["attempts"][0]["cost_usd"] > 0


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_every_split_of_the_bytes_gives_the_same_answer(size: int, upstream: Upstream, gateway: Running) -> None:
    raw = b"".join(stream_events(1, 3, leading_space=True)).replace(b"\n\n", b"\r\n\r\n")
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    upstream.scripts.append([head, *(raw[at : at + size] for at in range(0, len(raw), size)), "close"])
    response = post(gateway)
    assert response.content.endswith(b"data: [DONE]\n\n")
    assert gateway.ends()[0]["outcome"] == "ok"


def test_an_event_without_an_end_is_given_up_at_its_limit(upstream: Upstream, gateway: Running) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: "
    upstream.scripts.append([head, *[b"x" * 1400] * (9 * 1024 * 1024 // 1400), 30.0])
    assert is_error(post(gateway))
    assert gateway.ends()[0]["error_code"] == "upstream_invalid_response"


def connections_to(port: int) -> int:
    """Count this process's established connections to an upstream; its own side of them has that port as local."""
    return sum(
        found.status == psutil.CONN_ESTABLISHED and bool(found.raddr) and found.raddr.port == port
        for found in psutil.Process().net_connections("tcp")
    )


@pytest.mark.parametrize(
    "steps",
    [
        [30.0],
        [b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n", 30.0],
        stream(chunk({"content": "a"}), 30.0, done=False, end=False),
    ],
    ids=["before the reply", "before the first event", "in the stream"],
)
def test_no_upstream_connection_outlives_its_client(steps: list[Step], upstream: Upstream, gateway: Running) -> None:
    upstream.default = lambda _request: steps
    for _ in range(5):
        with pytest.raises(httpx.TimeoutException):
            httpx.post(
                f"{gateway.base_url}/v1/chat/completions",
                json={"model": "gpt-test", "messages": ASK, "stream": True},
                headers={"authorization": f"Bearer {KEY}"},
                timeout=0.25,
            )
    assert upstream.wait_closed()
    assert connections_to(upstream.port) == 0
    assert [end["outcome"] for end in gateway.ends(5)] == ["client_disconnected"] * 5
