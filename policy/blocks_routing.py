"""The `routing` block: which model answers, and what happens when it cannot."""

import fnmatch
import hashlib
import re
from collections.abc import Callable
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, model_validator

from policy.conditions import mentioned
from policy.values import (
    Amount,
    Block,
    Contradiction,
    Count,
    Duration,
    Enforce,
    ModelName,
    Name,
    OneOrMore,
    Positive,
    RoutingCondition,
    Share,
    Text,
)

Objective = Literal["first", "cost", "quality", "latency", "balanced", "cost_per_success"]
Capability = Literal["vision", "audio", "tools", "json_schema", "reasoning", "logprobs"]
Cause = Literal["timeout", "rate_limited", "server_error", "refused", "unavailable", "context_length"]
_SUM_TOLERANCE = 1e-6


class Constraints(Block):
    """What a candidate must satisfy to be considered."""

    min_quality: Share | None = Field(default=None, description="Least declared or measured quality.")
    max_cost_usd: Amount | None = Field(default=None, description="Most the call may cost by estimate.")
    max_latency_s: Amount | None = Field(default=None, description="Most expected seconds to the whole answer.")
    max_override: Share | None = Field(
        default=None, description="Largest measured share of seen outputs that people changed or rejected."
    )
    regions: tuple[Name, ...] | None = Field(default=None, description="Only candidates in one of these regions.")


class Candidate(Block):
    """One model that may answer."""

    model: ModelName = Field(description="`provider/model`; without a provider, the default one.")
    quality: Share | None = Field(default=None, description="Declared quality for this task.")
    latency_s: Amount | None = Field(default=None, description="Declared seconds to the whole answer.")
    region: Name | None = Field(default=None, description="Where the model runs.")
    capabilities: tuple[Capability, ...] | None = Field(
        default=None, description="What it can do; left out: everything."
    )
    context_tokens: Positive | None = Field(default=None, description="Largest request it takes.")
    weight: Amount = Field(default=1.0, description="Preference in `balanced`; higher comes first.")
    when: RoutingCondition | None = Field(
        default=None, description="CEL over the request; the candidate is skipped when false."
    )


class Fallback(Block):
    """Models to try next, by what went wrong."""

    after: tuple[Cause, ...] = Field(min_length=1, description="Causes that lead here.")
    models: tuple[ModelName, ...] = Field(min_length=1, description="Tried in order.")


class Arm(Block):
    name: Name = Field(description="Recorded with each call.")
    model: ModelName = Field(description="The model of this arm.")
    share: Share = Field(description="Share of runs.")


class Bounded(Block):
    """One bound, from below or from above."""

    at_least: Amount | None = Field(default=None, description="Lower bound.")
    at_most: Amount | None = Field(default=None, description="Upper bound.")

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise Contradiction("give either `at_least` or `at_most`", "at_most")
        return self


class Holds(Bounded):
    """A bound on a measure that must hold."""

    measure: Literal["success", "override", "error", "latency_p95_s", "cost_per_success_usd"] = Field(
        description="Which."
    )


class Promotion(Block):
    """How one arm's share grows by itself; it falls back to nothing when a measure surely broke."""

    arm: Name = Field(description="The arm that grows.")
    step: Share = Field(description="Share added each time.")
    every: Duration = Field(description="How often.")
    up_to: Share = Field(default=1.0, description="Largest share.")
    min_calls: Count = Field(default=100, description="Calls the arm needs before a step.")
    requires: tuple[Holds, ...] = Field(min_length=1, description="Measures that must stand.")


class Split(Block):
    """Weighted arms by hash of the run: a canary and an A/B test are the same thing."""

    name: Name = Field(description="Recorded with each call.")
    arms: tuple[Arm, ...] = Field(min_length=2, description="Their shares sum to 1.")
    promote: Promotion | None = Field(default=None, description="How a share grows.")

    @cached_property
    def key(self) -> str:
        """Name what was learned of this split; another split of the same name begins anew."""
        return f"{self.name}|{hashlib.blake2b(repr(self).encode(), digest_size=6).hexdigest()}"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [arm.name for arm in self.arms]
        if twice := next((at for at, name in enumerate(names) if name in names[:at]), None):
            raise Contradiction("two arms have the same name; rename one", "arms", twice, "name")
        if abs(sum(arm.share for arm in self.arms) - 1) > _SUM_TOLERANCE:
            shares = sum(arm.share for arm in self.arms)
            raise Contradiction(f"the shares sum to {shares:g}; make them sum to 1", "arms")
        if self.promote and self.promote.arm not in names:
            known = ", ".join(names)
            raise Contradiction(f"`promote.arm` is no arm of this split; use one of {known}", "promote", "arm")
        return self


