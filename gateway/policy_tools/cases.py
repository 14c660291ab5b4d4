"""Running the unit tests of a policy folder, as `sluice policy test` does."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.policy_tools.check import load_checked
from policy.cases import Case, CaseFile, Expect, Given, GivenArm
from policy.decide import Judgement, held_by_tool, judge
from policy.estimate import measuring
from policy.files import read_each, read_folder
from policy.measures import Counts
from policy.model import FACT_NAMES, Facts, Policy, Ungoverned
from policy.prices import cost_usd
from policy.problems import PolicyErrors, Problem, Source, near
from policy.promotion import begin, decide
from policy.providers import split_model
from policy.routing import Request, route
from policy.snapshot import Snapshot
from policy.tool_rules import decide_tool
from policy.usage import Usage
from policy.validation import validated
from policy.yaml_reader import read_yaml
from redaction.detect import Detector
from redaction.redactor import Redactor
from redaction.types import Blocked, Finding


@dataclass(frozen=True, slots=True)
class Setting:
    """What a test run needs beside the folder; without a detector no names are found."""

    default_provider: str
    at: datetime
    detector: Detector | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call."""

    policy: str
    tightened: tuple[int, ...] = ()
    sent: str = ""
    findings: tuple[Finding, ...] = ()
    blocked: str | None = None
    refused_by: str | None = None
    share: float | None = None
    split_arm: str | None = None
    models: tuple[str, ...] = ()
    verdict: str | None = None
    decided_by: str | None = None
    cost_usd: float | None = None

    def kinds(self, *, observed: bool) -> list[str]:
        """List the kinds that were only observed, or that were changed."""
        chosen = (
            f.kind for f in self.findings if (f.action == "observe") == observed and (observed or f.action != "keep")
        )
        return sorted(set(chosen))


@dataclass(frozen=True, slots=True)
class Ran:
    """The result of all tests of a folder."""

    count: int
    problems: tuple[Problem, ...]


async def run_cases(directory: Path, setting: Setting) -> Ran:
    """Run every test in the folder `tests` of a policy folder.

    Raises:
        PolicyErrors: the folder or a test file cannot be used.
    """
    snapshot = load_checked(directory)
    problems: list[Problem] = []
    count = 0
    for source, cases in _read(directory):
        for index, case in enumerate(cases):
            count += 1
            outcome = await _come_of(snapshot, case.given, setting)
            for key, message in _failures(case.expect, outcome):
                problems.append(near(source.places, ("tests", index, "expect", key), f"{case.name}: {message}"))
    return Ran(count, tuple(sorted(problems)))


def _read(directory: Path) -> list[tuple[Source, Sequence[Case]]]:
    files, problems = read_folder(directory, "tests")
    found: list[tuple[Source, Sequence[Case]]] = []
    for source in read_each(files, problems, lambda file: read_yaml(file.name, file.raw)):
        value, wrong = validated(source, CaseFile, CaseFile)
        problems.extend(wrong)
        if value is not None:
            found.append((source, value.tests))
    if problems:
        raise PolicyErrors(problems)
    return found


async def _come_of(snapshot: Snapshot, given: Given, setting: Setting) -> Outcome:
    facts = Facts(*(getattr(given.facts, name) for name in FACT_NAMES))
    try:
        bound = snapshot.bind(facts, given.labels)
    except Ungoverned:
        return Outcome("none")
    policy, share = bound.policy, _share(bound.policy, given.arm)
    tightened = tuple(int(name.removeprefix("tighten[")[:-1]) for name in bound.tightened)
    if (refused_by := _refused_by(policy, given, facts)) is not None:
        return Outcome(bound.name, tightened, refused_by=refused_by, share=share)
    request = Request(given.model, input_tokens=given.input_tokens, facts=facts, labels=given.labels, run=given.run)
    costs = measuring(snapshot, setting.default_provider, request, setting.at, {})
    redactor = Redactor(policy.redaction, secrets.token_bytes(32), setting.detector)
    try:
        cleared = await redactor.clear(_body(given), "chat.completions")
    except Blocked as blocked:
        return Outcome(bound.name, tightened, blocked=blocked.kind, share=share)
    choice = route(policy.routing, request, costs)
    judged = _judged(policy, given, facts)
    return Outcome(
        bound.name,
        tightened,
        sent="\n".join(message["content"] for message in cleared.body["messages"]),
        findings=cleared.findings,
        share=share,
        split_arm=choice.arm[1] if choice.arm else None,
        models=choice.models,
        verdict=judged.verdict,
        decided_by=judged.rule,
        cost_usd=_cost(snapshot, choice.models, given, setting),
    )


