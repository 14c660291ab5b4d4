"""The Responses API in front of a provider that knows chat completions only; an unchanged client notices nothing."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.conftest import new_client
from tests.e2e.wire import chunk, completion, usage_chunk
from tests.running_gateway import Running, running_gateway, write_policies
from tests.upstream import Received, Step, Upstream, reply, stream

ASK = "Write to ann@example.com please."
BOTH = pytest.mark.parametrize("delivery", ["live", "buffered"])
TOOL: Any = {"type": "function", "name": "send", "strict": True, "parameters": {"type": "object", "properties": {}}}
Start = Callable[[str], Running]


@pytest.fixture
def translating(tmp_path: Path, upstream: Upstream) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(delivery: str) -> Running:
            folder = write_policies(tmp_path / "policies", upstream.base_url, delivery)
            file = folder / "providers.yaml"
            file.write_text(file.read_text().replace("    base_url:", "    responses: translated\n    base_url:"))
            return stack.enter_context(running_gateway(folder))

        yield begin


@pytest.fixture
def gateway(translating: Start) -> Running:
    return translating("live")


@pytest.fixture
def client(gateway: Running) -> Iterator[openai.OpenAI]:
    with new_client(gateway) as made:
        yield made


def mark(request: Received) -> str:
    text: str = request.json["messages"][-1]["content"]
    return text.removeprefix("Write to ").removesuffix(" please.")


def test_a_text_is_asked_and_answered(upstream: Upstream, gateway: Running, client: openai.OpenAI) -> None:
    upstream.default = lambda request: reply(completion({"content": f"Sent to {mark(request)}."}))
    answer = client.responses.create(model="gpt-test", input=ASK, instructions="Be brief.", max_output_tokens=50)
    sent = upstream.received[-1]
    assert sent.path == "/v1/chat/completions"
    assert sent.json["messages"][0] == {"role": "system", "content": "Be brief."}
    assert sent.json["max_completion_tokens"] == 50
    assert "ann@" not in sent.json["messages"][1]["content"]
    assert answer.output_text == "Sent to ann@example.com."
    assert (answer.status, answer.instructions, answer.max_output_tokens) == ("completed", "Be brief.", 50)
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.cached_tokens == 6
    (end,) = gateway.ends()
    assert (end["endpoint"], end["finish_reasons"], end["usage"]["reasoning_tokens"]) == ("responses", ["completed"], 1)


def test_items_become_messages(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(completion())
    picture = "data:image/png;base64,iVBORw0KGgo="
    items: Any = [
        {"role": "developer", "content": "Rules."},
        {"role": "user", "content": [
            {"type": "input_text", "text": "What"}, {"type": "input_text", "text": " is it?"}]},
        {"role": "user", "content": [{"type": "input_text", "text": "This."},
                                     {"type": "input_image", "image_url": picture, "detail": "low"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "a cat"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "a dog"}]},
    ]  # fmt: skip
    client.responses.create(
        model="gpt-test", input=items, tools=[TOOL], tool_choice={"type": "function", "name": "send"}
    )
    sent = upstream.received[-1].json
    look = {"name": "look", "arguments": "{}"}
    assert sent["messages"] == [
        {"role": "developer", "content": "Rules."},
        {"role": "user", "content": "What is it?"},
        {"role": "user", "content": [{"type": "text", "text": "This."},
                                     {"type": "image_url", "image_url": {"url": picture, "detail": "low"}}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": look}, {"id": "c2", "type": "function", "function": look}]},
        {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
        {"role": "tool", "tool_call_id": "c2", "content": "a dog"},
    ]  # fmt: skip
    assert sent["tools"] == [
        {"type": "function", "function": {name: TOOL[name] for name in ("name", "strict", "parameters")}}
    ]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "send"}}


def test_formats_and_reasoning_are_put_in_the_words_of_chat(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(completion({"content": "{}", "reasoning_content": "Easy."}))
    shape: Any = {"type": "json_schema", "name": "s", "schema": {"type": "object"}, "strict": True}
    answer = client.responses.create(
        model="gpt-test", input="Hi.", text={"format": shape, "verbosity": "low"}, reasoning={"effort": "low"}
    )
    sent = upstream.received[-1].json
    inner = {"name": "s", "schema": {"type": "object"}, "strict": True}
    assert sent["response_format"] == {"type": "json_schema", "json_schema": inner}
    assert (sent["verbosity"], sent["reasoning_effort"]) == ("low", "low")
    first: Any = answer.output[0]
    assert (first.type, first.content[0].text) == ("reasoning", "Easy.")


def test_calls_and_refusals_are_items(upstream: Upstream, client: openai.OpenAI) -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "send", "arguments": "{}"}}]
    upstream.scripts.append(reply(completion({"content": None, "tool_calls": calls})))
    (item,) = client.responses.create(model="gpt-test", input="Hi.", tools=[TOOL]).output
    assert (item.type, item.to_dict()["call_id"], item.to_dict()["arguments"]) == ("function_call", "c1", "{}")
    upstream.scripts.append(reply(completion({"content": None, "refusal": "No."})))
    refused: Any = client.responses.create(model="gpt-test", input="Hi.").output[0]
    assert refused.content[0].refusal == "No."


def test_an_answer_that_was_too_long_is_incomplete(upstream: Upstream, client: openai.OpenAI) -> None:
    body = completion()
    body["choices"][0]["finish_reason"] = "length"
    upstream.default = lambda _request: reply(body)
    answer = client.responses.create(model="gpt-test", input="Hi.")
    assert answer.incomplete_details is not None
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")


@BOTH
@pytest.mark.parametrize("size", [1, 1000])
def test_a_chat_stream_is_told_in_events(delivery: str, size: int, upstream: Upstream, translating: Start) -> None:
    def answer(request: Received) -> list[Step]:
        text = f"Sent to {mark(request)}, not bob@example.com"
        arguments = f'{{"to": "{mark(request)}"}}'
        first = {"index": 0, "id": "c1", "type": "function", "function": {"name": "send", "arguments": ""}}
        pieces = [chunk({"content": text[at : at + size]}) for at in range(0, len(text), size)]
        more = [chunk({"tool_calls": [{"index": 0, "function": {"arguments": arguments[at : at + size]}}]})
                for at in range(0, len(arguments), size)]  # fmt: skip
        start = [chunk({"role": "assistant", "content": ""}), chunk({"reasoning_content": "Hm."})]
        return stream(*start, *pieces, chunk({"tool_calls": [first]}), *more, chunk({}, "tool_calls"), usage_chunk())

    upstream.default = answer
    gateway = translating(delivery)
    with new_client(gateway) as client, client.responses.stream(model="gpt-test", input=ASK, tools=[TOOL]) as running:
        found: list[Any] = list(running)
        final = running.get_final_response()
    assert upstream.received[-1].json["stream_options"] == {"include_usage": True}
    text = "Sent to ann@example.com, not <EMAIL_ADDRESS>"
    assert final.output_text == text
    assert "".join(event.delta for event in found if event.type == "response.output_text.delta") == text
    assert [item.type for item in final.output] == ["reasoning", "message", "function_call"]
    call: Any = final.output[2]
    assert (call.call_id, call.name, call.arguments) == ("c1", "send", '{"to": "ann@example.com"}')
    assert final.usage is not None
    assert final.usage.total_tokens == 14
    assert [event.sequence_number for event in found] == list(range(len(found)))
    (end,) = gateway.ends()
    assert end["entities"]["answer"] == {"EMAIL_ADDRESS": 1}


@BOTH
def test_a_stream_that_never_finished_is_an_error(delivery: str, upstream: Upstream, translating: Start) -> None:
    upstream.scripts.append(stream(chunk({"content": "Hello the"}), done=False))
    with new_client(translating(delivery)) as client, pytest.raises(openai.APIError) as cut:
        list(client.responses.create(model="gpt-test", input="Hi.", stream=True))
    assert cut.value.code == "upstream_truncated"


@BOTH
def test_a_background_response_is_followed_and_joined_again(
    delivery: str, upstream: Upstream, translating: Start
) -> None:
    def answer(request: Received) -> list[Step]:
        said = [chunk({"content": piece}) for piece in ("Sent ", "to ", mark(request), ", not bob@example.com.")]
        head, *steps = stream(*said, chunk({}, "stop"), usage_chunk())
        return [head, *(each for step in steps for each in (0.02, step))]

    upstream.default = answer
    with new_client(translating(delivery)) as client:
        found: Any = list(client.responses.create(model="gpt-test", input=ASK, background=True, stream=True))
        final = found[-1].response
        assert list(client.responses.retrieve(final.id, stream=True)) == found
        assert list(client.responses.retrieve(final.id, stream=True, starting_after=2)) == found[3:]
    assert (upstream.received[-1].path, len(upstream.received)) == ("/v1/chat/completions", 1)
    assert [event.type for event in found[:3]] == ["response.created", "response.queued", "response.in_progress"]
    text = "Sent to ann@example.com, not <EMAIL_ADDRESS>."
    assert "".join(event.delta for event in found if event.type == "response.output_text.delta") == text
    assert (final.status, final.output_text, final.background) == ("completed", text, True)


def test_a_background_response_that_is_cut_fails_for_who_follows_it(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.scripts.append(stream(chunk({"content": "Hello the"}), done=False))
    found: Any = list(client.responses.create(model="gpt-test", input="Hi.", background=True, stream=True))
    assert (found[-1].type, found[-1].response.error.code) == ("response.failed", "upstream_truncated")


def test_a_conversation_goes_on(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda request: reply(completion({"content": f"Sent to {mark(request)}."}))
    first = client.responses.create(model="gpt-test", input=ASK)
    address = mark(upstream.received[-1])
    upstream.default = lambda _request: reply(completion({"content": f"To {address}."}))
    again = client.responses.create(model="gpt-test", input="To whom?", previous_response_id=first.id)
    assert again.output_text == "To ann@example.com."
    assert [turn["role"] for turn in upstream.received[-1].json["messages"]] == ["user", "assistant", "user"]
    assert client.responses.retrieve(again.id) == again


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "critic", "content": "x"}]}, "input[0].role"),
        ({"truncation": "auto"}, "truncation"),
        ({"include": ["file_search_call.results"]}, "include"),
        ({"max_tool_calls": 3}, "max_tool_calls"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format"),
        ({"unheard_of": 1}, "unheard_of"),
    ],
)
def test_what_chat_cannot_say_is_refused(more: Any, param: str, upstream: Upstream, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/responses", body={"model": "gpt-test", "input": "Hi.", **more}, cast_to=object)
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", param)
    assert not upstream.received
