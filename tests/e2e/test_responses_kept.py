"""Conversations: responses are read again, gone on from and deleted under our own ids; the provider stores nothing."""

from typing import Any

import openai
import orjson
import pytest

from tests.e2e.conftest import Start, new_client
from tests.e2e.responses_wire import ASK, call, events, mark, message, reasoning, response
from tests.running_gateway import OTHER_KEY, Running
from tests.upstream import Upstream, reply, stream


@pytest.fixture
def first(upstream: Upstream, client: openai.OpenAI) -> Any:
    """The first turn of a conversation, about an address."""
    upstream.default = lambda request: reply(response(reasoning("Hm."), message(f"Sent to {mark(request)}.")))
    return client.responses.create(model="gpt-test", input=ASK)


def test_a_conversation_goes_on(first: Any, upstream: Upstream, client: openai.OpenAI) -> None:
    address = mark(upstream.received[-1])
    upstream.default = lambda _request: reply(response(message(f"I wrote to {address}.")))
    answer = client.responses.create(model="gpt-test", input="To whom?", previous_response_id=first.id)
    assert answer.output_text == "I wrote to ann@example.com."
    assert answer.previous_response_id == first.id
    sent = upstream.received[-1].json
    assert "previous_response_id" not in sent
    asked, said, now = sent["input"]
    assert asked == {"role": "user", "content": f"Write to {address} please."}
    assert said["content"][0]["text"] == f"Sent to {address}."
    assert now == {"role": "user", "content": "To whom?"}
    third = client.responses.create(model="gpt-test", input=ASK, previous_response_id=answer.id)
    assert len(upstream.received[-1].json["input"]) == 5
    assert mark(upstream.received[-1]) == address
    assert third.output_text == "I wrote to ann@example.com."


def test_instructions_are_not_carried_over(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(response(message("Yes.")))
    first = client.responses.create(model="gpt-test", input="Hi.", instructions="Be brief.")
    client.responses.create(model="gpt-test", input="And?", previous_response_id=first.id)
    assert "instructions" not in upstream.received[-1].json


def test_tool_results_are_sent_for_an_earlier_call(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda request: reply(response(call(f'{{"to": "{mark(request)}"}}')))
    first = client.responses.create(model="gpt-test", input=ASK)
    upstream.default = lambda _request: reply(response(message("Done.")))
    result: Any = {"type": "function_call_output", "call_id": "call_1", "output": "sent to ann@example.com"}
    client.responses.create(model="gpt-test", input=[result], previous_response_id=first.id)
    sent = upstream.received[-1]
    assert b"ann@example.com" not in sent.body
    assert [item.get("type") for item in sent.json["input"]] == [None, "function_call", "function_call_output"]


def test_a_response_is_read_again(first: Any, client: openai.OpenAI, gateway: Running) -> None:
    again = client.responses.retrieve(first.id)
    assert again.output_text == "Sent to ann@example.com."
    assert again == first
    assert [end["endpoint"] for end in gateway.ends(2)] == ["responses", "responses.retrieve"]


def test_a_streamed_response_is_read_again(upstream: Upstream, start: Start) -> None:
    for delivery in ("live", "buffered"):
        upstream.default = lambda request: stream(*events(message(f"Hello {mark(request)}.")), done=False)
        with new_client(start(delivery)) as client:
            found: list[Any] = list(client.responses.create(model="gpt-test", input=ASK, stream=True))
            assert client.responses.retrieve(found[-1].response.id).output_text == "Hello ann@example.com."


def test_the_input_is_listed_with_steady_ids(first: Any, upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(response(message("Yes.")))
    second = client.responses.create(model="gpt-test", input="To whom?", previous_response_id=first.id)
    listed = client.responses.input_items.list(second.id, order="asc")
    texts = [part.text for item in listed.data if item.type == "message" for part in item.content]  # type: ignore[union-attr]
    assert texts == ["Write to ann@example.com please.", "Sent to ann@example.com.", "To whom?"]
    newest = client.responses.input_items.list(second.id, limit=1)
    assert (newest.data[0].id, newest.has_more) == (listed.data[-1].id, True)
    assert [item.id for item in newest] == [item.id for item in reversed(listed.data)]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "order=up", "after=nobody", "starting_after=-1", "stream=1"])
def test_odd_parameters_are_named(query: str, first: Any, client: openai.OpenAI) -> None:
    path = f"/responses/{first.id}" + ("" if query.startswith("st") else "/input_items")
    with pytest.raises(openai.BadRequestError) as refused:
        client.get(f"{path}?{query}", cast_to=object)
    assert refused.value.param == query.partition("=")[0]


def test_the_stream_of_a_response_is_taken_up_again(first: Any, client: openai.OpenAI, gateway: Running) -> None:
    seen: list[Any] = list(client.responses.retrieve(first.id, stream=True))
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    assert seen[-1].response.output_text == "Sent to ann@example.com."
    rest: list[Any] = list(client.responses.retrieve(first.id, stream=True, starting_after=3))
    assert rest == seen[4:]
    assert [end["endpoint"] for end in gateway.ends(3)] == ["responses", *["responses.retrieve"] * 2]


def test_the_provider_stores_what_caller_and_policy_want(upstream: Upstream, start: Start) -> None:
    upstream.default = lambda _request: reply(response(message("Hi.")))
    for allowed in (False, True):
        with new_client(start("live" + "\nlogging: {provider: caller}" * allowed)) as client:
            for wish in (True, False, openai.omit):
                client.responses.create(model="gpt-test", input="Hi.", store=wish)
                assert upstream.received[-1].json["store"] is (allowed and wish is True)


def test_a_repeated_request_streams_the_first_answer_again(upstream: Upstream, start: Start) -> None:
    ask: Any = {"model": "gpt-test", "input": ASK, "stream": True, "extra_headers": {"idempotency-key": "order-1"}}
    for delivery in ("live", "buffered"):
        upstream.default = lambda request: stream(*events(message(f"Hello {mark(request)}.")), done=False)
        before = len(upstream.received)
        with new_client(start(delivery)) as client:
            first, second = (list[Any](client.responses.create(**ask)) for _ in range(2))
        assert first[-1].response == second[-1].response
        assert second[-1].response.output_text == "Hello ann@example.com."
        assert [event.sequence_number for event in second] == list(range(len(second)))
        assert len(upstream.received) == before + 1


def test_a_deleted_response_is_gone(first: Any, client: openai.OpenAI) -> None:
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.delete(first.id)
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="gpt-test", input="And?", previous_response_id=first.id)
    assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "previous_response_id")


