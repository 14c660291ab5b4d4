"""The Responses API through an unchanged client, against an upstream that has it."""

from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.e2e.conftest import Start, new_client
from tests.e2e.responses_wire import ASK, call, events, mark, message, reasoning, response
from tests.running_gateway import Running
from tests.upstream import Received, Step, Upstream, reply, stream

BOTH = pytest.mark.parametrize("delivery", ["live", "buffered"])
TOOL: Any = {"type": "function", "name": "send", "strict": True, "parameters": {"type": "object", "properties": {}}}


def test_values_stay_here_and_come_back(upstream: Upstream, gateway: Running, client: openai.OpenAI) -> None:
    upstream.default = lambda request: reply(response(message(f"Sent to {mark(request)}, not bob@example.com.")))
    answer = client.responses.create(model="gpt-test", input=ASK, instructions="Be kind to carl@example.com.")
    sent = upstream.received[-1]
    assert sent.path == "/v1/responses"
    assert b"@example.com" not in sent.body
    assert sent.json["store"] is False
    assert answer.output_text == "Sent to ann@example.com, not <EMAIL_ADDRESS>."
    assert answer.id.startswith("resp_")
    assert answer.id != "resp_upstream"
    (end,) = gateway.ends()
    assert (end["endpoint"], end["outcome"], end["finish_reasons"]) == ("responses", "ok", ["completed"])
    assert end["usage"]["cached_input_tokens"] == 6
    assert end["entities"] == {"request": {"EMAIL_ADDRESS": 2}, "answer": {"EMAIL_ADDRESS": 1}, "observed": {}}
    assert end["cost_usd"] is not None


def test_items_of_every_kind_are_redacted(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda _request: reply(response(message("Done.")))
    secret = "gAAAAAB" + "aZ09_-" * 200
    items: Any = [
        {"role": "user", "content": "I am ann@example.com."},
        {"role": "user", "content": [
            {"type": "input_text", "text": "Or bob@"}, {"type": "input_text", "text": "example.com"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "carl@example.com asks"}],
         "encrypted_content": secret},
        {"type": "function_call", "call_id": "c1", "name": "send", "arguments": '{"to": "dora@example.com"}'},
        {"type": "function_call_output", "call_id": "c1", "output": '{"from": "emil@example.com"}'},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
         "content": [{"type": "output_text", "text": "Hello fay@example.com", "annotations": []}]},
    ]  # fmt: skip
    shape = {"type": "json_schema", "name": "s", "schema": {"type": "object", "properties": {}}, "strict": True}
    client.responses.create(model="gpt-test", input=items, tools=[TOOL], text={"format": shape}, store=False)  # type: ignore[call-overload]
    sent = upstream.received[-1]
    assert b"example.com" not in sent.body
    assert sent.json["tools"] == [TOOL]
    assert sent.json["text"] == {"format": shape}
    assert sent.json["input"][2]["encrypted_content"] == secret
    assert [item.get("call_id") for item in sent.json["input"]][3:5] == ["c1", "c1"]


def test_sealed_reasoning_stays_as_it_is(upstream: Upstream, client: openai.OpenAI) -> None:
    secret = "gAAAAAB" + "aZ09_-" * 200 + "=="
    upstream.default = lambda _request: reply(response(reasoning("So.", encrypted_content=secret), message("Hi.")))
    answer = client.responses.create(model="gpt-test", input="Hi.", include=["reasoning.encrypted_content"])
    first: Any = answer.output[0]
    assert first.encrypted_content == secret
    client.responses.create(model="gpt-test", input="And?", previous_response_id=answer.id)
    assert upstream.received[-1].json["input"][1]["encrypted_content"] == secret


