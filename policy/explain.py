"""Which rule decided what, each with its file and line."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from policy.decide import Judgement, judge
from policy.kinds import group_of
from policy.load import Loaded
from policy.model import FACT_NAMES, Bound, Facts, Policy, Ungoverned
from policy.problems import KeyPath, Source, dotted, near
from policy.routing import Choice, Measure, Request, route, unmeasured
from policy.rules import SITES, rule_for
from policy.selection import matches
from policy.snapshot import Snapshot
from policy.tool_rules import Place, decide_tool
from policy.values import Direction

_BY_NO_RULE: Final = {
    "stopped": "the automation was stopped by a person",
    "escalated": "a better model was asked, and its answer was no surer",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence, and where the rule behind it stands; line 0: nowhere, a default."""

    text: str
    file: str
    line: int = 0

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{self.text} ({where})"


@dataclass(frozen=True, slots=True)
class Found:
    """A kind found in a call: in its request (`site` names the part) or its answer."""

    kind: str
    direction: Direction = "request"
    site: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a call offered or its answer called.

    `rule` and `action` are what was recorded; None: decide now, by `arguments`, None where they are not known.
    """

    name: str
    place: Place = "called"
    action: str | None = None
    rule: str | None = None
    arguments: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is known of a call."""

    facts: Facts
    labels: Mapping[str, str]
    request: Request | None = None
    found: tuple[Found, ...] = ()
    measure: Measure = unmeasured
    score: float | None = None
    tools: tuple[Tool, ...] = ()
    decided: tuple[str, str] | None = None  # the recorded verdict and its rule


def explain(loaded: Loaded, question: Question) -> list[Reason]:
    """Say which policy governs a call, what its labels tightened, and which rule stands behind each decision."""
    snapshot = loaded.snapshot
    try:
        bound = snapshot.bind(question.facts, question.labels)
    except Ungoverned:
        return [Reason("no policy governs this key; the call is refused", "applies_to")]
    base = snapshot.policies[bound.name]
    file = next(entry.file for entry in snapshot.entries if entry.policy.policy == bound.name)
    source = loaded.sources[file]
    return [
        *_selection(snapshot, base, question.facts, source),
        *_tightening(base, bound.tightened, source),
        *_redaction(base, bound, question.found, source),
        *_routing(bound.policy, question, source),
        *_tools(bound.policy, question, source),
        *_verdict(bound.policy, question, source),
        _at(source, ("delivery",), f"delivery is {bound.policy.delivery}"),
    ]


def _selection(snapshot: Snapshot, policy: Policy, facts: Facts, source: Source) -> Iterator[Reason]:
    named = policy.applies_to.named()
    facts_named = ", ".join(f"{name} {getattr(facts, name)}" for name in FACT_NAMES if name in named)
    yield _at(source, ("applies_to",), f"`{policy.policy}` governs: it names {facts_named or 'no fact, so any key'}")
    for entry in snapshot.entries:
        if entry.policy is not policy and matches(entry.policy.applies_to, facts):
            count = len(entry.policy.applies_to.named())
            yield Reason(f"`{entry.policy.policy}` fits as well and names fewer facts ({count})", entry.file)


def _tightening(policy: Policy, active: tuple[str, ...], source: Source) -> Iterator[Reason]:
    for index, block in enumerate(policy.tighten):
        wanted = ", ".join(f"{name} {' or '.join(values)}" for name, values in block.when.items())
        state = "applies" if f"tighten[{index}]" in active else "does not apply"
        yield _at(source, ("tighten", index), f"tighten[{index}] {state}: it needs {wanted}")


def _redaction(base: Policy, bound: Bound, found: Iterable[Found], source: Source) -> Iterator[Reason]:
    for each in dict.fromkeys(found):
        place = f"{each.kind} in the {each.direction}" + (f" ({each.site})" if each.site else "")
        before, rule = (rule_for(p.redaction, each.direction, each.kind, each.site) for p in (base, bound.policy))
        if rule is None:
            yield Reason(f"{place} is not looked for", source.file)
            continue
        deed = "would be treated as" if rule.enforce == "observe" else "is treated as"
        path = _rule_path(source, each) if before == rule else _tightening_path(source, each, bound.tightened)
        origin = "" if path else ", the default"
        yield _at(source, path or ("redaction",), f"{place} {deed} `{rule.operator}`{origin}")


def _rule_path(source: Source, found: Found) -> KeyPath | None:
    """Give the entry of the file that speaks of a kind, if one does."""
    tables: list[KeyPath] = [("redaction", found.direction)]
    if found.direction == "request" and found.site in SITES:
        tables.insert(0, ("redaction", "sites", found.site))
    paths = ((*table, name) for table in tables for name in (found.kind, group_of(found.kind)) if name)
    return next((path for path in paths if path in source.places), None)


