"""One record for every received request, with everything that is known about it and no text in the open part."""

from typing import Any

import httpx2 as httpx
import openai
import orjson
import pytest

from metrics.record.events import encode
from redaction.detect import WordDetector
from tests.e2e.conftest import Start, new_client
from tests.e2e.wire import ASK, completion, text_chunks, usage_chunk
from tests.running_gateway import KEY, Running
from tests.upstream import Upstream, reply, stream

AUTHORIZED = {"authorization": f"Bearer {KEY}"}


def test_a_call_in_full(upstream: Upstream, gateway: Running, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(completion())
    headers = {"x-sluice-run-id": "run-1", "x-sluice-step": "draft", "x-sluice-subject": "customer-7"}
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-test", messages=ASK, metadata={"prompt": "reply@3", "run_id": "loses"}, extra_headers=headers
    )
    assert "metadata" not in upstream.received[-1].json
    (event,) = gateway.end_events()
    body = event.body
    assert (event.tenant, event.automation, event.run, event.step) == ("acme", "drafting", "run-1", "draft")
    assert (event.actor, event.event_id) == ("key_test", f"{body['call_id']}.e")
    expected = {
        "endpoint": "chat.completions", "stream": False, "key_id": "key_test", "team": "support", "environment": "test",
        "status": 200, "outcome": "ok", "error_code": None, "layer": None, "policy": "structured", "tightened": [],
        "model_requested": "gpt-test", "model_answered": "gpt-test", "provider": "test", "simulated": False,
        "finish_reasons": ["stop"], "usage_estimated": False, "verdict": "pass", "confidence": None, "retry_count": 0,
        "labels": {"prompt": "reply@3"}, "price_id": "test/gpt-test@2020-01-01", "answer_chars": 6,
    }  # fmt: skip
    assert {name: body[name] for name in expected} == expected
    assert body["entities"]["request"] == {"EMAIL_ADDRESS": 1}
    assert {"admit", "bind", "clear", "choose", "invoke", "screen", "judge", "act", "restore", "record"} == set(
        body["stages_us"]
    )
    assert body["total_ms"] >= body["overhead_ms"] > 0
    (attempt,) = body["attempts"]
    assert (attempt["n"], attempt["status"], attempt["cost_usd"]) == (1, 200, body["cost_usd"])
    shown = {
        "x-request-id": body["call_id"],
        "x-sluice-call-id": body["call_id"],
        "x-sluice-run-id": "run-1",
        "x-sluice-policy": f"structured@{body['policy_hash']}",
        "x-sluice-decision": "pass",
        "x-sluice-cost-usd": f"{body['cost_usd']:.9f}",
    }
    assert {name: raw.headers[name] for name in shown} == shown
    assert raw.headers["traceparent"].split("-")[1] == body["trace_id"]


@pytest.mark.parametrize("streamed", [True, False])
def test_an_answer_that_may_not_be_shown_has_cost_what_it_cost(
    streamed: bool, upstream: Upstream, start: Start
) -> None:
    said = [*text_chunks("Ask Ada Lovelace."), usage_chunk()]
    upstream.default = lambda _request: stream(*said) if streamed else reply(completion({"content": "Ask Ada."}))
    gateway = start("buffered", redaction="answer_names: balanced", detector=WordDetector({}, down=True))
    with new_client(gateway) as client, pytest.raises(openai.APIError) as refused:
        client.chat.completions.create(model="gpt-test", messages=ASK, stream=streamed)
    assert refused.value.code == "redaction_failed"
    (end,) = gateway.ends()
    assert (end["usage"]["output_tokens"], end["usage_estimated"]) == (3, False)
    assert end["cost_usd"] == end["attempts"][0]["cost_usd"] > 0
    ((_, content),) = gateway.journal.committed
    assert set(content.fields) == {"request"}


def test_the_texts_are_sealed_and_the_open_part_has_none(
    upstream: Upstream, gateway: Running, client: openai.OpenAI
) -> None:
    upstream.default = lambda _request: reply(completion({"content": "Ask bob@example.com."}))
    client.chat.completions.create(
        model="gpt-test",
        messages=ASK,
        extra_headers={"x-sluice-subject": "customer-7", "x-sluice-step": "ann@example.com"},
    )
    gateway.ends()
    for event in gateway.journal.events:
        line = encode(event)
        for secret in (b"Write to", b"Ask", b"ann@", b"bob@", b"customer-7"):
            assert secret not in line
    ((_, content),) = gateway.journal.committed
    assert content.subject == "customer-7"
    request, answer = orjson.loads(content.fields["request"]), orjson.loads(content.fields["answer"])
    assert request["messages"][0]["content"].startswith("Write to ")
    assert "ann@example.com" not in request["messages"][0]["content"]
    assert answer["choices"][0]["message"]["content"] == "Ask <EMAIL_ADDRESS>."
    assert {kind for kind, _ in content.index} == {"EMAIL_ADDRESS"}


