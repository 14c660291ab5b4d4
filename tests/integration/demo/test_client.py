"""An unchanged `openai` client gets what it expects from the simulated provider."""

import asyncio
import json
import math
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from demo.provider.clock import VirtualClock
from tests.integration.demo.conftest import START_S, Serve

ORDER = "Answer with exactly one of: billing, technical, delivery, other."
REFUND = "You charged my card twice, I want my money back."
TICKET = (
    f"Ticket:\n{REFUND} I am Jane Miller.\n\n"
    "Context:\nRefunds for double charges are made within five days. Parcels are tracked daily."
)


@pytest.fixture
def client(base_url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=base_url, api_key="any", max_retries=0) as made:
        yield made


def chat(system: str, user: str) -> Any:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def ask(client: OpenAI, messages: Any, model: str = "simulated-large", **extra: Any) -> Any:
    return client.chat.completions.create(model=model, messages=messages, **extra)


def tool(name: str, description: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TOOLS: Any = [
    tool("track_parcel", "Find where a parcel is", order_number={"type": "string"}),
    tool("issue_refund", "Refund a payment", order_number={"type": "string"}, amount={"type": "number"}),
]


def test_a_label_comes_with_its_true_logprobs(client: OpenAI) -> None:
    said = ask(client, chat(ORDER, REFUND), temperature=0, logprobs=True, top_logprobs=4)
    assert said.choices[0].message.content == "billing"
    token = said.choices[0].logprobs.content[0]
    shares = [math.exp(entry.logprob) for entry in token.top_logprobs]
    assert {entry.token for entry in token.top_logprobs} == {"billing", "technical", "delivery", "other"}
    assert sum(shares) == pytest.approx(1.0)
    assert shares == sorted(shares, reverse=True)
    assert bytes(token.bytes).decode() == token.token


def test_the_frequencies_of_answers_follow_the_logprobs(client: OpenAI) -> None:
    unclear = chat(ORDER, "Something is wrong with what I got from you last week")
    said = ask(client, unclear, model="simulated-small", n=16, logprobs=True, top_logprobs=4, temperature=1)
    shares = {entry.token: math.exp(entry.logprob) for entry in said.choices[0].logprobs.content[0].top_logprobs}
    labels = [choice.message.content for choice in said.choices]
    for _ in range(14):
        labels += [choice.message.content for choice in ask(client, unclear, model="simulated-small", n=16).choices]
    for label, share in shares.items():
        assert labels.count(label) / len(labels) == pytest.approx(share, abs=0.11)


def test_a_seed_repeats_an_answer_and_no_seed_may_vary_it(client: OpenAI) -> None:
    messages = chat("Draft a polite reply. Use only the context.", TICKET)
    seeded = {ask(client, messages, seed=5).choices[0].message.content for _ in range(4)}
    free = {ask(client, messages).choices[0].message.content for _ in range(8)}
    assert len(seeded) == 1
    assert len(free) > 1


def test_two_providers_with_one_seed_give_the_same_answers(serve: Serve) -> None:
    def answers() -> list[str | None]:
        with serve(seed=9) as url, OpenAI(base_url=url, api_key="any") as client:
            return [ask(client, chat("Draft a reply.", TICKET)).choices[0].message.content for _ in range(3)]

    assert answers() == answers()


def test_headers_do_not_reach_the_model(client: OpenAI) -> None:
    messages = chat("Draft a polite reply. Use only the context.", TICKET)
    headers = {"x-sluice-prompt": "support-draft@4", "x-sluice-run-id": "r1"}
    labelled = ask(client, messages, seed=1, extra_headers=headers)
    assert labelled.choices[0].message.content == ask(client, messages, seed=1).choices[0].message.content


def test_a_stream_says_what_the_whole_answer_says(client: OpenAI) -> None:
    messages = chat("Draft a polite reply. Use only the context.", TICKET)
    whole = ask(client, messages, seed=3, logprobs=True, n=2)
    events = list(
        ask(client, messages, seed=3, logprobs=True, n=2, stream=True, stream_options={"include_usage": True})
    )
    assert events[-1].choices == []
    assert events[-1].usage == whole.usage
    for choice in whole.choices:
        mine = [event.choices[0] for event in events if event.choices and event.choices[0].index == choice.index]
        assert "".join(part.delta.content or "" for part in mine) == choice.message.content
        assert mine[-1].finish_reason == choice.finish_reason == "stop"
        tokens = [entry for part in mine if part.logprobs for entry in part.logprobs.content]
        assert [entry.token for entry in tokens] == [entry.token for entry in choice.logprobs.content]


def test_a_stream_without_include_usage_has_no_usage_chunk(client: OpenAI) -> None:
    events = list(ask(client, chat(ORDER, REFUND), stream=True))
    assert all(event.choices and event.usage is None for event in events)


def test_max_tokens_and_stop_end_an_answer(client: OpenAI) -> None:
    messages = chat("Draft a polite reply. Use only the context.", TICKET)
    short = ask(client, messages, max_tokens=5)
    assert (short.choices[0].finish_reason, short.usage.completion_tokens) == ("length", 5)
    stopped = ask(client, messages, stop=["\n\n"])
    assert stopped.choices[0].finish_reason == "stop"
    assert "\n" not in stopped.choices[0].message.content


def test_parallel_tool_calls_with_valid_arguments(client: OpenAI) -> None:
    text = "Refund order 8812 please, 49.90 EUR, and tell me where the parcel is"
    said = ask(client, chat("Help.", text), tools=TOOLS, temperature=0).choices[0]
    assert said.finish_reason == "tool_calls"
    calls = {call.function.name: json.loads(call.function.arguments) for call in said.message.tool_calls}
    assert calls == {
        "track_parcel": {"order_number": "8812"},
        "issue_refund": {"order_number": "8812", "amount": 49.9},
    }
    alone = ask(client, chat("Help.", text), tools=TOOLS, temperature=0, parallel_tool_calls=False)
    assert len(alone.choices[0].message.tool_calls) == 1


def test_streamed_tool_calls_are_put_together_by_the_client(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model="simulated-large",
        messages=chat("Help.", "Where is my parcel for order 8812?"),
        tools=TOOLS,
        temperature=0,
    ) as stream:
        (call,) = stream.get_final_completion().choices[0].message.tool_calls or []
    assert (call.function.name, json.loads(call.function.arguments)) == ("track_parcel", {"order_number": "8812"})


def test_tool_choice_is_honoured(client: OpenAI) -> None:
    hello = chat("Help.", "Hello there")
    named = {"type": "function", "function": {"name": "track_parcel"}}
    assert ask(client, hello, tools=TOOLS, temperature=0).choices[0].message.tool_calls is None
    assert ask(client, hello, tools=TOOLS, tool_choice="required").choices[0].finish_reason == "tool_calls"
    forced = ask(client, hello, tools=TOOLS, tool_choice=named).choices[0].message.tool_calls
    assert [call.function.name for call in forced] == ["track_parcel"]
    parcel = chat("Help.", "Where is my parcel?")
    assert ask(client, parcel, tools=TOOLS, tool_choice="none").choices[0].message.tool_calls is None


def test_a_tool_result_is_answered_in_words(client: OpenAI) -> None:
    messages = [
        {"role": "user", "content": "Where is my parcel?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "track_parcel", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "The parcel is in the depot in Cork."},
    ]
    said = ask(client, messages, tools=TOOLS, temperature=0).choices[0].message
    assert said.content == "The parcel is in the depot in Cork."


def test_the_client_parses_a_structured_answer(client: OpenAI) -> None:
    class Ticket(BaseModel):
        category: str
        order_number: str | None
        amount: float | None

    said = client.chat.completions.parse(
        model="simulated-large",
        messages=chat("Extract.", "Refund 49.90 EUR for order 8812"),
        response_format=Ticket,
        temperature=0,
    )
    found = said.choices[0].message.parsed
    assert found is not None
    assert (found.order_number, found.amount) == ("8812", 49.9)


def test_json_mode_gives_an_object(client: OpenAI) -> None:
    order = 'Return a JSON object with "name" and "company".'
    said = ask(
        client, chat(order, "I am Bob Stone from Acme Ltd"), response_format={"type": "json_object"}, temperature=0
    )
    assert json.loads(said.choices[0].message.content) == {"name": "Bob Stone", "company": "Acme Ltd"}


def test_a_legacy_completion_is_written_by_the_same_models(client: OpenAI) -> None:
    asked: Any = {"model": "simulated-large", "prompt": TICKET, "seed": 7, "logprobs": 2, "max_tokens": 60}
    said = client.completions.create(**asked, n=2)
    assert (said.object, [choice.index for choice in said.choices]) == ("text_completion", [0, 1])
    first = said.choices[0]
    assert "".join(first.logprobs.tokens) == first.text
    places = zip(first.logprobs.text_offset, first.logprobs.tokens, strict=True)
    assert all(first.text.startswith(token, at) for at, token in places)
    assert {len(top) for top in first.logprobs.top_logprobs} <= {1, 2}  # the model may know only one
    assert said.usage.completion_tokens == sum(len(choice.logprobs.tokens) for choice in said.choices)
    texts = ["", ""]
    ends: list[str | None] = [None, None]
    offsets: list[list[int]] = [[], []]
    for event in client.completions.create(**asked, n=2, stream=True, stream_options={"include_usage": True}):
        for choice in event.choices:
            texts[choice.index] += choice.text
            ends[choice.index] = choice.finish_reason or ends[choice.index]
            offsets[choice.index] += choice.logprobs.text_offset if choice.logprobs else []
    assert (texts, ends) == ([each.text for each in said.choices], [each.finish_reason for each in said.choices])
    assert offsets == [each.logprobs.text_offset for each in said.choices]
    assert event.usage == said.usage


def test_several_legacy_prompts_are_answered_in_order_and_briefly(client: OpenAI) -> None:
    said = client.completions.create(model="simulated-large", prompt=[TICKET, f"{ORDER}\n\n{REFUND}"], n=2)
    assert [choice.index for choice in said.choices] == [0, 1, 2, 3]
    assert said.usage is not None
    assert said.usage.completion_tokens <= 4 * 16  # as the wire has it where no number is named
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="simulated-large", prompt="Hello", echo=True)
    assert refused.value.param == "echo"


def test_embeddings_in_the_clients_own_encoding(client: OpenAI) -> None:
    said = client.embeddings.create(model="simulated-small", input=["one parcel", "one invoice"], dimensions=64)
    plain = client.embeddings.create(
        model="simulated-small", input=["one parcel"], dimensions=64, encoding_format="float"
    )
    assert [len(row.embedding) for row in said.data] == [64, 64]
    assert plain.data[0].embedding == pytest.approx(said.data[0].embedding, abs=1e-6)
    assert said.usage.prompt_tokens == 4


def test_everything_says_that_it_is_simulated(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="simulated-small", messages=[{"role": "user", "content": "Hello"}]
    )
    assert raw.headers["x-simulated-provider"] == "true"
    assert (raw.parse().system_fingerprint or "").startswith("simulated_")
    assert [(row.id, row.owned_by) for row in client.models.list()] == [
        ("simulated-small", "simulated"),
        ("simulated-large", "simulated"),
    ]


def test_another_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        ask(client, chat("Help.", "Hello"), model="gpt-4o")
    assert missing.value.code == "model_not_found"
    assert missing.value.request_id
    assert missing.value.response.headers["x-simulated-provider"] == "true"


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"n": 0}, "n"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"top_logprobs": 50}, "top_logprobs"),
        ({"tools": [{"type": "function", "function": {"parameters": {}}}]}, "tools[0]"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"oneOf": []}}}},
            "response_format",
        ),
    ],
)
def test_wrong_parameters_are_named(client: OpenAI, extra: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, chat("Help.", "Hello"), **extra)
    assert refused.value.param == param


