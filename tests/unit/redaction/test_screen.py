"""Screens: every field of every event, tool arguments that stay JSON, log probabilities, ends of streams."""

import asyncio
import json
from typing import Any

import pytest

from redaction.redactor import Redactor
from redaction.screen import Screen
from redaction.types import Blocked, RedactionFailed, ScreenedBody, Vault
from tests.unit.redaction.conftest import FINISH, chat, clear, delta, make, streamed, whole

VALUE = 'line one\n"two" john@example.com'


@pytest.fixture
def vault() -> Vault:
    denying = make(deny={"PASSWORD": ['pa"ss\\w0rd']})
    return clear(denying, chat('mail john@example.com and use pa"ss\\w0rd')).vault


def mark_of(vault: Vault, value: str) -> str:
    return next(mark for mark, own in vault.values.items() if own == value)


def tool_event(text: str, index: int = 0, **first: Any) -> dict[str, Any]:
    call = {"index": index, **first, "function": {**({"name": "send"} if first else {}), "arguments": text}}
    return {"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}


def arguments(bodies: list[Any], index: int = 0) -> str:
    calls = [
        call for body in bodies for choice in body.reply["choices"] for call in choice["delta"].get("tool_calls", ())
    ]
    return "".join(call["function"].get("arguments", "") for call in calls if call["index"] == index)


@pytest.mark.parametrize("field", ["content", "reasoning", "reasoning_content", "refusal", "record_field"])
def test_every_text_field_of_a_delta_is_screened_and_restored(redactor: Redactor, vault: Vault, field: str) -> None:
    mark = mark_of(vault, "john@example.com")
    assert (
        streamed(redactor, vault, list(f"{mark} not bob@example.com"), field)[1]
        == "john@example.com not <EMAIL_ADDRESS>"
    )


def test_tool_arguments_stay_json_and_calls_do_not_mix(redactor: Redactor, vault: Vault) -> None:
    mail, word = mark_of(vault, "john@example.com"), next(mark for mark in vault.values if "PASSWORD" in mark)
    sent = [
        json.dumps({"to": mail, "card": 4111111111111111, "note": "x\ny"}),
        json.dumps({"pw": word, "cc": "bob@example.com"}),
    ]
    screen = redactor.screen(vault, "chat.completions")
    bodies = [body for n in (0, 1) for body in screen.chunk(tool_event("", n, id=f"call_{n}", type="function"))]
    for pair in zip(sent[0].ljust(90), sent[1].ljust(90), strict=True):
        for index, char in enumerate(pair):
            bodies += screen.chunk(tool_event(char, index))
    bodies += screen.chunk(FINISH)
    assert json.loads(arguments(bodies, 0)) == {"to": "john@example.com", "card": "<CREDIT_CARD>", "note": "x\ny"}
    assert json.loads(arguments(bodies, 1)) == {"pw": 'pa"ss\\w0rd', "cc": "<EMAIL_ADDRESS>"}
    first = [body.reply["choices"][0]["delta"]["tool_calls"][0] for body in bodies[:2]]
    assert [call["function"]["name"] for call in first] == ["send", "send"]


def test_whole_tool_arguments_and_json_content(redactor: Redactor, vault: Vault) -> None:
    mark = next(mark for mark in vault.values if "PASSWORD" in mark)
    vault.json_mode = True
    message: dict[str, Any] = {
        "content": json.dumps({"a": mark}),
        "tool_calls": [{"id": "call_1", "function": {"name": "f", "arguments": json.dumps({"a": mark})}}],
    }
    reply = (
        redactor.screen(vault, "c")
        .whole({"choices": [{"index": 0, "message": message}]})
        .reply["choices"][0]["message"]
    )
    assert (
        json.loads(reply["content"])
        == json.loads(reply["tool_calls"][0]["function"]["arguments"])
        == {"a": 'pa"ss\\w0rd'}
    )
    assert streamed(redactor, vault, list(message["content"]))[1] == reply["content"]


def test_held_text_comes_before_the_finish_and_usage_passes(redactor: Redactor) -> None:
    screen = redactor.screen(Vault(), "chat.completions")
    assert screen.chunk(delta("last")) == ()
    flushed, finish = screen.chunk(FINISH)
    assert flushed.reply["choices"][0] == {"index": 0, "delta": {"content": "last"}, "finish_reason": None}
    assert finish.reply["choices"][0]["finish_reason"] == "stop"
    usage = {"id": "c", "choices": [], "usage": {"total_tokens": 12}}
    assert [body.reply for body in screen.chunk(usage)] == [usage]
    assert screen.close() == ()


def test_close_gives_what_is_held_when_a_stream_breaks_off(redactor: Redactor) -> None:
    screen = redactor.screen(Vault(), "chat.completions")
    (first,) = screen.chunk(delta("call 415-555-0132"))
    assert first.clean["choices"][0]["delta"] == {"content": "call "}
    assert [body.clean["choices"][0]["delta"] for body in screen.close()] == [{"content": "<PHONE_NUMBER>"}]


def test_choices_are_apart(redactor: Redactor) -> None:
    screen = redactor.screen(Vault(), "chat.completions")
    bodies: list[ScreenedBody] = []
    for chars in zip("a 415-555-0132. ", "b bob@x.example.", strict=True):
        for index, char in enumerate(chars):
            event = {"choices": [{"index": index, "delta": {"content": char}, "finish_reason": None}]}
            bodies += screen.chunk(event)
    for index in (0, 1):
        bodies += screen.chunk({"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]})
    text = [
        "".join(
            b.clean["choices"][0]["delta"].get("content", "") for b in bodies if b.clean["choices"][0]["index"] == i
        )
        for i in (0, 1)
    ]
    assert text == ["a <PHONE_NUMBER>. ", "b <EMAIL_ADDRESS>."]


def token_event(token: str) -> dict[str, Any]:
    event = delta(token)
    event["choices"][0]["logprobs"] = {
        "content": [{"token": token, "logprob": -0.5, "bytes": None, "top_logprobs": []}],
        "refusal": None,
    }
    return event


def test_log_probabilities_go_with_their_text_and_not_with_changed_text(redactor: Redactor) -> None:
    screen = redactor.screen(Vault(), "chat.completions")
    bodies: list[Any] = []
    for token in ["Call", " 415", "-555", "-0132", " to", "day", " or", " so"]:
        bodies += screen.chunk(token_event(token))
    seen = [
        entry["token"]
        for body in bodies
        for entry in (body.reply["choices"][0].get("logprobs") or {}).get("content", ())
    ]
    assert seen == ["Call", " to", "day", " or"]


def test_unknown_fields_and_events_pass_but_their_strings_are_screened(redactor: Redactor) -> None:
    screen = redactor.screen(Vault(), "chat.completions")
    event = {"id": "chatcmpl-590-555-0126", "provider": "x", "citations": ["bob@example.com"], "choices": [], "n": 3}
    (body,) = screen.chunk(event)
    assert body.reply == {**event, "citations": ["<EMAIL_ADDRESS>"]}
    (other,) = screen.chunk(
        {"type": "response.created", "response": {"id": "resp_1", "instructions": "ask bob@example.com"}}
    )
    assert other.reply["response"]["instructions"] == "ask <EMAIL_ADDRESS>"


def response_text(screen: Screen, events: list[dict[str, Any]]) -> str:
    bodies = [body.reply for event in events for body in screen.chunk(event)]
    return "".join(body["delta"] for body in bodies if body["type"].endswith(".delta"))


def test_deltas_of_output_items_are_screened_and_flushed_before_their_end(redactor: Redactor) -> None:
    ids = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events = [{"type": "response.output_text.delta", **ids, "delta": char} for char in "mail bob@example.com"]
    done = {"type": "response.output_text.done", **ids, "text": "mail bob@example.com"}
    screen = redactor.screen(Vault(), "responses")
    assert response_text(screen, [*events, done]) == "mail <EMAIL_ADDRESS>"


def test_embeddings_and_clean_answers_stay_the_same_objects(redactor: Redactor) -> None:
    body = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}], "model": "m"}
    screened = redactor.screen(Vault(), "embeddings").whole(body)
    assert screened.clean is body
    assert screened.reply is body


