"""Errors: OpenAI's shape, codes that clients branch on, and a retry only where it can help."""

from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import openai
import pytest

from gateway.admission import Limits
from metrics.record.journal import MemoryJournal
from tests.e2e.conftest import Start, new_client
from tests.e2e.wire import ASK, chunk, completion, text_chunks
from tests.running_gateway import KEY, OTHER_KEY, Running
from tests.upstream import Step, Upstream, reply, stream


@pytest.fixture
def http(gateway: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.base_url, headers={"authorization": f"Bearer {KEY}"}) as client:
        yield client


def error_of(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert response.headers["x-request-id"].startswith("call_")
    assert response.headers["x-request-id"] == response.headers["x-sluice-call-id"]
    return error


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic abc", f"Bearer {KEY}x"])
def test_a_wrong_key_is_401_invalid_api_key(authorization: str, http: httpx.Client) -> None:
    for path in ("/v1/chat/completions", "/v1/embeddings"):
        response = http.post(path, json={}, headers={"authorization": authorization})
        assert response.status_code == 401
        assert error_of(response)["code"] == "invalid_api_key"
    assert http.get("/v1/models", headers={"authorization": authorization}).status_code == 401


def test_a_key_without_a_policy_is_refused(gateway: Running) -> None:
    with new_client(gateway, OTHER_KEY) as client, pytest.raises(openai.PermissionDeniedError) as refused:
        client.chat.completions.create(model="gpt-test", messages=ASK)
    assert refused.value.code == "ungoverned"


def test_a_blocked_value_refuses_the_call_and_is_not_repeated(upstream: Upstream, client: openai.OpenAI) -> None:
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.chat.completions.create(model="gpt-test", messages=[{"role": "user", "content": "4111 1111 1111 1111"}])
    assert refused.value.code == "content_blocked"
    assert "CREDIT_CARD" in str(refused.value)
    assert "4111" not in str(refused.value)
    assert not upstream.received


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/nothing", 404, "unknown_url"),
        ("GET", "/v1/files", 404, "unknown_url"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/embeddings", 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
    ],
)
def test_unknown_paths_and_methods(method: str, path: str, status: int, code: str, http: httpx.Client) -> None:
    response = http.request(method, path)
    assert response.status_code == status
    assert error_of(response)["code"] == code
    assert response.headers["x-should-retry"] == "false"


def test_a_base_url_without_v1_is_explained(http: httpx.Client) -> None:
    response = http.post("/chat/completions", json={})
    assert response.status_code == 404
    assert "/v1" in response.json()["error"]["message"]


def test_loops_and_compressed_bodies_are_refused(http: httpx.Client) -> None:
    body = {"model": "gpt-test", "messages": ASK}
    looped = http.post("/v1/chat/completions", json=body, headers={"x-sluice-hop": "1"})
    assert error_of(looped)["code"] == "loop_detected"
    packed = http.post("/v1/chat/completions", json=body, headers={"content-encoding": "gzip"})
    assert packed.status_code == 415


def test_our_own_requests_say_that_they_hop(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(completion())
    client.chat.completions.create(model="gpt-test", messages=ASK)
    assert upstream.received[-1].headers["x-sluice-hop"] == "1"


def test_bodies_have_a_limit_known_or_not(start: Start) -> None:
    gateway = start(limits=Limits(body_bytes=10_000))
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=gateway.base_url, headers=headers) as http:
        announced = http.post("/v1/chat/completions", content=b"x" * 20_000)
        chunked = http.post("/v1/chat/completions", content=(b"x" * 5_000 for _ in range(5)))
    assert announced.status_code == chunked.status_code == 413
    assert error_of(chunked)["code"] == "request_too_large"


