"""What may happen with a tool: the first matching rule decides, for what is offered and for what is called."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from policy.blocks_access import ToolRule, Tools
from policy.conditions import Undecided, Values, condition
from policy.model import FACT_NAMES, Facts

Place = Literal["offered", "called"]
Action = Literal["allow", "deny", "hold"]


@dataclass(frozen=True, slots=True)
class ToolDecision:
    """What happens, by which rule, and what observed rules before it would have done."""

    action: Action
    rule: str
    would: tuple[str, ...] = ()


def decide_tool(
    tools: Tools | None, name: str, place: Place, facts: Facts, arguments: Mapping[str, Any] | None = None
) -> ToolDecision:
    """Decide about one tool; `arguments` are those of a call, None when they could not be parsed."""
    if tools is None:
        return ToolDecision("allow", "no tools block")
    would: list[str] = []
    for index, rule in enumerate(tools.rules):
        if rule.at not in (place, "both") or not _named(rule, name):
            continue
        if not _holds(rule, name, facts, arguments):
            continue
        if rule.enforce == "on":
            return ToolDecision(rule.action, f"rules[{index}]", tuple(would))
        would.append(f"rules[{index}]: {rule.action}")
    if tools.default == "deny" and tools.enforce == "observe":
        return ToolDecision("allow", "default", (*would, "default: deny"))
    return ToolDecision(tools.default, "default", tuple(would))


def _named(rule: ToolRule, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in rule.tool)


def _holds(rule: ToolRule, name: str, facts: Facts, arguments: Mapping[str, Any] | None) -> bool:
    """Say whether a rule's condition is met; what cannot be decided counts against the tool."""
    if rule.when is None:
        return True
    if arguments is None:
        return rule.action != "allow"
    known = {fact: getattr(facts, fact) or "" for fact in FACT_NAMES}
    try:
        values = Values({"tool": name, "arguments": dict(arguments), "facts": known})
        return condition(rule.when, "tools").holds(values)
    except Undecided:
        return rule.action != "allow"
