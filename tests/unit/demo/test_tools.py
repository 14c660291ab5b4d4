"""Tools are called when the request asks for what they do."""

import random

import pytest

from demo.provider.model import Model
from demo.provider.tools import Tool, choose

TOOLS = (
    Tool("track_parcel", "Find where a parcel is", {}),
    Tool("issue_refund", "Give money back for a payment", {}),
    Tool("get_weather", "Current weather of a city", {}),
)


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("Where is my parcel?", {"track_parcel"}),
        ("Refund my payment and tell me where the parcel is", {"track_parcel", "issue_refund"}),
        ("What is the weather in Paris?", {"get_weather"}),
        ("Hello there", set()),
    ],
)
def test_the_tools_that_match_are_called(large: Model, text: str, called: set[str]) -> None:
    assert {tool.name for tool in choose(TOOLS, text, large.labels, (random.Random(0), 0.0))} == called


def test_doubt_makes_it_err_now_and_then(large: Model) -> None:
    text = "Refund my payment and tell me where the parcel is"
    rng = random.Random(0)
    seen = {tuple(sorted(tool.name for tool in choose(TOOLS, text, large.labels, (rng, 0.4)))) for _ in range(50)}
    assert len(seen) > 1
