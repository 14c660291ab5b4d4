"""What a replay is about, and what is compared with the policies of now because records do not hold it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from policy.model import Bound, Facts, Policy, Ungoverned
from policy.snapshot import Snapshot

Row = Mapping[str, Any]


# Blocks whose change is not replayed call by call.
_LATER = (
    ("hold", "how calls are held under another `hold` block"),
    ("limits", "how many calls other `limits` would refuse: callers would pace themselves otherwise"),
    ("cache", "how many calls another `cache` would answer"),
)


class Effect(NamedTuple):
    """One thing that would be otherwise.

    `what` is policy, refusal, route, shadow, redaction, verdict, delivery or retention.
    """

    what: str
    before: str
    after: str


@dataclass(slots=True)
class Replayed:
    """What would be otherwise for one group of calls, and what cannot be known; `cost_usd` None: not known."""

    effects: list[Effect] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    cost_usd: float | None = None


class Trees(NamedTuple):
    """The candidate, what it is compared with where records do not say, and the default provider."""

    candidate: Snapshot
    base: Snapshot
    provider: str


def needs_size(snapshot: Snapshot) -> bool:
    """Say whether any routing looks at the length of a request."""
    return any(_looks_at_size(policy) for policy in snapshot.policies.values())


def needs_run(snapshot: Snapshot) -> bool:
    """Say whether any routing splits runs, or copies some of them."""
    rules = [rule for policy in snapshot.policies.values() for rule in policy.routing.rules]
    return any(rule.split or (rule.shadow and rule.shadow.share < 1) for rule in rules)


def cuts(snapshot: Snapshot) -> tuple[float, ...]:
    """List the scores at which any verdict changes."""
    blocks = [policy.confidence for policy in snapshot.policies.values() if policy.confidence]
    found = {band.at_least for block in blocks for band in block.bands if not isinstance(band.at_least, str)}
    return tuple(sorted(found))


def against_base(
    done: Replayed, trees: Trees, row: Row, bound: Bound, caller: tuple[Facts, Mapping[str, str]]
) -> Policy | None:
    """Compare what records do not hold with the policy that governs these calls now; give that policy."""
    try:
        base = trees.base.bind(*caller).policy
    except Ungoverned:
        done.unknown.append("retention and delivery of calls that no policy governs now")
        return None
    new = bound.policy
    if row["stream"] and base.delivery != new.delivery:
        done.effects.append(Effect("delivery", base.delivery, new.delivery))
    for name in ("content", "metadata", "review", "automation"):
        was, now = (getattr(each.retention, name).days for each in (base, new))
        if was != now:
            done.effects.append(Effect("retention", f"{name} {was}d", f"{name} {now}d"))
    done.unknown.extend(_needs_text(base, new))
    return base


def _needs_text(base: Policy, new: Policy) -> Iterator[str]:
    """Name the changes whose effect only the texts could show."""
    one, other = base.redaction, new.redaction
    for name in ("recognizers", "allow", "deny", "presidio", "language"):
        if getattr(one, name) != getattr(other, name):
            yield f"what a change of redaction.{name} finds, which needs the texts"
    if one.names != other.names:
        yield f"which names are found with `names: {other.names}` instead of `{one.names}`, which needs the texts"
    if base.minimise != new.minimise:
        yield "which fields `minimise` would take out, which needs the texts"
    for block, reason in _LATER:
        if getattr(base, block) != getattr(new, block):
            yield reason
    if _backup(base) != _backup(new):
        yield "which models are asked after a failure, for no failure is the same twice"


def _backup(policy: Policy) -> tuple[object, ...]:
    routing = policy.routing
    return (routing.retries, routing.fallbacks, *(rule.fallbacks for rule in routing.rules))


def _looks_at_size(policy: Policy) -> bool:
    routing = policy.routing
    rules = [*routing.rules, *([routing.last_rule] if routing.last_rule else [])]
    candidates = [candidate for rule in rules for candidate in rule.candidates]
    conditions = [rule.when or "" for rule in rules] + [candidate.when or "" for candidate in candidates]
    room = any(candidate.context_tokens for candidate in candidates)
    return routing.by_cost or room or any("input_tokens" in condition for condition in conditions)