def _tightening_path(source: Source, found: Found, active: Iterable[str]) -> KeyPath | None:
    """Give the entry of an active block that speaks of a kind, else the first active block."""
    blocks = [int(name[len("tighten[") : -1]) for name in active]
    names = (found.kind, group_of(found.kind))
    paths = (("tighten", index, "redaction", found.direction, name) for index in blocks for name in names if name)
    first: KeyPath | None = ("tighten", blocks[0]) if blocks else None
    return next((path for path in paths if path in source.places), first)


def _routing(policy: Policy, question: Question, source: Source) -> Iterator[Reason]:
    request = question.request
    if request is None:
        return
    choice = route(policy.routing, request, question.measure)
    yield _at(
        source,
        _route_path(choice),
        f"model {request.model} goes to {', '.join(choice.models) or 'nobody'}: {_why(choice)}",
    )
    yield from _shares(policy, _route_path(choice), source)
    for passed in choice.passed:
        yield _at(source, _route_path(choice), f"{passed.model} is passed over: {passed.reason}")


def _shares(policy: Policy, path: KeyPath, source: Source) -> Iterator[Reason]:
    """Name the declared shares of a rule's split, how one may grow, and its shadow."""
    if path[:2] != ("routing", "rules"):
        return
    rule = policy.routing.rules[int(path[2])]
    if rule.split is not None:
        arms = ", ".join(f"{arm.name} {arm.share:g}" for arm in rule.split.arms)
        yield _at(source, (*path, "split"), f"split {rule.split.name} shares runs: {arms}")
        if (grows := rule.split.promote) is not None:
            said = f"arm {grows.arm} may grow by {grows.step:g} at a time up to {grows.up_to:g}"
            yield _at(source, (*path, "split", "promote"), said)
    if rule.shadow is not None:
        said = f"{rule.shadow.share:g} of the runs are copied to {rule.shadow.model}"
        yield _at(source, (*path, "shadow"), said)


def _tools(policy: Policy, question: Question, source: Source) -> Iterator[Reason]:
    """Name the rule that decided about each tool: as recorded, else by what the files say of it now."""
    for tool in question.tools:
        action, rule, said = tool.action, tool.rule, "was"
        if action is None or rule is None:
            found = decide_tool(policy.tools, tool.name, tool.place, question.facts, tool.arguments)
            action, rule, said = found.action, found.rule, "is"
        deed = {"allow": "allowed", "deny": "denied", "hold": "held for review"}.get(action, action)
        yield _at(source, _tool_path(rule), f"the tool {tool.name}, {tool.place}, {said} {deed}: tools.{rule}")


def _tool_path(rule: str) -> KeyPath:
    return ("tools", "rules", int(rule[6:-1])) if rule.startswith("rules[") else ("tools", "default")


def _verdict(policy: Policy, question: Question, source: Source) -> Iterator[Reason]:
    """Name what decided, or the band that a score reaches without a certificate, for which more than it counts."""
    verdict, rule = question.decided or ("", "")
    if rule.startswith("tools."):
        yield _at(source, _tool_path(rule.removeprefix("tools.")), f"the verdict was {verdict}: {rule}")
        return
    if rule in _BY_NO_RULE:
        yield Reason(f"the verdict was {verdict}: {_BY_NO_RULE[rule]}", "no file")
        return
    if policy.confidence is None:
        return
    score = question.score
    judged = judge(policy.confidence, policy.hold, score)
    at: KeyPath = ("confidence", "unscored") if judged.rule == "unscored" else ("confidence", "bands", _number(judged))
    said = "no score" if score is None else f"score {score:g}"
    deed = "gives" if judged.verdict == judged.would else "would give"
    more = f" from the template {judged.template}" if judged.template else f" in {judged.queue}" if judged.queue else ""
    yield _at(source, at, f"{said} {deed} the verdict {judged.would}{more}: {judged.rule}")


def _number(judged: Judgement) -> int:
    return int(judged.rule.removeprefix("bands[").removesuffix("]"))


def _why(choice: Choice) -> str:
    return "no routing rule mentions it" if choice.rule == "unmatched" else f"routing.{choice.rule}"


def _route_path(choice: Choice) -> KeyPath:
    if choice.rule.startswith("rules["):
        return ("routing", "rules", int(choice.rule[6:-1]))
    return ("routing", "candidates") if choice.rule == "candidates" else ("routing",)


def _at(source: Source, path: KeyPath, text: str) -> Reason:
    """Point at an entry, or say that nothing in the file speaks of it."""
    if path not in source.places:
        return Reason(f"{text}, as nothing in the file says otherwise", f"{source.file}: {dotted(path)}")
    place = near(source.places, path, text)
    return Reason(text, place.file, place.line)