def test_tool_calls_have_their_values_restored(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda request: reply(response(call(f'{{"to": "{mark(request)}"}}')))
    answer = client.responses.create(model="gpt-test", input=ASK, tools=[TOOL])
    (item,) = answer.output
    assert item.type == "function_call"
    assert item.arguments == '{"to": "ann@example.com"}'


class Reply(BaseModel):
    to: str


def test_structured_outputs_parse(upstream: Upstream, client: openai.OpenAI) -> None:
    upstream.default = lambda request: reply(response(message(f'{{"to": "{mark(request)}"}}')))
    answer = client.responses.parse(model="gpt-test", input=ASK, text_format=Reply)
    assert answer.output_parsed == Reply(to="ann@example.com")


@BOTH
@pytest.mark.parametrize("size", [1, 4, 1000])
def test_streamed_texts_are_the_same_everywhere(delivery: str, size: int, upstream: Upstream, start: Start) -> None:
    def answer(request: Received) -> list[Step]:
        ann = mark(request)
        said = [reasoning(f"Ask {ann} of bob@example.com"), call(f'{{"to": "{ann}"}}'),
                message(f"Sent to {ann}, not bob@example.com")]  # fmt: skip
        return stream(*events(*said, size=size), done=False)

    upstream.default = answer
    gateway = start(delivery)
    with new_client(gateway) as client:
        found: list[Any] = list(client.responses.create(model="gpt-test", input=ASK, stream=True))
    texts = {name: "".join(event.delta for event in found if event.type == f"response.{name}.delta")
             for name in ("reasoning_summary_text", "function_call_arguments", "output_text")}  # fmt: skip
    assert texts["reasoning_summary_text"] == "Ask ann@example.com of <EMAIL_ADDRESS>"
    assert texts["function_call_arguments"] == '{"to": "ann@example.com"}'
    assert texts["output_text"] == "Sent to ann@example.com, not <EMAIL_ADDRESS>"
    done = {event.type: event for event in found}
    assert done["response.reasoning_summary_text.done"].text == texts["reasoning_summary_text"]
    assert done["response.function_call_arguments.done"].arguments == texts["function_call_arguments"]
    assert done["response.output_text.done"].text == texts["output_text"]
    last = found[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == texts["output_text"]
    assert last.response.output[0].summary[0].text == texts["reasoning_summary_text"]
    assert [event.sequence_number for event in found] == list(range(len(found)))
    assert {event.response.id for event in found if hasattr(event, "response")} == {last.response.id}
    assert last.response.id != "resp_upstream"
    (end,) = gateway.ends()
    assert end["entities"] == {"request": {"EMAIL_ADDRESS": 1}, "answer": {"EMAIL_ADDRESS": 2}, "observed": {}}
    assert (end["restored"], end["usage_estimated"], end["finish_reasons"]) == (3, False, ["completed"])


@BOTH
def test_the_streaming_helper_of_the_client_works(delivery: str, upstream: Upstream, start: Start) -> None:
    upstream.default = lambda request: stream(*full(events(message(f"Hello {mark(request)}."))), done=False)
    with new_client(start(delivery)) as client, client.responses.stream(model="gpt-test", input=ASK) as running:
        for _event in running:
            pass
        assert running.get_final_response().output_text == "Hello ann@example.com."


def full(plain: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the events around a text that the client's helper relies on."""
    out: list[dict[str, Any]] = []
    part = {"type": "output_text", "text": "", "annotations": []}
    for event in plain:
        out.append(event)
        if event["type"] == "response.output_item.added":
            place = {"item_id": "msg_up", "output_index": 0, "content_index": 0, "sequence_number": 0}
            out.append({"type": "response.content_part.added", **place, "part": part})
    return out


def test_refusals_are_screened(upstream: Upstream, client: openai.OpenAI) -> None:
    ids = {"item_id": "msg_up", "output_index": 0, "content_index": 0}
    text = "I will not write to bob@example.com"
    item = message("") | {"content": [{"type": "refusal", "refusal": text}]}
    deltas = [{"type": "response.refusal.delta", **ids, "delta": char, "sequence_number": 0} for char in text]
    done = {"type": "response.refusal.done", **ids, "refusal": text, "sequence_number": 0}
    around = events(item)
    upstream.scripts.append(stream(*around[:3], *deltas, done, *around[-2:], done=False))
    found: list[Any] = list(client.responses.create(model="gpt-test", input="Hi.", stream=True))
    said = "".join(event.delta for event in found if event.type == "response.refusal.delta")
    assert said == "I will not write to <EMAIL_ADDRESS>"
    assert found[-1].response.output[0].content[0].refusal == said


@pytest.mark.parametrize("status", ["incomplete", "failed"])
def test_other_ends_are_told_as_they_are(status: str, upstream: Upstream, gateway: Running, client: Any) -> None:
    more: dict[str, Any] = {"incomplete_details": {"reason": "max_output_tokens"}} if status == "incomplete" else {}
    upstream.scripts.append(stream(*events(message("Half"), status=status, **more), done=False))
    found = list(client.responses.create(model="gpt-test", input="Hi.", stream=True))
    assert found[-1].type == f"response.{status}"
    (end,) = gateway.ends()
    assert end["finish_reasons"] == ["max_output_tokens" if status == "incomplete" else "failed"]


def test_an_answer_that_failed_says_why_and_one_that_goes_on_is_none(
    upstream: Upstream, gateway: Running, client: openai.OpenAI
) -> None:
    why = {"code": "server_error", "message": "It broke for bob@example.com."}
    upstream.scripts.append(reply(response(status="failed", error=why)))
    failed: Any = client.responses.create(model="gpt-test", input="Hi.")
    assert (failed.status, failed.error.message) == ("failed", "It broke for <EMAIL_ADDRESS>.")
    upstream.scripts.append(reply(response(message("Half"), status="in_progress")))
    with pytest.raises(openai.APIStatusError) as cut:
        client.responses.create(model="gpt-test", input="Hi.")
    assert (cut.value.status_code, cut.value.code) == (502, "upstream_truncated")
    first, second = gateway.ends(2)
    assert (first["outcome"], first["finish_reasons"], second["outcome"]) == ("ok", ["failed"], "truncated")


@BOTH
def test_nothing_comes_after_the_end_of_a_response(delivery: str, upstream: Upstream, start: Start) -> None:
    whole = events(message("Hello."))
    late = {"type": "response.output_text.delta", "item_id": "msg_up", "output_index": 0, "content_index": 0}
    upstream.scripts.append(stream(*whole, late | {"delta": "more", "sequence_number": 9}, whole[-1]))
    with new_client(start(delivery)) as client:
        found: list[Any] = list(client.responses.create(model="gpt-test", input="Hi.", stream=True))
    assert [event.type for event in found].index("response.completed") == len(found) - 1


@BOTH
def test_a_cut_stream_is_an_error(delivery: str, upstream: Upstream, start: Start) -> None:
    cut_off = events(message("Hello there."))[:-1]
    upstream.scripts += [stream(*cut_off, done=False), stream(*cut_off, done=True)]  # `[DONE]` ends no response
    gateway = start(delivery)
    for _ in range(2):
        with new_client(gateway) as client, pytest.raises(openai.APIError) as cut:
            list(client.responses.create(model="gpt-test", input="Hi.", stream=True))
        assert cut.value.code == "upstream_truncated"
    assert [end["outcome"] for end in gateway.ends(2)] == ["truncated"] * 2


def test_an_error_event_of_the_upstream_is_an_error(upstream: Upstream, client: openai.OpenAI) -> None:
    wrong = {"type": "error", "code": "server_error", "message": "It broke.", "param": None, "sequence_number": 3}
    upstream.scripts.append(stream(*events(message("Hello there."))[:3], wrong, done=False))
    with pytest.raises(openai.APIError) as failed:
        list(client.responses.create(model="gpt-test", input="Hi.", stream=True))
    assert (failed.value.code, failed.value.message) == ("server_error", "It broke.")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": 7}, "input"),
        ({"input": [1, 2]}, "input[0]"),
        ({"input": "x", "tools": {}}, "tools"),
        ({"input": "x", "conversation": "conv_1"}, "conversation"),
        ({"input": "x", "background": True, "store": False}, "store"),
        ({"instructions": "x"}, "input"),
    ],
)
def test_what_is_no_request_is_refused(body: Any, param: str, upstream: Upstream, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/responses", body={"model": "gpt-test", **body}, cast_to=object)
    assert refused.value.param == param
    assert not upstream.received
