"""Choosing models for a call: pure, and every candidate that is passed over says why."""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Final, NamedTuple

from policy.blocks_routing import (
    Arm,
    Candidate,
    Cause,
    Constraints,
    Fallback,
    Objective,
    Prefer,
    RouteRule,
    Routing,
    Split,
)
from policy.conditions import Undecided, Values, condition
from policy.model import FACT_NAMES, Facts


@dataclass(eq=False)
class Request:
    """What routing may know of a call. Not frozen: one is made for each call, and freezing is a third of its cost."""

    model: str
    endpoint: str = "chat.completions"
    stream: bool = False
    input_tokens: int = 0
    max_output_tokens: int = 0
    messages: int = 0
    needs: frozenset[str] = frozenset()
    run: str = ""
    facts: Facts = field(default_factory=Facts)
    labels: Mapping[str, str] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)  # of arms that grow by themselves, by key of the split
    asked: tuple[frozenset[str], frozenset[str]] | None = None  # features and facts that conditions ask for; None: any

    @cached_property
    def values(self) -> Values:
        """Give the variables of conditions; made once per call, and only when a condition asks."""
        features, facts = self.asked or (frozenset(_FEATURES), frozenset(FACT_NAMES))
        request = {name: _FEATURES[name](self) for name in features}
        return Values({"request": request, "facts": {name: getattr(self.facts, name) or "" for name in facts}})


# Each feature of a request that a condition may speak of.
_FEATURES: Mapping[str, Callable[[Request], object]] = MappingProxyType(
    {
        "model": lambda request: request.model,
        "endpoint": lambda request: request.endpoint,
        "stream": lambda request: request.stream,
        "input_tokens": lambda request: request.input_tokens,
        "max_output_tokens": lambda request: request.max_output_tokens,
        "has_images": lambda request: "vision" in request.needs,
        "has_audio": lambda request: "audio" in request.needs,
        "has_tools": lambda request: "tools" in request.needs,
        "json_schema": lambda request: "json_schema" in request.needs,
        "messages": lambda request: request.messages,
    }
)


class Measured(NamedTuple):
    """What is known of a candidate now; None: not known, the declared value counts."""

    cost_usd: float | None = None
    latency_s: float | None = None
    quality: float | None = None
    override: float | None = None
    available: bool = True
    typical_cost_usd: float | None = None  # of a call of usual size: the same for every call of a run


class Passed(NamedTuple):
    """A candidate that was not chosen, and why."""

    model: str
    reason: str


