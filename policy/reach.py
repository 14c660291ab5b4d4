"""Rules that can never have an effect: they are errors, because whoever wrote them believes they protect something."""

import difflib
from collections.abc import Iterator

from policy.blocks_redaction import Redaction
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
    """List rules behind one that matches everything."""
    routes = policy.routing.rules
    caught = [not r.models and r.when is None and r.enforce == "on" for r in routes]
    if any(caught):
        first = caught.index(True)
        behind: list[KeyPath] = [("routing", "rules", index) for index in range(first + 1, len(routes))]
        if policy.routing.candidates:
            behind.append(("routing", "candidates"))
        for path in behind:
            yield path, f"never reached: rules[{first}] matches every call; move it up or remove it"
    tools = policy.tools.rules if policy.tools else ()
    taken = [("*" in r.tool and r.at == "both" and r.enforce == "on") for r in tools]
    if any(taken):
        first = taken.index(True)
        for index in range(first + 1, len(tools)):
            yield (
                ("tools", "rules", index),
                f"never reached: rules[{first}] matches every tool; move it up or remove it",
            )
