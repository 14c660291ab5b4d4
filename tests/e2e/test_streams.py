"""Streams: the same text, the caller's own values, an honest end, and nothing the caller did not ask for."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import openai
import orjson
import pytest

from gateway.admission import Limits
from metrics.record.journal import MemoryJournal
from redaction.detect import WordDetector
from tests.e2e.conftest import Start, new_client
from tests.e2e.wire import ASK, chunk, completion, text_chunks, usage_chunk
from tests.running_gateway import KEY, Running
from tests.upstream import Received, Step, Upstream, reply, stream

BOTH = pytest.mark.parametrize("delivery", ["live", "buffered"])


def speaking(upstream: Upstream, *texts: str, pieces_of: int = 0, **options: Any) -> Callable[[Received], list[Step]]:
    """Answer with these pieces of text, `%` standing for the placeholder of the request."""

    def answer(request: Received) -> list[Step]:
        sent: str = request.json["messages"][0]["content"]
        mark = sent.removeprefix("Write to ").removesuffix(" please.")
        joined = "".join(texts).replace("%", mark)
        size = pieces_of or len(joined)
        pieces = [joined[i : i + size] for i in range(0, len(joined), size)]
        return stream(*text_chunks(*pieces), usage_chunk(), **options)

    return answer


def text(events: Any) -> str:
    return "".join(event.choices[0].delta.content or "" for event in events if event.choices)


@BOTH
@pytest.mark.parametrize("size", [1, 3, 64, 1000])
def test_every_chunking_gives_the_same_text(delivery: str, size: int, upstream: Upstream, start: Start) -> None:
    upstream.default = speaking(upstream, "Sent to %, and to bob@", "example.com: done.", pieces_of=size)
    with new_client(start(delivery)) as client:
        events = list(client.chat.completions.create(model="gpt-test", messages=ASK, stream=True))
    assert b"ann@example.com" not in upstream.received[-1].body
    assert text(events) == "Sent to ann@example.com, and to <EMAIL_ADDRESS>: done."
    assert events[-1].choices[0].finish_reason == "stop"


@BOTH
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_names_in_answers_leave_with_their_sentence(delivery: str, size: int, upstream: Upstream, start: Start) -> None:
    said = "Ask Ada Lovelace about %. She is in Oslo until Monday; Ada Lovelace knows."
    upstream.default = speaking(upstream, said, pieces_of=size)
    found = WordDetector({"Ada Lovelace": "PERSON", "Oslo": "LOCATION"})
    gateway = start(delivery, redaction="answer_names: balanced\n  window_chars: 80", detector=found)
    with new_client(gateway) as client:
        events = list(client.chat.completions.create(model="gpt-test", messages=ASK, stream=True))
        whole = "Ask <PERSON> about ann@example.com. She is in <LOCATION> until Monday; <PERSON> knows."
        assert text(events) == whole
        assert events[-1].choices[0].finish_reason == "stop"
    assert gateway.ends()[0]["entities"]["answer"] == {"PERSON": 2, "LOCATION": 1}


def test_a_live_answer_ends_with_an_error_when_names_cannot_be_looked_for(upstream: Upstream, start: Start) -> None:
    upstream.default = speaking(upstream, "Ask Ada Lovelace about it. ", pieces_of=4)
    down = WordDetector({}, down=True)
    gateway = start("live", redaction="answer_names: balanced\n  window_chars: 80", detector=down)
    with new_client(gateway) as client, pytest.raises(openai.APIError):
        list(client.chat.completions.create(model="gpt-test", messages=ASK, stream=True))


@BOTH
def test_usage_is_recorded_but_shown_only_to_those_who_ask(delivery: str, upstream: Upstream, start: Start) -> None:
    upstream.default = speaking(upstream, "Hello.")
    gateway = start(delivery)
    with new_client(gateway) as client:
        plain = list(client.chat.completions.create(model="gpt-test", messages=ASK, stream=True))
        asked = list(
            client.chat.completions.create(
                model="gpt-test", messages=ASK, stream=True, stream_options={"include_usage": True}
            )
        )
    assert all(request.json["stream_options"] == {"include_usage": True} for request in upstream.received)
    assert all(event.usage is None and event.choices for event in plain)
    assert asked[-1].choices == []
    assert asked[-1].usage is not None
    assert asked[-1].usage.total_tokens == 14
    for end in gateway.ends(2):
        assert end["usage"]["cached_input_tokens"] == 6
        assert end["usage_estimated"] is False
        assert end["cost_usd"] == pytest.approx((4 * 1 + 6 * 0.1 + 3 * 4 + 1 * 4) / 1e6)


def test_a_null_usage_on_every_chunk_is_not_shown_either(upstream: Upstream, gateway: Running) -> None:
    chunks = [event | {"usage": None} for event in text_chunks("Hello.")]
    upstream.scripts.append(stream(*chunks, usage_chunk()))
    body = raw_stream(gateway)
    assert b"usage" not in body


def test_tool_calls_stream_with_their_values_restored(upstream: Upstream, client: openai.OpenAI) -> None:
    def answer(request: Received) -> list[Step]:
        mark = request.json["messages"][0]["content"].removeprefix("Write to ").removesuffix(" please.")
        arguments = f'{{"to": "{mark}"}}'
        call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "send", "arguments": ""}}
        pieces = [chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in arguments]
        first = chunk({"role": "assistant", "content": None, "tool_calls": [call]})
        return stream(first, *pieces, chunk({}, "tool_calls"))

    upstream.default = answer
    events = client.chat.completions.create(model="gpt-test", messages=ASK, stream=True)
    calls = [call for event in events for choice in event.choices for call in choice.delta.tool_calls or ()]
    assert "".join(call.function.arguments or "" for call in calls if call.function) == '{"to": "ann@example.com"}'
    assert calls[0].id == "c1"


def test_the_async_client_streams(upstream: Upstream, gateway: Running) -> None:
    upstream.default = speaking(upstream, "Hello %.")

    async def ask() -> str:
        async with openai.AsyncOpenAI(base_url=f"{gateway.base_url}/v1", api_key=KEY) as client:
            events = await client.chat.completions.create(model="gpt-test", messages=ASK, stream=True)
            return text([event async for event in events])

    assert asyncio.run(ask()) == "Hello ann@example.com."


def test_unknown_delta_fields_and_events_pass(upstream: Upstream, gateway: Running) -> None:
    numbers, texts = {"a": [1, None, {"b": 2.5}]}, {"a": [1, None, {"b": "x"}]}
    filters = {"choices": [], "prompt_filter_results": [{"prompt_index": 0}], "id": "", "object": ""}
    piece = chunk({"content": "Hi.", "odd": numbers, "reasoning_content": "so"}, odd_top=texts)
    upstream.scripts.append(stream(filters, piece, chunk({}, "stop")))
    body = raw_stream(gateway)
    assert b'"prompt_filter_results":[{"prompt_index":0}]' in body
    assert b'"odd":{"a":[1,null,{"b":2.5}]}' in body
    assert b'"odd_top":{"a":[1,null,{"b":"x"}]}' in body
    assert b'"reasoning_content":"so"' in body


@BOTH
@pytest.mark.parametrize("streamed", [True, False])
def test_whole_numbers_of_any_length_arrive_as_they_were_sent(
    delivery: str, streamed: bool, upstream: Upstream, start: Start
) -> None:
    gateway = start(delivery)
    odd = b'"serial":1234567890123456789012345,"least":-9223372036854775809,"small":[12]'
    said = {"content": "Ask bob@example.com."}
    if streamed:
        piece = orjson.dumps(chunk(said))[:-1] + b"," + odd + b"}\n\n"
        upstream.scripts.append(stream(b"data: " + piece, chunk({}, "stop")))
    else:
        upstream.scripts.append(reply(orjson.dumps(completion(said))[:-1] + b"," + odd + b"}"))
    body = raw_stream(gateway, stream=streamed)
    assert b"<EMAIL_ADDRESS>" in body
    assert odd in body


def test_a_live_stream_ends_with_what_was_not_known_at_its_start(upstream: Upstream, gateway: Running) -> None:
    upstream.default = speaking(upstream, "Hello.")
    body = raw_stream(gateway)
    *_, comment, done, rest = body.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    assert comment.startswith(b": sluice call=call_")
    assert b" decision=pass" in comment
    assert b" cost-usd=0.000" in comment
    assert b" overhead-ms=" in comment


def test_a_buffered_stream_is_kept_alive_while_it_is_judged(upstream: Upstream, start: Start) -> None:
    gateway = start("buffered", limits=Limits(keep_alive_s=0.1))
    upstream.scripts.append(stream(*text_chunks("Hello.")[:2], 0.5, *text_chunks("Hello.")[2:]))
    body = raw_stream(gateway)
    assert body.startswith(b": keep-alive\n\n: keep-alive\n\n")
    assert b"decision=pass" in body
    assert body.endswith(b"data: [DONE]\n\n")
    upstream.scripts.append(stream(*text_chunks("Hello.")[:2], 0.3, "reset", done=False))
    assert b'"code":"upstream_disconnected"' in raw_stream(gateway)


@BOTH
def test_done_without_a_finish_reason_is_an_end_and_none_is_made_up(
    upstream: Upstream, start: Start, delivery: str
) -> None:
    upstream.scripts.append(stream(*text_chunks("Hello there.")[:-1]))
    body = raw_stream(start(delivery))
    assert b"there." in body
    assert body.endswith(b"data: [DONE]\n\n")
    assert b'"finish_reason":"stop"' not in body


@BOTH
def test_done_is_no_end_while_one_of_several_choices_has_none(upstream: Upstream, start: Start, delivery: str) -> None:
    begun = [chunk({"content": f"Text {index}."}, index=index) for index in range(2)]
    ends = [chunk({}, "stop", index=index) for index in range(2)]
    gateway = start(delivery)
    for last in (ends[1:], ends[:1], ends):
        upstream.scripts.append(stream(*begun, *last))
    first, second, both = (raw_stream(gateway, n=2) for _ in range(3))
    for cut in (first, second):
        assert b'"code":"upstream_truncated"' in cut
        assert b"[DONE]" not in cut
    assert both.endswith(b"data: [DONE]\n\n")
    assert [(end["outcome"], end.get("finish_reasons", [])) for end in gateway.ends(3)] == [
        ("truncated", ["stop"] if delivery == "live" else []),
        ("truncated", ["stop"] if delivery == "live" else []),
        ("ok", ["stop", "stop"]),
    ]


def test_fewer_choices_than_were_asked_for_are_an_answer(upstream: Upstream, gateway: Running) -> None:
    upstream.scripts.append(stream(*text_chunks("One.")))
    assert raw_stream(gateway, n=3).endswith(b"data: [DONE]\n\n")
    assert gateway.ends()[0]["finish_reasons"] == ["stop"]


class SlowJournal(MemoryJournal):
    """Needs a while for each commit."""

    async def commit(self, event: Any, content: Any = None, *, on_failure: Any = "block") -> Any:
        await asyncio.sleep(0.3)
        return await super().commit(event, content, on_failure=on_failure)


@BOTH
def test_the_end_of_an_answer_waits_for_its_record(delivery: str, upstream: Upstream, start: Start) -> None:
    journal = SlowJournal()
    upstream.default = speaking(upstream, "Hello.")
    gateway = start(delivery, journal=journal)
    with new_client(gateway) as client:
        for event in client.chat.completions.create(model="gpt-test", messages=ASK, stream=True):
            finished = bool(event.choices and event.choices[0].finish_reason)
            assert bool(journal.committed) or not finished


def test_a_stream_that_cannot_be_recorded_ends_with_an_error(upstream: Upstream, start: Start) -> None:
    journal = MemoryJournal()
    journal.fail = True
    upstream.default = speaking(upstream, "Hello.")
    with new_client(start(journal=journal)) as client, pytest.raises(openai.APIError) as failed:
        list(client.chat.completions.create(model="gpt-test", messages=ASK, stream=True))
    assert failed.value.code == "record_failed"


def raw_stream(gateway: Running, **more: Any) -> bytes:
    """Return the bytes of one streamed answer."""
    body = {"model": "gpt-test", "messages": ASK, "stream": True, **more}
    headers = {"authorization": f"Bearer {KEY}"}
    return httpx.post(f"{gateway.base_url}/v1/chat/completions", json=body, headers=headers).content