class Choice(NamedTuple):
    """Models to try in order; empty: no candidate may answer, and the call is refused."""

    models: tuple[str, ...]
    rule: str
    passed: tuple[Passed, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    observed: tuple[str, ...] = ()
    arm: tuple[str, str, float] | None = None  # split, arm, and the arm's share when it was chosen
    shadow: str | None = None

    def after(self, cause: Cause) -> tuple[str, ...]:
        """Give the models to try next after a failure."""
        return next((fallback.models for fallback in self.fallbacks if cause in fallback.after), self.models[1:])


Measure = Callable[[str], Measured]


_NOTHING: Final = Measured()


def unmeasured(model: str) -> Measured:
    """Know nothing about a model."""
    return _NOTHING


def route(routing: Routing, request: Request, measure: Measure = unmeasured) -> Choice:
    """Order the models that may answer; a name that no rule mentions is kept as it is."""
    observed: list[str] = []
    for index, rule in enumerate(routing.rules):
        if not _matches(rule, request):
            continue
        if rule.enforce == "on":
            return _choose(f"rules[{index}]", (rule, routing), request, measure, tuple(observed))
        observed.append(f"rules[{index}]")
    if routing.last_rule is not None:
        return _choose("candidates", (routing.last_rule, routing), request, measure, tuple(observed))
    return Choice((request.model,), "unmatched", observed=tuple(observed))


def pick_arm(split: Split, point: float, grown: float | None = None) -> tuple[Arm, float]:
    """Give the arm in which a run's hash falls, and its share; `point` is in 0..1.

    `grown` is the share that the promoted arm has by now. It comes first, so runs in it stay in it while it grows.
    """
    shares = [(arm, arm.share) for arm in split.arms]
    if split.promote is not None:
        shares = _grown(shares, split.promote.arm, grown)
    reached = 0.0
    for arm, share in shares:
        reached += share
        if point < reached:
            return arm, share
    return shares[-1]


def _grown(shares: list[tuple[Arm, float]], name: str, grown: float | None) -> list[tuple[Arm, float]]:
    """Put one arm first with its share of now; the others keep their proportions in what is left."""
    first = next(pair for pair in shares if pair[0].name == name)
    share = first[1] if grown is None else grown
    left = 1 - first[1]
    others = [(arm, (1 - share) * (own / left if left else 1 / (len(shares) - 1))) for arm, own in shares]
    return [(first[0], share), *(pair for pair in others if pair[0].name != name)]


def point(name: str, run: str) -> float:
    """Give where a run falls in a split, in 0..1: the same in every worker, and independent between splits."""
    return int.from_bytes(hashlib.blake2b(f"{name}\0{run}".encode(), digest_size=7).digest()) / (1 << 56)


def _choose(
    name: str, scope: tuple[RouteRule, Routing], request: Request, measure: Measure, observed: tuple[str, ...]
) -> Choice:
    """Order a rule's candidates; what the rule leaves out, the block says."""
    rule, routing = scope
    limits, objective = rule.constraints or routing.constraints, rule.objective or routing.objective
    admitted: list[tuple[Candidate, Measured]] = []
    passed: list[Passed] = []
    for candidate in rule.candidates:
        reason, known = _obstacle(candidate, limits, request, measure)
        if reason is None:
            admitted.append((candidate, known))
        else:
            passed.append(Passed(candidate.model, reason))
    if objective != "first" and len(admitted) > 1:
        sticky = routing.sticky == "run"
        admitted.sort(key=lambda each: _rank(each[0], _order(each[1]) if sticky else each[1], objective))
    models = [candidate.model for candidate, _ in admitted]
    if rule.prefer:
        models = _preferred(models, rule.prefer, request.labels)
    arm = None
    if rule.split is not None:
        found, share = pick_arm(rule.split, point(rule.split.name, request.run), request.shares.get(rule.split.key))
        models, arm = _armed(models, found, passed), (rule.split.name, found.name, share)
    fallbacks = tuple(_admitted(fallback, rule, limits, request, measure) for fallback in rule.fallbacks)
    return Choice(tuple(models), name, tuple(passed), fallbacks, observed, arm, _shadow(rule, request))


def _shadow(rule: RouteRule, request: Request) -> str | None:
    """Name the model that sees a copy; a run is copied whole or not at all."""
    shadow = rule.shadow
    return shadow.model if shadow and point(f"shadow {shadow.model}", request.run) < shadow.share else None


def _admitted(fallback: Fallback, rule: RouteRule, limits: Constraints, request: Request, measure: Measure) -> Fallback:
    """Keep the models of a fallback that may answer this call; constraints bind it like the candidates."""
    named = {candidate.model: candidate for candidate in rule.candidates}
    kept = [
        model
        for model in fallback.models
        if _obstacle(named.get(model) or Candidate(model=model), limits, request, measure)[0] is None
    ]
    return fallback.model_copy(update={"models": tuple(kept)})


def _order(known: Measured) -> Measured:
    """Give what may order candidates of a sticky run: nothing that changes from call to call."""
    return Measured(cost_usd=known.typical_cost_usd, quality=known.quality)


def _armed(models: list[str], arm: Arm, passed: Iterable[Passed]) -> list[str]:
    """Move an arm's model to the front, unless it is a candidate that may not answer this call."""
    if any(each.model == arm.model for each in passed):
        return models
    return [arm.model, *(model for model in models if model != arm.model)]


def _matches(rule: RouteRule, request: Request) -> bool:
    return (rule.named is None or rule.named(request.model) is not None) and _holds(rule.when, request)


def _holds(when: str | None, request: Request) -> bool:
    if when is None:
        return True
    try:
        return condition(when, "routing").holds(request.values)
    except Undecided:
        return False


def _obstacle(
    candidate: Candidate, limits: Constraints, request: Request, measure: Measure
) -> tuple[str | None, Measured]:
    """Say why a candidate may not answer, None when it may; and what is known of it."""
    if limits.regions is not None and candidate.region not in limits.regions:
        return "regions", _NOTHING  # before anything is measured
    known = measure(candidate.model)
    return _unable(candidate, known, request) or _outside(candidate, known, limits), known


def _unable(candidate: Candidate, known: Measured, request: Request) -> str | None:
    # Ifs instead of a table of reasons: this runs for each candidate of each call.
    if not known.available:
        return "unavailable"
    if candidate.when is not None and not _holds(candidate.when, request):
        return "when"
    if candidate.capabilities is not None and (lacking := request.needs.difference(candidate.capabilities)):
        return f"capabilities: {', '.join(sorted(lacking))}"
    room = candidate.context_tokens
    return "context_tokens" if room is not None and request.input_tokens + request.max_output_tokens > room else None


def _outside(candidate: Candidate, known: Measured, limits: Constraints) -> str | None:
    if limits.min_quality is not None and (_quality(candidate, known) or -1.0) < limits.min_quality:
        return "min_quality"
    if limits.max_override is not None and (known.override or 0.0) > limits.max_override:
        return "max_override"
    cost, latency = limits.max_cost_usd, limits.max_latency_s
    if cost is not None and (known.cost_usd is None or known.cost_usd > cost):
        return "max_cost_usd"
    if latency is not None:
        expected = _latency(candidate, known)
        return "max_latency_s" if expected is None or expected > latency else None
    return None


def _rank(candidate: Candidate, known: Measured, objective: Objective) -> float:
    """Give a number that sorts candidates, best first; what is not known comes last."""
    if objective == "first":
        return 0.0
    cost = math.inf if known.cost_usd is None else known.cost_usd
    if objective == "cost":
        return cost
    quality, latency = _quality(candidate, known), _latency(candidate, known)
    if objective == "quality":
        return -(quality or 0.0)
    if objective == "latency":
        return math.inf if latency is None else latency
    if objective == "cost_per_success":
        return cost / quality if quality else math.inf
    return -candidate.weight * (quality or 0.0) / (1 + min(cost, 1e6) * 100 + (latency or 0.0) / 10)


def _quality(candidate: Candidate, known: Measured) -> float | None:
    return candidate.quality if known.quality is None else known.quality


def _latency(candidate: Candidate, known: Measured) -> float | None:
    return candidate.latency_s if known.latency_s is None else known.latency_s


def _preferred(models: list[str], prefer: Iterable[Prefer], labels: Mapping[str, str]) -> list[str]:
    """Move models that a label prefers to the front; none is added."""
    for wish in prefer:
        if all(labels.get(name) in values for name, values in wish.label.items()):
            front = [model for model in wish.models if model in models]
            models = [*front, *(model for model in models if model not in front)]
    return models