def test_too_long_a_prompt_is_refused_by_its_own_code(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, chat("Help.", "word " * 20_000), model="simulated-small")
    assert refused.value.code == "context_length_exceeded"


def test_a_repeated_long_prefix_is_cached(client: OpenAI) -> None:
    system = "Answer from these facts. " + "The parcel is in the depot. " * 300
    first, second = (ask(client, chat(system, question)) for question in ("Where is it?", "Is it in the depot?"))
    assert first.usage.prompt_tokens_details.cached_tokens == 0
    assert second.usage.prompt_tokens_details.cached_tokens == 1024


def test_pictures_are_counted_and_nothing_more(client: OpenAI) -> None:
    parts = [
        {"type": "text", "text": REFUND},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    with_picture = ask(
        client, [{"role": "system", "content": ORDER}, {"role": "user", "content": parts}], temperature=0
    )
    without = ask(client, chat(ORDER, REFUND), temperature=0)
    assert with_picture.choices[0].message.content == without.choices[0].message.content
    assert with_picture.usage.prompt_tokens == without.usage.prompt_tokens + 85


def test_the_async_client_works_alike_under_concurrency(base_url: str) -> None:
    async def many() -> list[Any]:
        async with AsyncOpenAI(base_url=base_url, api_key="any") as client:
            calls = [
                client.chat.completions.create(model="simulated-small", messages=chat(ORDER, REFUND), seed=1)
                for _ in range(20)
            ]
            return await asyncio.gather(*calls)

    assert len({said.choices[0].message.content for said in asyncio.run(many())}) == 1


def test_a_virtual_clock_is_moved_by_the_answers(serve: Serve) -> None:
    clock = VirtualClock(START_S)
    with serve(clock=clock) as url, OpenAI(base_url=url, api_key="any") as client:
        said = ask(client, chat("Draft a reply.", TICKET))
    assert said.created >= START_S
    assert 0.1 < clock.now_s() - START_S < 60


def test_the_large_model_is_slower(serve: Serve) -> None:
    def taken_s(model: str) -> float:
        clock = VirtualClock(START_S)
        with serve(clock=clock) as url, OpenAI(base_url=url, api_key="any") as client:
            for at in range(20):
                ask(client, chat(ORDER, f"{REFUND} {at}"), model=model)
        return clock.now_s() - START_S

    assert taken_s("simulated-large") > 1.5 * taken_s("simulated-small")
