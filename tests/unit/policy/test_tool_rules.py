"""Tool rules: first match, strict default, and what cannot be decided counts against the tool."""

from typing import Any

import pytest

from policy.blocks_access import Tools
from policy.model import Facts
from policy.tool_rules import Place, ToolDecision, decide_tool

TOOLS = Tools.model_validate(
    {
        "rules": [
            {"tool": "drop_*", "action": "deny", "enforce": "observe"},
            {"tool": ["search", "get_*"], "action": "allow"},
            {"tool": "refund", "at": "called", "action": "hold", "when": "arguments.amount > 100"},
            {"tool": "refund", "at": "called", "action": "allow", "when": "facts.team == 'support'"},
            {"tool": "refund", "at": "offered", "action": "allow"},
        ]
    }
)
SUPPORT = Facts(team="support")


@pytest.mark.parametrize(
    ("name", "place", "arguments", "action", "rule"),
    [
        ("search", "offered", None, "allow", "rules[1]"),
        ("get_order", "called", {}, "allow", "rules[1]"),
        ("delete", "offered", None, "deny", "default"),
        ("drop_table", "called", {}, "deny", "default"),
        ("refund", "offered", None, "allow", "rules[4]"),
        ("refund", "called", {"amount": 250}, "hold", "rules[2]"),
        ("refund", "called", {"amount": 20}, "allow", "rules[3]"),
        ("refund", "called", {}, "hold", "rules[2]"),
        ("refund", "called", {"amount": "20"}, "hold", "rules[2]"),
        ("refund", "called", None, "hold", "rules[2]"),
        ("refund", "called", {"amount": 10**40}, "hold", "rules[2]"),
        ("refund", "called", {"amount": float("nan"), "x": {"deep": [None, {}]}}, "hold", "rules[2]"),
    ],
)
def test_the_first_matching_rule_decides(name: str, place: Place, arguments: Any, action: str, rule: str) -> None:
    found = decide_tool(TOOLS, name, place, SUPPORT, arguments)
    assert (found.action, found.rule) == (action, rule)


def test_an_allowance_that_cannot_be_decided_is_none() -> None:
    rules = [{"tool": "pay", "at": "called", "action": "allow", "when": "arguments.amount < 5"}]
    tools = Tools.model_validate({"rules": rules})
    assert decide_tool(tools, "pay", "called", SUPPORT, {"amount": "1"}).action == "deny"
    assert decide_tool(tools, "pay", "called", SUPPORT, None).action == "deny"
    assert decide_tool(tools, "pay", "called", SUPPORT, {"amount": 1}).action == "allow"


def test_observed_rules_leave_a_trace() -> None:
    assert decide_tool(TOOLS, "drop_table", "offered", SUPPORT).would == ("rules[0]: deny",)
    observed = Tools.model_validate({"enforce": "observe"})
    assert decide_tool(observed, "x", "called", SUPPORT, {}) == ToolDecision("allow", "default", ("default: deny",))
    assert decide_tool(None, "x", "called", SUPPORT, {}).action == "allow"
