"""Background responses that are streamed: followed as they come, left and joined again, by an unchanged client."""

import time
from typing import Any

import openai
import pytest

from tests.e2e.conftest import Start, new_client
from tests.e2e.responses_wire import ASK, call, events, mark, message
from tests.running_gateway import Running
from tests.upstream import Received, Step, Upstream, stream

SAID = "Sent to ann@example.com, not <EMAIL_ADDRESS>."
BEGIN = ["response.created", "response.queued", "response.in_progress"]


def slowly(request: Received, pause_s: float = 0.03) -> list[Step]:
    """Answer in pieces with pauses between them."""
    text = f"Sent to {mark(request)}, not bob@example.com."
    (head, *steps) = stream(*events(message(text), call(f'{{"to": "{mark(request)}"}}')))
    return [head, *(each for step in steps for each in (pause_s, step))]


def shown(found: list[Any]) -> str:
    return "".join(event.delta for event in found if event.type == "response.output_text.delta")


def ask(client: openai.OpenAI, **more: Any) -> Any:
    return client.responses.create(model="gpt-test", input=ASK, background=True, stream=True, **more)


@pytest.mark.parametrize("delivery", ["live", "buffered"])
def test_it_is_shown_as_it_comes(delivery: str, upstream: Upstream, start: Start) -> None:
    upstream.default = slowly
    gateway = start(delivery)
    with new_client(gateway) as client:
        found = list(ask(client))
        kinds = [event.type for event in found]
        assert kinds[:3] == BEGIN
        assert found[0].response.status == "queued"
        assert [event.sequence_number for event in found] == list(range(len(found)))
        assert shown(found) == SAID
        assert kinds.count("response.output_text.delta") > 1 or delivery == "buffered"
        final = found[-1].response
        assert (final.status, final.id, final.background) == ("completed", found[0].response.id, True)
        assert final.output_text == SAID
        assert final.output[1].arguments == '{"to": "ann@example.com"}'
        assert list(client.responses.retrieve(final.id, stream=True)) == found
        assert client.responses.retrieve(final.id) == final
    assert b"@example.com" not in upstream.received[-1].body
    queued, ran, *_ = gateway.ends(3)
    assert (queued["background"], ran["outcome"], ran["stream"]) == ("queued", "ok", True)
    assert ran["entities"]["answer"] == {"EMAIL_ADDRESS": 1}


def test_who_leaves_may_join_again_from_any_event(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = slowly
    seen: list[Any] = []
    with ask(client) as running:
        for event in running:
            seen.append(event)
            if event.type == "response.output_text.delta":
                break
    name, last = seen[0].response.id, seen[-1].sequence_number
    rest: list[Any] = list(client.responses.retrieve(name, stream=True, starting_after=last))
    assert [event.sequence_number for event in (*seen, *rest)] == list(range(len(seen) + len(rest)))
    assert shown([*seen, *rest]) == SAID
    assert rest[-1].response.status == "completed"
    assert list(client.responses.retrieve(name, stream=True)) == [*seen, *rest]
    assert len(upstream.received) == 1


def test_a_repeated_request_follows_the_first(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda request: slowly(request, 0.0)
    first = list(ask(client, extra_headers={"idempotency-key": "order-1"}))
    assert list(ask(client, extra_headers={"idempotency-key": "order-1"})) == first
    assert len(upstream.received) == 1


def test_a_broken_upstream_ends_it_as_failed(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda request: [*slowly(request)[:16], 0.3, "reset"]
    found = list(ask(client))
    assert SAID.startswith(shown(found))
    assert shown(found)
    assert (found[-1].type, found[-1].response.error.code) == ("response.failed", "upstream_disconnected")
    assert found[-1].response.output == []


def test_a_cancelled_one_ends_for_all_who_follow_it(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda request: [*slowly(request)[:16], 20.0]
    with ask(client) as running:
        first = next(iter(running))
        assert client.responses.cancel(first.response.id).status == "cancelled"
        *_, last = running
    assert (last.type, last.response["status"]) == ("response.cancelled", "cancelled")


def test_a_deleted_one_is_forgotten_with_its_events(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda request: slowly(request, 0.0)
    found = list(ask(client))
    client.responses.delete(found[0].response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(found[0].response.id, stream=True)


def test_nobody_needs_to_follow(upstream: Upstream, gateway: Running, client: openai.OpenAI) -> None:
    upstream.default = slowly
    with ask(client) as running:
        name = next(iter(running)).response.id
    gateway.ends(3)
    deadline = time.monotonic() + 20
    while client.responses.retrieve(name).status != "completed":
        assert time.monotonic() < deadline
        time.sleep(0.02)
