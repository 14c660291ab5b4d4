"""An unchanged OpenAI client gets what its model said, and nothing of its requests breaks on the way."""

import asyncio
import base64
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.e2e.wire import ASK, completion
from tests.running_gateway import KEY, Running
from tests.upstream import Upstream, reply

TOOL: Any = {
    "type": "function",
    "function": {"name": "send", "parameters": {"type": "object", "properties": {"to": {"type": "string"}}}},
}


def placeholder(upstream: Upstream) -> str:
    """Return what stood in the place of the address in the last request."""
    text: str = upstream.received[-1].json["messages"][0]["content"]
    return text.removeprefix("Write to ").removesuffix(" please.")


def test_personal_data_never_reaches_the_upstream_and_comes_back_to_the_caller(
    upstream: Upstream, client: openai.OpenAI
) -> None:
    def echo(request: Any) -> Any:
        return reply(completion({"content": f"Sent to {placeholder(upstream)}."}))

    upstream.default = echo
    answer = client.chat.completions.create(model="gpt-test", messages=ASK)
    assert b"ann@example.com" not in upstream.received[-1].body
    assert answer.choices[0].message.content == "Sent to ann@example.com."


def test_the_async_client_works_alike(upstream: Upstream, gateway: Running) -> None:
    upstream.default = lambda _request: reply(completion())

    async def ask() -> list[str | None]:
        async with openai.AsyncOpenAI(base_url=f"{gateway.base_url}/v1", api_key=KEY, max_retries=0) as client:
            calls = [client.chat.completions.create(model="gpt-test", messages=ASK) for _ in range(20)]
            return [answer.choices[0].message.content for answer in await asyncio.gather(*calls)]

    assert asyncio.run(ask()) == ["Hello."] * 20
    assert len({end["call_id"] for end in gateway.ends(20)}) == 20


def test_parallel_tool_calls_have_their_values_restored(upstream: Upstream, client: openai.OpenAI) -> None:
    def call_twice(request: Any) -> Any:
        calls = [
            {"id": f"call_{n}", "type": "function", "function": {
                "name": "send", "arguments": f'{{"to": "{placeholder(upstream)}", "n": {n}}}'}}
            for n in (1, 2)
        ]  # fmt: skip
        return reply(completion({"content": None, "tool_calls": calls}))

    upstream.default = call_twice
    message = client.chat.completions.create(model="gpt-test", messages=ASK, tools=[TOOL]).choices[0].message
    assert message.content is None
    arguments = [call.function.arguments for call in message.tool_calls or () if call.type == "function"]
    assert arguments == ['{"to": "ann@example.com", "n": 1}', '{"to": "ann@example.com", "n": 2}']
    assert upstream.received[-1].json["tools"] == [TOOL]


def test_tool_turns_without_content_pass(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(completion())
    turns: list[Any] = [
        *ASK,
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "send", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
        {"role": "assistant", "tool_calls": [
            {"id": "c2", "type": "function", "function": {"name": "send", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "done"}]},
    ]  # fmt: skip
    client.chat.completions.create(model="gpt-test", messages=turns)
    assert upstream.received[-1].json["messages"][1:] == turns[1:]


class Reply(BaseModel):
    to: str


def test_structured_outputs_parse(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(completion({"content": f'{{"to": "{placeholder(upstream)}"}}'}))
    parsed = client.chat.completions.parse(model="gpt-test", messages=ASK, response_format=Reply)
    assert parsed.choices[0].message.parsed == Reply(to="ann@example.com")
    assert upstream.received[-1].json["response_format"]["type"] == "json_schema"


def test_vision_parts_choices_and_logprobs_stay(upstream: Upstream, client: openai.OpenAI) -> None:
    picture = "data:image/png;base64," + base64.b64encode(bytes(range(256))).decode()
    parts: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": picture, "detail": "low"}},
    ]
    token = {"token": "A", "logprob": -0.1, "bytes": [65], "top_logprobs": []}
    choices = [
        {"index": n, "message": {"role": "assistant", "content": "A"}, "finish_reason": "stop",
         "logprobs": {"content": [token], "refusal": None}}
        for n in (0, 1)
    ]  # fmt: skip
    upstream.default = lambda _request: reply(completion(choices=choices))
    answer = client.chat.completions.create(
        model="gpt-test", messages=[{"role": "user", "content": parts}], n=2, logprobs=True, top_logprobs=1
    )
    assert upstream.received[-1].json["messages"][0]["content"] == parts
    assert [choice.message.content for choice in answer.choices] == ["A", "A"]
    assert answer.choices[1].logprobs is not None
    assert answer.choices[1].logprobs.content is not None
    assert answer.choices[1].logprobs.content[0].logprob == -0.1


def test_unknown_fields_travel_untouched_both_ways(upstream: Upstream, client: openai.OpenAI) -> None:
    odd = {"a": [1, 2.5, None, True, {"deep": "x"}], "big": 12345678901234567}
    body = completion({"reasoning_content": "because", "refusal": None, "odd": odd}, odd_top=odd)
    upstream.default = lambda _request: reply(body)
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-test", messages=ASK, extra_body={"odd_request": odd, "seed": 7, "top_k": 3}
    )
    sent = upstream.received[-1].json
    assert (sent["odd_request"], sent["seed"], sent["top_k"]) == (odd, 7, 3)
    assert raw.http_response.json() == body


def test_an_answer_in_which_nothing_was_found_keeps_its_bytes(upstream: Upstream, client: openai.OpenAI) -> None:
    spaced = (
        b'{ "choices": [{"index":0,"message":{"role":"assistant","content":"1.0"},"finish_reason":"stop"}],"x":1.50}'
    )
    upstream.default = lambda _request: reply(spaced)
    raw = client.chat.completions.with_raw_response.create(model="gpt-test", messages=ASK)
    assert raw.http_response.content == spaced


def test_what_the_provider_would_store_is_said_to_be_dropped(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(completion())
    raw = client.chat.completions.with_raw_response.create(model="gpt-test", messages=ASK, store=True)
    assert upstream.received[-1].json["store"] is False
    assert raw.headers["x-sluice-dropped-params"] == "store"


@pytest.mark.parametrize("model", ["gpt-test", "test/gpt-test"])
def test_a_provider_may_stand_before_the_model(model: str, upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(completion())
    client.chat.completions.create(model=model, messages=ASK)
    assert upstream.received[-1].json["model"] == "gpt-test"
    assert upstream.received[-1].headers["authorization"] == "Bearer sk-upstream"