def test_nothing_is_kept_that_the_caller_does_not_want_kept(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(response(message("Hi.")))
    answer: Any = client.responses.create(model="gpt-test", input="Hi.", store=False)
    assert answer.store is False
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(answer.id)


def test_nobody_else_reads_it(first: Any, gateway: Running) -> None:
    with new_client(gateway, OTHER_KEY) as other, pytest.raises(openai.NotFoundError):
        other.responses.retrieve(first.id)


def test_a_finished_response_cannot_be_cancelled(first: Any, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.cancel(first.id)
    assert refused.value.code == "response_not_cancellable"


def test_whole_numbers_of_any_length_are_read_again_and_carried_over(upstream: Upstream, client: openai.OpenAI) -> None:
    number = b'"serial":1234567890123456789012345'
    said = orjson.dumps(response(message("Done.", serial=0))).replace(b'"serial":0', number)
    upstream.default = lambda _request: reply(said)
    made = client.responses.create(model="gpt-test", input="Hi.")
    assert number in client.responses.with_raw_response.retrieve(made.id).content
    client.responses.create(model="gpt-test", input="And?", previous_response_id=made.id)
    assert number in upstream.received[-1].body


def test_other_paths_and_methods_are_refused(first: Any, client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.get(f"/responses/{first.id}/odd", cast_to=object)
    assert missing.value.code == "unknown_url"
    for path in ("/responses/input_tokens", "/responses/compact", "/responses//cancel"):
        with pytest.raises(openai.NotFoundError) as missing:
            client.post(path, body={"model": "gpt-test", "input": "Hi."}, cast_to=object)
        assert missing.value.code == "unknown_url"
    with pytest.raises(openai.APIStatusError) as wrong:
        client.put(f"/responses/{first.id}", cast_to=object)
    assert wrong.value.code == "method_not_allowed"
