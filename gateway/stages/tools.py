"""Tools: what a client offers is met before the model is asked, what the model calls before anybody sees it."""

from collections.abc import Iterable
from typing import Final

from gateway.call import ClearAnswer, Governed
from gateway.errors import Refused
from gateway.wire.endpoint import Json
from gateway.wire.tools import ToolCall, called, offered
from policy.tool_rules import Place, ToolDecision, decide_tool

_MOST_NOTES: Final = 100


def offered_tools(governed: Governed, notes: Json) -> None:
    """Refuse a request that offers a tool which the policy denies.

    Raises:
        Refused: with the tool's place.
    """
    block = governed.bound.policy.tools
    if block is None:
        return
    facts = governed.call.holder.facts
    for where, name in offered(governed.call.body):
        decision = decide_tool(block, name, "offered", facts)
        _note(notes, governed, "offered", name, decision)
        if decision.action != "allow":
            raise Refused(f"The policy denies this tool (tools.{decision.rule}).", code="tool_not_allowed", param=where)


def called_tools(answer: ClearAnswer, notes: Json) -> str | None:
    """Withhold an answer in which the model calls a tool that the policy denies; name the rule that holds one.

    Arguments are judged with the caller's own values in them. Of a live answer nothing can be withheld any more:
    such a policy has rules that only observe.

    Raises:
        Refused: a tool is denied.
    """
    governed = answer.answer.route.request.governed
    block = governed.bound.policy.tools
    if block is None:
        return None
    facts, held_by = governed.call.holder.facts, None
    for call in _calls(answer):
        decision = decide_tool(block, call.name, "called", facts, call.arguments)
        _note(notes, governed, "called", call.name, decision)
        if decision.action == "deny":
            text = f"The policy denies a tool that the model called (tools.{decision.rule}), so its answer is withheld."
            raise Refused(text, code="tool_call_withheld")
        if decision.action == "hold":
            held_by = held_by or decision.rule
    return held_by


def _calls(answer: ClearAnswer) -> Iterable[ToolCall]:
    call = answer.answer.route.request.governed.call
    if not answer.restored or call.endpoint.assemble is None:
        return called(answer.clean)
    if not call.stream:
        return called(answer.restored[0])
    assembly = call.endpoint.assemble()
    for event in answer.restored:
        assembly.add(event)
    return called(assembly.whole())


def _note(notes: Json, governed: Governed, place: Place, name: str, decision: ToolDecision) -> None:
    """Keep a decision for the record; names are the caller's words and are cleared."""
    rows = notes.setdefault("tools", [])
    if len(rows) < _MOST_NOTES:
        rows.append([place, governed.clear_name(name), decision.action, decision.rule, list(decision.would)])
