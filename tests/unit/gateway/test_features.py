"""What a request asks for, and which tools stand in requests and answers, on every model endpoint."""

from typing import Any

import pytest

from gateway.allowances.meter import bounds
from gateway.wire.features import features
from gateway.wire.tools import called, offered

IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}


@pytest.mark.parametrize(
    ("body", "messages", "most", "needs"),
    [
        ({"messages": [{"role": "user", "content": "x"}]}, 1, 0, []),
        ({"messages": [IMAGE, IMAGE], "max_tokens": 5, "n": 3}, 2, 15, ["vision"]),
        ({"input": "x", "max_output_tokens": 7, "reasoning": {"effort": "low"}}, 1, 7, ["reasoning"]),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, 1, 0, ["vision"]),
        ({"input": "x", "text": {"format": {"type": "json_schema"}}}, 1, 0, ["json_schema"]),
        (
            {"messages": [], "response_format": {"type": "json_schema"}, "logprobs": True},
            0,
            0,
            ["json_schema", "logprobs"],
        ),
        ({"messages": [{"content": None}, {}, "odd"], "tools": [{}], "max_tokens": None}, 3, 0, ["tools"]),
        ({"messages": [{"content": [{"type": ["odd"]}, 3]}], "max_completion_tokens": 9, "max_tokens": 5}, 1, 9, []),
    ],
)
def test_features(body: dict[str, Any], messages: int, most: int, needs: list[str]) -> None:
    assert features(body) == {"messages": messages, "max_output_tokens": most, "needs": needs}


def test_tools_are_found_wherever_they_stand() -> None:
    body = {
        "tools": [
            {"type": "function", "function": {"name": "chat"}},
            {"type": "function", "name": "responses"},
            {"type": "web_search"},
            {"type": "custom", "custom": {"name": "own"}},
            7,
        ],
        "functions": [{"name": "old"}],
    }
    assert [name for _, name in offered(body)] == ["chat", "responses", "web_search", "own", "", "old"]
    chat = {"choices": [{"message": {"tool_calls": [{"function": {"name": "a", "arguments": '{"x": 1}'}}]}}]}
    assert [tuple(each) for each in called(chat)] == [("a", {"x": 1})]
    items = [
        {"type": "function_call", "name": "b", "arguments": "[1]"},
        {"type": "web_search_call"},
        {"type": "message"},
    ]
    assert [tuple(each) for each in called({"output": items})] == [("b", None), ("web_search", None)]


def test_periods_are_those_of_the_calendar_in_utc() -> None:
    tuesday = 1_773_792_000_000_000 - 86_400_000_000 * 1 + 5  # 2026-03-17, five microseconds in
    day, week, month = (bounds(period, tuesday) for period in ("day", "week", "month"))
    assert day == (1_773_705_600_000_000, 1_773_792_000_000_000)
    assert week == (1_773_619_200_000_000, 1_774_224_000_000_000)
    assert month == (1_772_323_200_000_000, 1_775_001_600_000_000)
    assert bounds("now", tuesday) == (0, 0)
    assert all(begin <= tuesday < end for begin, end in (day, week, month, bounds("minute", tuesday)))