def test_an_answer_that_a_rule_blocks_is_refused() -> None:
    blocking = make(answer={"CREDIT_CARD": {"operator": "block"}})
    with pytest.raises(Blocked):
        whole(blocking, Vault(), "pay with 4111 1111 1111 1111")


def test_values_the_model_made_are_kept_apart_from_those_of_the_caller() -> None:
    vault = Vault()
    clean, reply = whole(make(answer={"contact": {"operator": "pseudonym"}}), vault, "ask bob@example.com")
    assert clean == reply
    assert list(vault.made.values()) == ["bob@example.com"]
    assert vault.values == {}


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [None]},
        {"choices": [{"index": "x", "delta": {"content": "a"}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": "x", "function": {"arguments": "a"}}]}}]},
    ],
)
def test_answers_of_another_shape_are_refused(redactor: Redactor, event: dict[str, Any]) -> None:
    with pytest.raises(RedactionFailed):
        redactor.screen(Vault(), "chat.completions").chunk(event)


def test_events_between_deltas_do_not_cut_a_value(redactor: Redactor) -> None:
    ids = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = []
    for char in "mail bob@example.com":
        events += [
            {"type": "response.output_text.delta", **ids, "delta": char, "logprobs": [{"token": char}]},
            {"type": "ping"},
        ]
    screen = redactor.screen(Vault(), "responses")
    assert response_text(screen, [*events, {"type": "response.completed", "response": {}}]) == "mail <EMAIL_ADDRESS>"


def test_audio_pieces_pass_in_order(redactor: Redactor) -> None:
    screen = redactor.screen(Vault(), "chat.completions")
    for data in ("UklGRiQ" * 20, "short", "UklGRiQ" * 20):
        event = {"choices": [{"index": 0, "delta": {"audio": {"id": "a", "data": data}}, "finish_reason": None}]}
        assert [body.reply for body in screen.chunk(event)] == [event]


def test_usual_extras_of_events_keep_the_short_way(redactor: Redactor) -> None:
    screen = redactor.screen(Vault(), "chat.completions")
    event = {**delta("two words"), "usage": None, "service_tier": "default"}
    event["choices"][0]["logprobs"] = None
    (body,) = screen.chunk(event)
    assert body.reply["choices"][0] == {
        "index": 0,
        "delta": {"content": "two "},
        "finish_reason": None,
        "logprobs": None,
    }


LONG = "\n".join(f"mail user{n}@example{n % 97}.com" for n in range(2_000))


def long_answer() -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": LONG}, "finish_reason": "stop"}]}


def test_a_long_answer_is_screened_beside_the_event_loop_and_reads_the_same(redactor: Redactor) -> None:
    async def beside(streamed_whole: bool) -> tuple[str, int]:
        screen, turns = redactor.screen(Vault(), "chat.completions"), 0
        if streamed_whole:
            work: Any = asyncio.create_task(screen.events([delta(LONG), FINISH], ended=True))
        else:
            work = asyncio.create_task(screen.answer(long_answer()))
        while not work.done():
            await asyncio.sleep(0)
            turns += 1
        if streamed_whole:
            bodies = [*await work, *screen.close()]
            return "".join(body.clean["choices"][0]["delta"].get("content", "") for body in bodies), turns
        return (await work).clean["choices"][0]["message"]["content"], turns

    expected = whole(redactor, Vault(), LONG)[0]
    for streamed_whole in (False, True):
        text, turns = asyncio.run(beside(streamed_whole))
        assert text == expected
        assert "@" not in text
        assert turns > 3  # one that is screened on the event loop takes two


def test_a_long_answer_that_takes_too_long_is_not_shown() -> None:
    with pytest.raises(RedactionFailed):
        asyncio.run(make(timeout_ms=1).screen(Vault(), "chat.completions").answer(long_answer()))
