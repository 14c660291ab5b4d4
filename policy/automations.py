"""The registry of automations: what each is for, how it is measured, and what its policy must have."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from policy.blocks_routing import Bounded
from policy.model import FACT_NAMES, Facts, FormatVersion, Policy
from policy.problems import KeyPath, Problem, Source, near
from policy.selection import most_specific
from policy.values import Amount, Block, Contradiction, Duration, Flag, Name, Share, Text

_MOST_COMBINATIONS = 4096

Objective = Literal["success", "override", "error", "latency_p95_s", "cost_per_success_usd", "hold_age_p95_s"]
Grade = Annotated[int, Field(strict=True, ge=1, le=5)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Baseline(Block):
    """How the task went without the automation."""

    minutes_per_task: Amount = Field(description="Minutes a person needed for one task.")
    error_rate: Share = Field(description="Share of tasks that went wrong.")
    cost_per_hour_usd: Amount | None = Field(default=None, description="What an hour of that person costs.")


class Target(Bounded):
    """A bound that the automation should keep to."""

    measure: Objective = Field(description="Which; `hold_age_p95_s` is how long held outputs wait.")


class Rollback(Target):
    """A bound whose breach calls for going back."""

    over: Duration = Field(description="The time over which it is measured.")
    action: Literal["advise", "stop", "activate"] = Field(
        default="advise", description="`stop` stops the automation; `activate` puts `snapshot` into force."
    )
    snapshot: Digest | None = Field(default=None, description="SHA-256 of the stored snapshot to go back to.")

    @model_validator(mode="after")
    def _says_where_to(self) -> Self:
        if (self.action == "activate") != (self.snapshot is not None):
            raise Contradiction("`action: activate` and `snapshot` need each other", "snapshot")
        return self


class Leverage(Block):
    """What makes a workflow worth automating, before anything is built; grades go from 1 (low) to 5 (high)."""

    runs_per_week: Amount = Field(description="How often it happens.")
    determinism: Grade = Field(description="How far the same input calls for the same output.")
    measurability: Grade = Field(description="How well success can be counted afterwards.")
    ease_of_verification: Grade = Field(description="How easily a person sees that an output is right.")
    ambiguity: Grade = Field(description="How much of it is open to interpretation; less is better.")


class Automation(Block):
    """One entry of the registry."""

    automation: Name = Field(description="Name; keys are bound to it.")
    schema_: FormatVersion = Field(
        validation_alias="schema", serialization_alias="schema", description="Format version."
    )
    owner: Text = Field(description="Who answers for it.")
    team: Name | None = Field(default=None, description="Team of its keys.")
    purpose: Text = Field(description="What it does, in a sentence.")
    customer_facing: Flag = Field(default=False, description="Whether its outputs reach customers.")
    regulated: Flag = Field(default=False, description="Whether it handles regulated data.")
    baseline: Baseline = Field(description="How the task went before.")
    success: Text = Field(description="When a run counts as a success.")
    targets: tuple[Target, ...] = Field(default=(), description="What it should reach.")
    rollback: tuple[Rollback, ...] = Field(default=(), description="When to go back; needed unless it is a candidate.")
    stage: Literal["candidate", "live"] = Field(default="live", description="`candidate`: thought of, not built yet.")
    leverage: Leverage | None = Field(default=None, description="Grades by which candidates are ranked.")

    @model_validator(mode="after")
    def _way_back(self) -> Self:
        if self.stage == "live" and not self.rollback:
            raise Contradiction("give at least one criterion for going back, or `stage: candidate`", "rollback")
        if self.stage == "candidate" and self.leverage is None:
            raise Contradiction("a candidate needs its `leverage` grades", "leverage")
        return self


def unfit(automation: Automation, source: Source, policies: Sequence[Policy]) -> Iterator[Problem]:
    """List what the policies that govern an automation lack."""
    if automation.stage == "candidate":
        return
    governing = governing_policies(automation, policies)
    if not governing:
        yield near(source.places, ("automation",), "no policy governs this automation; add one or correct the name")
    for policy in governing:
        for path, lack in _lacks(automation, policy):
            yield near(source.places, path, f"the policy `{policy.policy}` governs it and lacks {lack}; add it there")


def governing_policies(automation: Automation, policies: Sequence[Policy]) -> list[Policy]:
    """List the policies that may govern an automation's calls, whatever its keys' other facts are."""
    selectors = [policy.applies_to for policy in policies]
    named: dict[str, list[str | None]] = {name: [None] for name in FACT_NAMES}
    for selector in selectors:
        for name, values in selector.named().items():
            named[name].extend(sorted(values))
    named["automation"] = [automation.automation]
    if automation.team is not None:
        named["team"] = [automation.team]
    choices = itertools.islice(
        itertools.product(*(dict.fromkeys(named[name]) for name in FACT_NAMES)), _MOST_COMBINATIONS
    )
    found = (most_specific(selectors, _facts(dict(zip(FACT_NAMES, values, strict=True)))) for values in choices)
    return [policies[index] for index in sorted({index for index in found if index is not None})]


def _facts(values: Mapping[str, str | None]) -> Facts:
    return Facts(values["tenant"] or "", **{name: values[name] for name in FACT_NAMES if name != "tenant"})


def _lacks(automation: Automation, policy: Policy) -> Iterator[tuple[KeyPath, str]]:
    if automation.customer_facing:
        yield from ((("customer_facing",), lack) for lack in _for_customers(policy))
    if automation.regulated:
        yield from ((("regulated",), lack) for lack in _for_regulators(policy))


def _for_customers(policy: Policy) -> Iterator[str]:
    if policy.confidence is None or policy.confidence.enforce != "on":
        yield "an enforced `confidence` block with a scorer"
    if not _has_template(policy):
        yield "a fallback template"
    if policy.hold is None:
        yield "a `hold` block"


def _for_regulators(policy: Policy) -> Iterator[str]:
    if policy.minimise is None or policy.minimise.enforce != "on":
        yield "an enforced `minimise` block"
    for direction in ("request", "answer"):
        rules = getattr(policy.redaction, direction).values()
        if not any(rule.enforce == "on" and rule.operator != "keep" for rule in rules):
            yield f"enforced `redaction.{direction}` rules"
    if "retention" not in policy.model_fields_set:
        yield "a `retention` block of its own"


def _has_template(policy: Policy) -> bool:
    templates = [policy.hold.template if policy.hold else None]
    if policy.confidence:
        templates += [policy.confidence.template, *(band.template for band in policy.confidence.bands)]
    return any(templates)
