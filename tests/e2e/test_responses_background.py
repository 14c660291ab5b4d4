"""Background responses: queued at once, run by the gateway, polled, cancelled; each run is a governed call."""

import time
from typing import Any

import openai
import pytest

from tests.e2e.responses_wire import ASK, message, response
from tests.running_gateway import Running
from tests.upstream import Received, Upstream, reply


def text_of(request: Received) -> str:
    text: str = request.json["input"][-1]["content"]
    return text


def poll(client: openai.OpenAI, name: str, timeout_s: float = 30.0) -> Any:
    """Return a response once it has ended."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = client.responses.retrieve(name)
        if found.status not in ("queued", "in_progress") or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def test_a_repeated_request_is_queued_once(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(response(message("Done.")))
    ask: Any = {"model": "gpt-test", "input": ASK, "background": True, "extra_headers": {"idempotency-key": "order-1"}}
    first, second = client.responses.create(**ask), client.responses.create(**ask)
    assert first == second
    assert poll(client, first.id).output_text == "Done."
    assert len(upstream.received) == 1


def test_a_background_response_is_followed_to_its_end(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: [0.3, *reply(response(message("Done.")))]
    queued = client.responses.create(model="gpt-test", input="Hi.", background=True)
    seen: list[Any] = list(client.responses.retrieve(queued.id, stream=True))
    assert [event.type for event in seen[:2]] == ["response.created", "response.in_progress"]
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    assert seen[-1].response.output_text == "Done."


def test_a_background_response_is_polled(upstream: Upstream, gateway: Running, client: openai.OpenAI) -> None:
    def answer(request: Received) -> Any:
        mark = text_of(request).removeprefix("Write to ").removesuffix(" please.")
        return [0.1, *reply(response(message(f"Sent to {mark}, not bob@example.com.")))]

    upstream.default = answer
    queued: Any = client.responses.create(
        model="gpt-test", input=ASK, instructions="Ask ann@example.com.", background=True,
        extra_headers={"x-sluice-run-id": "run-7"},
    )  # fmt: skip
    assert (queued.status, queued.background, queued.output) == ("queued", True, [])
    assert queued.instructions == "Ask ann@example.com."
    done = poll(client, queued.id)
    assert (done.id, done.status) == (queued.id, "completed")
    assert done.output_text == "Sent to ann@example.com, not <EMAIL_ADDRESS>."
    assert b"@example.com" not in upstream.received[-1].body
    assert upstream.received[-1].json["store"] is False
    assert "background" not in upstream.received[-1].json
    accepted, ran = (event for event in gateway.end_events(2) if event.body["endpoint"] == "responses")
    assert accepted.body["background"] == "queued"
    assert (ran.run, ran.body["key_id"], ran.body["cost_usd"] is not None) == ("run-7", "key_test", True)


def test_a_conversation_goes_on_in_the_background(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(response(message("Yes.")))
    first = client.responses.create(model="gpt-test", input=ASK)
    second = client.responses.create(model="gpt-test", input="And?", previous_response_id=first.id, background=True)
    done = poll(client, second.id)
    assert (done.output_text, done.previous_response_id) == ("Yes.", first.id)
    assert len(upstream.received[-1].json["input"]) == 3
    client.responses.create(model="gpt-test", input="So?", previous_response_id=second.id)
    assert len(upstream.received[-1].json["input"]) == 5
    assert b"ann@" not in upstream.received[-1].body


def test_a_failure_is_told(upstream: Upstream, client: openai.OpenAI) -> None:
    wrong = {"error": {"message": "Too long.", "type": "invalid_request_error", "code": "context_length_exceeded"}}
    upstream.default = lambda _request: reply(wrong, 400)
    queued = client.responses.create(model="gpt-test", input="Hi.", background=True)
    done = poll(client, queued.id)
    assert done.status == "failed"
    assert (done.error.code, done.error.message) == ("context_length_exceeded", "Too long.")


def test_what_the_policy_blocks_is_refused_at_once(upstream: Upstream, client: openai.OpenAI) -> None:
    with pytest.raises(openai.PermissionDeniedError):
        client.responses.create(model="gpt-test", input="Pay with 4111 1111 1111 1111.", background=True)
    assert not upstream.received


def test_a_cancelled_response_stays_so(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: [0.3, *reply(response(message("Late.")))]
    queued = client.responses.create(model="gpt-test", input="Hi.", background=True)
    assert client.responses.cancel(queued.id).status == "cancelled"
    assert client.responses.cancel(queued.id).status == "cancelled"
    time.sleep(0.5)
    assert client.responses.retrieve(queued.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="gpt-test", input="And?", previous_response_id=queued.id)


def test_a_deleted_response_never_comes_back(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: [0.2, *reply(response(message("Late.")))]
    queued = client.responses.create(model="gpt-test", input="Hi.", background=True)
    client.responses.delete(queued.id)
    time.sleep(0.4)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(queued.id)