def _refused_by(policy: Policy, given: Given, facts: Facts) -> str | None:
    """Name the rule that denies a tool which the call offers."""
    decisions = (decide_tool(policy.tools, name, "offered", facts) for name in given.offers)
    return next((f"tools.{decision.rule}" for decision in decisions if decision.action != "allow"), None)


def _share(policy: Policy, given: GivenArm | None) -> float | None:
    """Give what becomes of the share of a growing arm; None where the policy has no such split."""
    split = next((each for each in policy.routing.promoted if given and each.name == given.split), None)
    if given is None or split is None or split.promote is None:
        return None
    standing, age = begin(split, 0), given.age or split.promote.every
    if given.share is not None:
        standing = replace(standing, share=given.share)
    counts = Counts(**{field.name: getattr(given, field.name) for field in fields(Counts)})
    return decide(split, standing, counts, int(age.total_seconds() * 1_000_000)).share


def _judged(policy: Policy, given: Given, facts: Facts) -> Judgement:
    """Judge the answer by its score and by the tools it calls; a denied one withholds it, whatever the score."""
    judged, held = judge(policy.confidence, policy.hold, given.score), None
    for call in given.calls:
        decision = decide_tool(policy.tools, call.tool, "called", facts, call.arguments)
        if decision.action == "deny":
            return Judgement("block", "block", f"tools.{decision.rule}")
        held = held or (decision.rule if decision.action == "hold" else None)
    return judged if held is None else held_by_tool(judged, held, policy.hold)


def _body(given: Given) -> dict[str, Any]:
    messages = [{"role": "system", "content": given.system}] if given.system else []
    return {"model": given.model, "messages": [*messages, {"role": "user", "content": given.text}]}


def _cost(snapshot: Snapshot, models: tuple[str, ...], given: Given, setting: Setting) -> float | None:
    if not models:
        return None
    provider, model = split_model(models[0], snapshot.providers, setting.default_provider)
    usage = Usage(input_tokens=given.input_tokens, output_tokens=given.output_tokens)
    return cost_usd(snapshot.prices, provider, model, usage, setting.at).usd


def _failures(expect: Expect, outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Compare; give the key that failed and a sentence."""
    exact: tuple[tuple[str, object, object], ...] = (
        ("policy", expect.policy, outcome.policy),
        ("tightened", _list(expect.tightened), list(outcome.tightened)),
        ("redacted", _list(expect.redacted), outcome.kinds(observed=False)),
        ("observed", _list(expect.observed), outcome.kinds(observed=True)),
        ("blocked", expect.blocked, outcome.blocked),
        ("refused_by", expect.refused_by, outcome.refused_by),
        ("split_arm", expect.split_arm, outcome.split_arm),
        ("share", expect.share, outcome.share),
        ("models", None if expect.models is None else list(expect.models), list(outcome.models)),
        ("verdict", expect.verdict, outcome.verdict),
        ("decided_by", expect.decided_by, outcome.decided_by),
    )
    for key, wanted, found in exact:
        if wanted is not None and wanted != found:
            yield key, f"expected {wanted}, found {found if found not in (None, []) else 'nothing'}"
    yield from _texts(expect, outcome)
    if expect.max_cost_usd is not None and (outcome.cost_usd is None or outcome.cost_usd > expect.max_cost_usd):
        cost = "unknown" if outcome.cost_usd is None else f"{outcome.cost_usd:.6f}"
        yield "max_cost_usd", f"expected at most {expect.max_cost_usd:g}, found {cost}"


def _texts(expect: Expect, outcome: Outcome) -> Iterator[tuple[str, str]]:
    if any(text in outcome.sent for text in expect.absent):
        yield "absent", "a text left that must not"
    if any(text not in outcome.sent for text in expect.present):
        yield "present", "a text did not leave unchanged"


def _list(values: Sequence[object] | None) -> list[object] | None:
    return None if values is None else sorted(set(values), key=str)
