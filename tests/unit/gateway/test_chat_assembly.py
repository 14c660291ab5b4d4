"""A streamed answer, put together, equals the whole one."""

from typing import Any

from gateway.wire.chat import ChatAssembly, chars, reasons


def event(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [
        {"index": index, "delta": delta, "finish_reason": finish, **more}
    ]}  # fmt: skip


def assembled(*events: dict[str, Any]) -> ChatAssembly:
    assembly = ChatAssembly()
    for each in events:
        assembly.add(each)
    return assembly


def test_text_refusal_and_unknown_channels_grow() -> None:
    whole = assembled(
        event({"role": "assistant", "content": "Hel"}),
        event({"content": "lo", "reasoning_content": "be"}),
        event({"reasoning_content": "cause", "odd": {"a": 1}}),
        event({}, "stop"),
    ).whole()
    message = whole["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "Hello", "reasoning_content": "because", "odd": {"a": 1}}
    assert reasons(whole) == ["stop"]
    assert chars(whole) == len("Hello") + len("because")


def test_parallel_tool_calls_grow_by_index() -> None:
    def call(index: int, **function: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, "function": function}]}

    first = {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]}
    second = {"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{"}}]}
    whole = assembled(
        event(first), event(call(0, arguments='{"x"')), event(second), event(call(0, arguments=":1}")),
        event(call(1, arguments="}")), event({}, "tool_calls"),
    ).whole()  # fmt: skip
    message = whole["choices"][0]["message"]
    assert message["content"] is None
    assert [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in message["tool_calls"]] == [
        ("a", "f", '{"x":1}'),
        ("b", "g", "{}"),
    ]


def test_logprobs_and_several_choices() -> None:
    assembly = assembled(
        event({"content": "a"}, logprobs={"content": [{"token": "a"}]}),
        event({"content": "x"}, index=1),
        event({"content": "b"}, logprobs={"content": [{"token": "b"}]}),
        event({}, "stop"),
    )
    assert not assembly.finished(wanted=2)
    assembly.add(event({}, "length", index=1))
    assert assembly.finished(wanted=2)
    whole = assembly.whole()
    assert [choice["message"]["content"] for choice in whole["choices"]] == ["ab", "x"]
    assert whole["choices"][0]["logprobs"]["content"] == [{"token": "a"}, {"token": "b"}]


def test_usage_is_kept_and_a_second_finish_counts_once() -> None:
    assembly = assembled(event({"content": "a"}, "stop"), event({}, "stop"))
    assembly.add({"choices": [], "usage": {"prompt_tokens": 3}})
    assert assembly.usage == {"prompt_tokens": 3}
    assert not assembly.finished(wanted=2)


def test_calls_out_of_order_and_values_that_change_their_shape_do_no_harm() -> None:
    said: list[dict[str, Any]] = [
        {"tool_calls": [{"index": 2, "id": "c", "function": {"name": "h", "arguments": "{"}}]},
        {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}, {"id": "no number"}]},
        {"tool_calls": [{"index": 2, "id": None, "function": {"arguments": "}"}}], "odd": {"a": "x", "b": None}},
        {"odd": {"a": ["y"], "b": "z"}},
        {"odd": {"a": "x"}},
        {"odd": [1]},
    ]
    before = repr(said)
    whole = assembled(*map(event, said)).whole()
    message = whole["choices"][0]["message"]
    assert message["tool_calls"] == [
        {"index": 2, "id": "c", "function": {"name": "h", "arguments": "{}"}},
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}},
        {"id": "no number"},
    ]
    assert message["odd"] == [1]
    assert repr(said) == before  # events belong to others as well
