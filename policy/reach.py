"""Rules that can never have an effect: they are errors, because whoever wrote them believes they protect something."""

import difflib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from policy.blocks_access import ToolRule
from policy.blocks_redaction import Redaction
from policy.blocks_routing import RouteRule
from policy.kinds import GROUPS
from policy.model import Policy
from policy.problems import KeyPath, Problem, Source, near
from policy.rules import SITES
from policy.stricter import tightened

_BUILT_IN = frozenset().union(*GROUPS.values())


def pointless(policy: Policy, source: Source) -> Iterator[Problem]:
    """List the rules of a policy that can never match or never change anything."""
    for path, message in (*_unknown_kinds(policy), *_empty_tightening(policy), *_shadowed(policy)):
        yield near(source.places, path, message)


def _unknown_kinds(policy: Policy) -> Iterator[tuple[KeyPath, str]]:
    redaction = policy.redaction
    if redaction.presidio:  # these recognizers bring kinds of their own
        return
    known = _BUILT_IN | {recognizer.kind for recognizer in redaction.recognizers} | redaction.deny.keys()
    for path, kind in _named_kinds(policy, redaction):
        if kind not in known and kind not in GROUPS:
            close = difflib.get_close_matches(kind, sorted(known), 1)
            hint = f"did you mean `{close[0]}`?" if close else "add a recognizer for it or remove the rule"
            yield path, f"nothing finds this kind; {hint}"


def _named_kinds(policy: Policy, redaction: Redaction) -> Iterator[tuple[KeyPath, str]]:
    tables: list[tuple[KeyPath, object]] = [
        (("redaction", "request"), redaction.request),
        (("redaction", "answer"), redaction.answer),
        *((("redaction", "sites", site), getattr(redaction.sites, site)) for site in SITES),
    ]
    tables.extend(
        (("tighten", index, "redaction", direction), getattr(block.redaction, direction))
        for index, block in enumerate(policy.tighten)
        for direction in ("request", "answer")
    )
    for path, table in tables:
        if isinstance(table, dict):
            yield from (((*path, kind), kind) for kind in table)


def _empty_tightening(policy: Policy) -> Iterator[tuple[KeyPath, str]]:
    for index, block in enumerate(policy.tighten):
        if tightened(policy, block) == policy:
            yield ("tighten", index), "this changes nothing, the policy is as strict already; remove it"


def _shadowed(policy: Policy) -> Iterator[tuple[KeyPath, str]]:
    """List rules behind one that takes every call or tool which they are about."""
    routes, tools = policy.routing.rules, policy.tools.rules if policy.tools else ()
    for index, later in enumerate(routes):
        if (first := _first(_takes_route(each, later.models) for each in routes[:index])) is not None:
            yield ("routing", "rules", index), _never(first, "call")
    if policy.routing.candidates and (first := _first(_takes_route(each, ()) for each in routes)) is not None:
        yield ("routing", "candidates"), _never(first, "call")
    for index, rule in enumerate(tools):
        if (first := _first(_takes_tool(each, rule) for each in tools[:index])) is not None:
            yield ("tools", "rules", index), _never(first, "tool")


def _first(taken: Iterable[bool]) -> int | None:
    return next((index for index, takes in enumerate(taken) if takes), None)


def _never(first: int, what: str) -> str:
    return f"never reached: rules[{first}] takes every such {what}; move it up or remove it"


def _takes_route(earlier: RouteRule, models: tuple[str, ...]) -> bool:
    always = earlier.when is None and earlier.enforce == "on"
    return always and (not earlier.models or (bool(models) and _covers(earlier.models, models)))


def _takes_tool(earlier: ToolRule, later: ToolRule) -> bool:
    always = earlier.when is None and earlier.enforce == "on" and earlier.at in ("both", later.at)
    return always and _covers(earlier.tool, later.tool)


def _covers(patterns: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Say whether every name that fits one of `others` fits one of `patterns`; only `*` is taken for a pattern."""
    plain = [pattern for pattern in patterns if not set(pattern) & set("?[")]
    return all(any(fnmatchcase(other, pattern) for pattern in plain) for other in others)