REFUSALS: Any = [
    (reply({"error": {"message": "m", "type": "invalid_request_error", "code": "context_length_exceeded"}}, 400),
     openai.BadRequestError, "context_length_exceeded", 1),
    (reply({"error": {"message": "m", "type": "requests", "code": "rate_limit_exceeded"}}, 429, retry_after="0"),
     openai.RateLimitError, "rate_limit_exceeded", 3),
    (reply({"error": {"message": "m", "code": "model_not_found"}}, 404), openai.NotFoundError, "model_not_found", 1),
    (reply({"error": {"message": "key sk-upstream"}}, 401), openai.InternalServerError, "upstream_credentials", 1),
    (reply({"error": {"message": "m"}}, 500), openai.InternalServerError, "upstream_error", 3),
    (reply(b"<html>oops</html>"), openai.InternalServerError, "upstream_invalid_response", 3),
    (reply({"choices": []}), openai.InternalServerError, "upstream_invalid_response", 3),
    (reply({"error": {"message": "m"}}), openai.InternalServerError, "upstream_invalid_response", 3),
    (["close"], openai.InternalServerError, "upstream_disconnected", 3),
    (["reset"], openai.InternalServerError, "upstream_disconnected", 3),
    ([b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\ncontent-type: application/json\r\n\r\n{", "close"],
     openai.InternalServerError, "upstream_disconnected", 3),
    ([b"nonsense\r\n\r\n", "close"], openai.InternalServerError, "upstream_invalid_response", 3),
    (reply({}, 302, location="http://127.0.0.1:1/"), openai.InternalServerError, "upstream_error", 1),
]  # fmt: skip


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("script", "kind", "code", "calls"), REFUSALS)
def test_what_clients_see_of_upstream_errors(
    script: list[Step],
    kind: type[Exception],
    code: str,
    calls: int,
    streamed: bool,
    upstream: Upstream,
    gateway: Running,
) -> None:
    upstream.default = lambda _request: script
    with new_client(gateway, max_retries=2) as client, pytest.raises(openai.APIStatusError) as failed:
        client.chat.completions.create(model="gpt-test", messages=ASK, stream=streamed)
    assert isinstance(failed.value, kind)
    if not (streamed and kind is openai.InternalServerError):  # a stream may go wrong in another way
        assert failed.value.code == code
    assert len(upstream.received) == calls
    assert "sk-upstream" not in str(failed.value)
    assert len(gateway.ends(calls)) == calls


def test_an_upstream_that_cannot_be_reached(tmp_path: Any, upstream: Upstream, start: Start) -> None:
    upstream.port = 1  # nothing listens there
    with new_client(start()) as client, pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(model="gpt-test", messages=ASK)
    assert failed.value.code == "upstream_unreachable"


@pytest.mark.parametrize("streamed", [False, True])
def test_an_upstream_that_never_answers_is_given_up(streamed: bool, upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.scripts.append([30.0])
    with pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(model="gpt-test", messages=ASK, stream=streamed)
    assert (failed.value.status_code, failed.value.code) == (504, "upstream_timeout")
    assert upstream.wait_closed()


CUTS: Any = [
    (stream(*text_chunks("Hello.")[:-1], done=False), "upstream_truncated"),
    (stream(done=True), "upstream_truncated"),
    (stream(*text_chunks("Hello.")[:-1], "close", done=False), "upstream_disconnected"),
    (stream(*text_chunks("Hello.")[:-1], "reset", done=False), "upstream_disconnected"),
    (stream(*text_chunks("Hello.")[:-1], 30.0, done=False), "upstream_timeout"),
    (stream(chunk({"content": "a"}), b"data: {not json\n\n"), "upstream_invalid_response"),
    (stream(chunk({"content": "a"}), b"data: 17\n\n"), "upstream_invalid_response"),
    (stream(chunk({"content": "a"}), {"error": {"message": "overloaded", "code": "overloaded"}}), "overloaded"),
]


@pytest.mark.parametrize(("script", "code"), CUTS)
@pytest.mark.parametrize("delivery", ["live", "buffered"])
def test_a_stream_without_its_end_is_an_error_and_never_a_success(
    script: list[Step], code: str, delivery: str, upstream: Upstream, start: Start
) -> None:
    upstream.scripts.append(script)
    gateway = start(delivery)
    seen: list[Any] = []
    with new_client(gateway) as client, pytest.raises(openai.APIError) as failed:
        seen.extend(client.chat.completions.create(model="gpt-test", messages=ASK, stream=True))
    assert failed.value.code == code
    assert not any(choice.finish_reason for event in seen for choice in event.choices)
    (end,) = gateway.ends()
    assert end["outcome"] in ("truncated", "error")
    assert end["error_code"] == code


@pytest.mark.parametrize("streamed", [False, True])
def test_the_policy_decides_what_a_full_disk_means(streamed: bool, upstream: Upstream, start: Start) -> None:
    journal = MemoryJournal()
    journal.fail = True
    upstream.default = lambda request: (
        stream(*text_chunks("Hello.")) if request.json.get("stream") else reply(completion())
    )
    with new_client(start(failure="serve", journal=journal)) as client:
        made: Any = client.chat.completions.create(model="gpt-test", messages=ASK, stream=streamed)
        assert list(made) if streamed else made.choices[0].message.content == "Hello."
        if not streamed:
            raw = client.chat.completions.with_raw_response.create(model="gpt-test", messages=ASK)
            assert raw.headers["x-sluice-record"] == "deferred"
    assert journal.deferred


def test_an_answer_that_cannot_be_recorded_is_withheld(upstream: Upstream, start: Start) -> None:
    journal = MemoryJournal()
    journal.fail = True
    upstream.default = lambda _request: reply(completion())
    with new_client(start(journal=journal)) as client, pytest.raises(openai.InternalServerError) as refused:
        client.chat.completions.create(model="gpt-test", messages=ASK)
    assert (refused.value.status_code, refused.value.code) == (503, "record_failed")