class Shadow(Block):
    """A second model that sees copies of calls and answers nobody."""

    model: ModelName = Field(description="The model that gets copies.")
    share: Share = Field(description="Share of runs whose calls are copied.")


class Prefer(Block):
    """A label that moves admitted candidates to the front; it never admits one."""

    label: dict[Name, OneOrMore] = Field(min_length=1, description="Label name to value or values.")
    models: tuple[ModelName, ...] = Field(min_length=1, description="Moved to the front, in this order.")


class RouteRule(Block):
    """One routing decision; the first rule that matches a call decides."""

    models: tuple[Text, ...] = Field(
        default=(), description="Requested model names; `*` matches any run; empty: every name."
    )
    when: RoutingCondition | None = Field(
        default=None, description="CEL over the request; the rule is skipped when false."
    )
    candidates: tuple[Candidate, ...] = Field(min_length=1, description="Models that may answer.")
    objective: Objective | None = Field(default=None, description="Overrides the block's objective.")
    constraints: Constraints | None = Field(default=None, description="Overrides the block's constraints.")
    fallbacks: tuple[Fallback, ...] = Field(default=(), description="Models to try next.")
    split: Split | None = Field(default=None, description="Weighted arms.")
    shadow: Shadow | None = Field(default=None, description="A second model that sees copies.")
    prefer: tuple[Prefer, ...] = Field(default=(), description="Labels that order candidates.")
    enforce: Enforce = Field(default="on", description="`observe` records the choice and leaves the call alone.")

    @cached_property
    def named(self) -> Callable[[str], object] | None:
        """Give what matches the names of requested models; None: every name is meant."""
        found = "|".join(fnmatch.translate(pattern) for pattern in self.models)
        return re.compile(found).match if self.models else None


class Retries(Block):
    attempts: Count = Field(default=2, description="Further tries of the same model, in the whole call.")
    after: tuple[Cause, ...] = Field(
        default=("timeout", "rate_limited", "server_error", "unavailable"), description="Causes worth a retry."
    )


class Routing(Block):
    """Which model answers a call."""

    rules: tuple[RouteRule, ...] = Field(default=(), description="Tried in order; the first match decides.")
    candidates: tuple[Candidate, ...] = Field(default=(), description="For calls that no rule matches.")
    objective: Objective = Field(default="first", description="How candidates are ordered; `first`: as written.")
    constraints: Constraints = Field(default=Constraints(), description="What a candidate must satisfy.")
    fallbacks: tuple[Fallback, ...] = Field(
        default=(), description="Models to try next, for calls that no rule matches."
    )
    retries: Retries = Field(default=Retries(), description="Further tries of the same model.")
    sticky: Literal["none", "run"] = Field(default="none", description="`run`: a run keeps the model it began with.")
    min_outcomes: Positive = Field(
        default=50, description="Known outcomes of 28 days from which on measured quality replaces declared quality."
    )

    @cached_property
    def asked(self) -> tuple[frozenset[str], frozenset[str]]:
        """List the features of a request, and the facts, that conditions ask for."""
        rules = (*self.rules, *((self.last_rule,) if self.last_rule else ()))
        candidates = [candidate for rule in rules for candidate in rule.candidates]
        conditions = [each.when for each in (*rules, *candidates) if each.when is not None]
        return mentioned(conditions, "request"), mentioned(conditions, "facts")

    @cached_property
    def by_cost(self) -> bool:
        """Say whether any choice needs the cost of a call."""
        asked = bool(self._objectives & {"cost", "balanced", "cost_per_success"})
        return asked or any(limit.max_cost_usd is not None for limit in self._limits)

    @cached_property
    def learns(self) -> bool:
        """Say whether any choice looks at what became of earlier answers."""
        return "cost_per_success" in self._objectives or any(limit.max_override is not None for limit in self._limits)

    @cached_property
    def promoted(self) -> tuple[Split, ...]:
        """List the splits in which a share grows by itself."""
        return tuple(rule.split for rule in self.rules if rule.split and rule.split.promote)

    @cached_property
    def models(self) -> tuple[str, ...]:
        """List every candidate, once."""
        rules = (*self.rules, *((self.last_rule,) if self.last_rule else ()))
        return tuple(dict.fromkeys(candidate.model for rule in rules for candidate in rule.candidates))

    @property
    def _objectives(self) -> set[Objective]:
        return {self.objective, *(rule.objective for rule in self.rules if rule.objective)}

    @property
    def _limits(self) -> list[Constraints]:
        return [self.constraints, *(rule.constraints for rule in self.rules if rule.constraints)]

    @cached_property
    def last_rule(self) -> RouteRule | None:
        """Give `candidates` as the rule that takes every call."""
        return RouteRule(candidates=self.candidates, fallbacks=self.fallbacks) if self.candidates else None
