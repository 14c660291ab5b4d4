"""What a reviewer's edit may change, and what becomes of a held response that was asked for as a stream."""

import threading
from typing import Any

import httpx2
import openai
import orjson
import pytest

from tests.e2e.responses_wire import message, response
from tests.e2e.test_holds import Office, Open, open_office
from tests.e2e.wire import ASK, completion
from tests.upstream import Upstream, reply, stream

__all__ = ["open_office"]
SCHEMA = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"], "additionalProperties": False}
WANTED: Any = {"type": "json_schema", "json_schema": {"name": "letter", "strict": True, "schema": SCHEMA}}


def held(office: Office, **more: Any) -> str:
    """Ask for something that is held; give its review."""
    with pytest.raises(openai.APIStatusError) as caught:
        office.client().chat.completions.create(model="gpt-test", messages=ASK, **more)
    assert caught.value.code == "held_for_review"
    return str(caught.value.response.headers["x-sluice-review-id"])


def edit(office: Office, review_id: str, text: str, **more: Any) -> Any:
    return office.call("POST", f"/reviews/{review_id}/edit", {"text": text, **more})


def polled(office: Office, review_id: str) -> Any:
    return office.call("GET", f"/v1/holds/{review_id}", key="sk-sluice-test")["answer"]


def test_an_edit_is_the_json_that_the_caller_asked_for(open_office: Open, upstream: Upstream) -> None:
    office = open_office("reply: error")
    upstream.default = lambda _request: reply(completion({"content": '{"to": "x"}'}))
    review_id = held(office, response_format=WANTED)
    for text, why in (
        ("Dear Ann,", "no JSON (line 1, column 1)"),
        ('{"to": 3}', "to breaks `type`"),
        ('{"to": "a", "cc": "b"}', "the whole breaks `additionalProperties`"),
    ):
        error = edit(office, review_id, text)["error"]
        assert (error["param"], why in error["message"]) == ("text", True), error
    mark = office.call("GET", f"/reviews/{review_id}")["request"]["messages"][0]["content"].split()[2]
    assert edit(office, review_id, f'{{"to": "{mark}"}}')["state"] == "edited"
    assert polled(office, review_id)["choices"][0]["message"]["content"] == '{"to": "ann@example.com"}'


def test_an_edit_for_a_caller_of_json_is_an_object(open_office: Open, upstream: Upstream) -> None:
    office = open_office("reply: error")
    upstream.default = lambda _request: reply(completion({"content": "{}"}))
    review_id = held(office, response_format={"type": "json_object"})
    assert "no JSON object" in edit(office, review_id, "[1]")["error"]["message"]
    assert edit(office, review_id, '{"to": []}')["state"] == "edited"


def test_other_choices_and_tool_calls_outlive_an_edit(open_office: Open, upstream: Upstream) -> None:
    office = open_office("reply: error")
    calls = [{"id": "c1", "type": "function", "function": {"name": "refund", "arguments": '{"amount": 5}'}}]
    first = completion({"content": "One.", "tool_calls": calls})
    second = {"index": 1, "message": {"role": "assistant", "content": "Two."}, "finish_reason": "stop"}
    first["choices"][0]["finish_reason"] = "tool_calls"
    first["choices"].append(second | {"seed": orjson.Fragment(str(2**64 + 1))})
    upstream.default = lambda _request: reply(first)
    kept, dropped = held(office, n=2), held(office, n=2)
    assert office.call("GET", f"/reviews/{kept}")["texts"] == ["One.", "Two."]
    assert edit(office, kept, "More", choice=2)["error"]["param"] == "choice"
    edit(office, kept, "First.")
    one, two = polled(office, kept)["choices"]
    assert two["seed"] == 2**64 + 1
    assert (one["message"]["content"], one["finish_reason"], one["message"]["tool_calls"]) == (
        "First.",
        "tool_calls",
        calls,
    )
    assert two["message"]["content"] == "Two."
    edit(office, dropped, "First.", drop_calls=True)
    one, two = polled(office, dropped)["choices"]
    assert ("tool_calls" in one["message"], one["finish_reason"], two["message"]["content"]) == (False, "stop", "Two.")


def test_a_streamed_response_that_is_held_goes_on_where_it_is_polled(open_office: Open, upstream: Upstream) -> None:
    office = open_office("reply: background")
    whole = response(message("Short."), {"id": "fc_1", "type": "function_call", "name": "f", "call_id": "c1",
                                         "arguments": "{}", "status": "completed"})  # fmt: skip
    upstream.default = lambda _request: stream({"type": "response.completed", "response": whole}, done=False)
    client = office.client()
    begun: Any = list(client.responses.create(model="gpt-test", input="x", stream=True, background=False))
    assert [event.type for event in begun] == ["response.created", "response.in_progress"]
    name = begun[-1].response.id
    assert (begun[-1].response.status, begun[-1].response.background) == ("in_progress", True)
    [waiting] = office.queue()
    assert client.responses.retrieve(name).status == "in_progress"
    following = _follow(client, name, after=begun[-1].sequence_number)
    edit(office, waiting["id"], "Dear Ann,")
    rest = following()
    assert [event.sequence_number for event in rest] == list(range(2, 2 + len(rest)))
    assert rest[-1].type == "response.completed"
    assert rest[-1].response.output_text == "Dear Ann,"
    assert [item.type for item in rest[-1].response.output] == ["message", "function_call"]
    assert client.responses.retrieve(name).output_text == "Dear Ann,"
    assert office.running.ends()[0]["review"]["reply"] == "background"


def _follow(client: openai.OpenAI, name: str, after: int) -> Any:
    """Read a response's stream on from an event, beside what else happens."""
    said: list[Any] = []

    def read() -> None:
        said.extend(client.responses.retrieve(name, stream=True, starting_after=after))

    thread = threading.Thread(target=read)
    thread.start()

    def rest() -> list[Any]:
        thread.join(10)
        return said

    return rest


@pytest.mark.parametrize("streamed", [False, True])
def test_background_is_an_error_where_nothing_can_be_polled(
    open_office: Open, upstream: Upstream, streamed: bool
) -> None:
    office = open_office("reply: background")
    whole = response(message("Short."))
    event = {"type": "response.completed", "response": whole}
    upstream.default = lambda _request: stream(event, done=False) if streamed else reply(whole)
    create: Any = office.client().responses.create
    with pytest.raises(openai.APIError) as caught:
        list(create(model="gpt-test", input="x", stream=streamed, store=False))
    assert caught.value.code == "held_for_review"


def test_a_deadline_is_told_as_one_and_not_as_a_reviewers_refusal(open_office: Open, upstream: Upstream) -> None:
    office = open_office("reply: wait, wait: 20s, at_deadline: fallback, template: wait")
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "array"}}}
    upstream.default = lambda _request: reply(completion({"content": "[]"}))
    asked: Any = {"model": "gpt-test", "messages": ASK, "response_format": wanted}
    answers: list[Any] = []
    headers = {"authorization": "Bearer sk-sluice-test"}
    url = f"{office.running.base_url}/v1/chat/completions"
    thread = threading.Thread(
        target=lambda: answers.append(httpx2.post(url, json=asked, headers=headers, timeout=30).json())
    )
    thread.start()
    office.expired()
    thread.join(25)
    assert answers[0]["error"]["code"] == "review_expired"
    assert "fallback cannot be used" in answers[0]["error"]["message"]