def test_a_streamed_answer_is_sealed_as_a_whole_one(
    upstream: Upstream, gateway: Running, client: openai.OpenAI
) -> None:
    upstream.default = lambda _request: stream(*text_chunks("Hel", "lo."))
    list(client.chat.completions.create(model="gpt-test", messages=ASK, stream=True))
    gateway.ends()
    answer = orjson.loads(gateway.journal.committed[0][1].fields["answer"])
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"] == "Hello."


def test_every_begun_call_is_ended_once(upstream: Upstream, gateway: Running, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(completion())
    for _ in range(5):
        client.chat.completions.create(model="gpt-test", messages=ASK)
    ended = [event.body["call_id"] for event in gateway.end_events(5)]
    begun = [event.body["call_id"] for event in gateway.journal.written if event.kind == "call.begin"]
    assert begun == ended
    assert len(set(ended)) == 5


BAD: Any = [
    ("POST", "/v1/chat/completions", {"headers": {"authorization": "Bearer no"}}, 401),
    ("POST", "/v1/chat/completions", {"content": b"{"}, 400),
    ("POST", "/v1/chat/completions", {"json": {"model": "m"}}, 400),
    ("POST", "/v1/chat/completions", {"json": {"model": "m", "messages": ASK}, "headers": {"x-sluice-hop": "1"}}, 400),
    ("GET", "/v1/chat/completions", {}, 405),
    ("POST", "/v1/embeddings", {"json": {"model": "m", "input": [1]}}, 400),
    ("POST", "/v1/nothing", {}, 404),
    ("GET", "/v1/models/none", {}, 502),
]


@pytest.mark.parametrize(("method", "path", "options", "status"), BAD)
def test_refused_requests_leave_a_record_too(
    method: str, path: str, options: dict[str, Any], status: int, gateway: Running
) -> None:
    headers = AUTHORIZED | options.pop("headers", {})
    response = httpx.request(method, gateway.base_url + path, headers=headers, **options)
    (end,) = gateway.ends()
    assert response.status_code == end["status"] == status
    assert end["call_id"] == response.headers["x-sluice-call-id"]
    assert end["error_code"] == response.json()["error"]["code"]
    assert end["outcome"] == ("error" if status == 502 else "refused")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_leaves_is_recorded_and_its_upstream_is_let_go(
    streamed: bool, upstream: Upstream, gateway: Running
) -> None:
    parts = [*text_chunks("Hel", "lo ", "Ann")[:-1], 30.0]
    upstream.default = lambda _request: stream(*parts, done=False) if streamed else [30.0]
    body = {"model": "gpt-test", "messages": ASK, "stream": streamed}
    with (
        httpx.Client(base_url=gateway.base_url, headers=AUTHORIZED, timeout=1.5) as http,
        pytest.raises(httpx.TimeoutException),
    ):
        http.post("/v1/chat/completions", json=body)
    (end,) = gateway.ends()
    assert upstream.wait_closed()  # long before it would have said more
    assert (end["status"], end["outcome"]) == (499, "client_disconnected")
    assert end["attempts"][0]["error_code"] == "interrupted"
    if streamed:
        assert end["usage_estimated"] is True
        assert end["usage"]["output_tokens"] > 0
        assert b"Hel" in gateway.journal.committed[0][1].fields["answer"]


@pytest.mark.parametrize("delivery", ["live", "buffered"])
def test_the_record_of_a_cut_stream_says_what_was_received(delivery: str, upstream: Upstream, start: Start) -> None:
    gateway = start(delivery)
    upstream.scripts.append(stream(*text_chunks("Some words that arrived. ")[:-1], "reset", done=False))
    with new_client(gateway) as client, pytest.raises(openai.APIError):
        list(client.chat.completions.create(model="gpt-test", messages=ASK, stream=True))
    (end,) = gateway.ends()
    assert end["outcome"] == "error"
    assert end["attempts"][0]["error_code"] == "upstream_disconnected"
