"""Joining a policy with stricter wishes: of two values the stricter one stands, whatever the order."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from policy.blocks_data import Retention
from policy.blocks_redaction import Redaction, RedactionRule, RestoreAt, Rules
from policy.blocks_routing import Constraints, Routing
from policy.kinds import GROUPS, expand
from policy.model import Policy
from policy.rules import DECLARED_RULES, SITES, declared, in_table, min_score, rule_by_declaration
from policy.tighten import ShorterRetention, Stricter, StricterRedaction, StricterRouting
from policy.values import Block, Direction

# From what lets most through to what lets nothing through.
OPERATORS = ("keep", "mask", "pseudonym", "hash", "replace", "block")
NAMES = ("off", "balanced", "strict", "paranoid")
MEDIA = ("pass", "flag", "block")

_B = TypeVar("_B", bound=Block)
_Lookup = Callable[[str], RedactionRule | None]


def tightened(policy: Policy, wish: Stricter) -> Policy:
    """Give the loosest policy that is as strict as both."""
    changes = {
        "redaction": _redaction(policy.redaction, wish.redaction),
        "retention": _retention(policy.retention, wish.retention),
        "routing": _routing(policy.routing, wish.routing),
        "cache": _override(policy.cache, {"mode": wish.cache.mode}),
        "failure": _override(policy.failure, {"log": wish.failure.log}),
        "logging": _override(policy.logging, dict(wish.logging)),
        "delivery": wish.delivery or policy.delivery,
    }
    return _changed(policy, changes)


def stricter_rule(redaction: Redaction, one: RedactionRule | None, other: RedactionRule) -> RedactionRule:
    """Join two rules part by part: operator, enforcement, score and readable characters."""
    if one is None:
        return other
    operator = _higher(OPERATORS, one.operator, other.operator)
    shown = [rule.keep_last for rule in (one, other) if rule.operator == "mask"]
    return RedactionRule(
        operator=operator,
        enforce="on" if "on" in (one.enforce, other.enforce) else "observe",
        min_score=min((one, other), key=lambda rule: min_score(redaction, rule)).min_score,
        keep_last=min(shown) if operator == "mask" else 0,
        replacement=(one.replacement or other.replacement) if operator == "replace" else None,
    )


def _nowhere(at: RestoreAt) -> RestoreAt:
    """Take back what `restore_at` allows beside `restore: never`."""
    return _changed(at, {name: None for name, value in at if value == "caller"})


def _redaction(base: Redaction, wish: StricterRedaction) -> Redaction:
    if wish.min_score is not None:
        base = _capped(base, wish.min_score)
        wish = _changed(wish, {name: _lowered(getattr(wish, name), wish.min_score) for name in ("request", "answer")})
    # What the wish declares is joined like rules, so that it cannot be undone by a rule joined before it.
    request: Rules = dict.fromkeys(sorted(declared(wish, "request")), DECLARED_RULES["request"])
    answer: Rules = dict.fromkeys(sorted(declared(wish, "answer")), DECLARED_RULES["answer"])
    sites = base.sites
    for more in (request, wish.request):
        sites = _changed(sites, {s: _joined(base, getattr(sites, s), more, lambda _: None, adds=False) for s in SITES})
    denied = {value for values in wish.deny.values() for value in values}
    return _changed(
        base,
        {
            "on_failure": wish.on_failure or base.on_failure,
            "names": _higher(NAMES, base.names, wish.names),
            "media": _higher(MEDIA, base.media, wish.media),
            "answer_names": _higher(NAMES, base.answer_names, wish.answer_names),
            "restore": wish.restore or base.restore,
            "restore_at": _nowhere(base.restore_at) if wish.restore else base.restore_at,
            "request": _both(base, "request", base.request, (request, wish.request)),
            "answer": _both(base, "answer", base.answer, (answer, wish.answer)),
            "sites": sites,
            "profiles": _union(base.profiles, wish.profiles),
            "presidio": _union(base.presidio, wish.presidio),
            "deny": {**base.deny, **{k: _union(base.deny.get(k, ()), v) for k, v in wish.deny.items()}},
            "allow": tuple(value for value in base.allow if value not in denied),
        },
    )


def _both(base: Redaction, direction: Direction, table: Rules, wishes: Iterable[Rules]) -> Rules:
    for more in wishes:
        table = _joined(base, table, more, lambda kind: rule_by_declaration(base, direction, kind), adds=True)
    return table


def _joined(base: Redaction, table: Rules, more: Mapping[str, RedactionRule], beneath: _Lookup, *, adds: bool) -> Rules:
    """Join rules into a table; `beneath` speaks where the table is silent, `adds` lets new entries in."""
    out = dict(table)
    for name, rule in more.items():
        before = {kind: in_table(out, kind) or beneath(kind) for kind in expand(name)}
        if name in GROUPS and (adds or name in out):
            out[name] = stricter_rule(base, out.get(name), rule)
        for kind, stood in sorted(before.items()):
            if stood is None and not adds:
                continue
            wanted = stricter_rule(base, stood, rule)
            if (in_table(out, kind) or beneath(kind)) != wanted:
                out[kind] = wanted
    return out


def _capped(redaction: Redaction, cap: float) -> Redaction:
    sites = {site: _lowered(getattr(redaction.sites, site), cap) for site in SITES}
    return _changed(
        redaction,
        {
            "min_score": min(redaction.min_score, cap),
            "request": _lowered(redaction.request, cap),
            "answer": _lowered(redaction.answer, cap),
            "sites": _changed(redaction.sites, sites),
        },
    )


def _lowered(table: Rules, cap: float) -> Rules:
    return {name: _changed(rule, {"min_score": _least(rule.min_score, cap)}) for name, rule in table.items()}


def _least(score: float | None, cap: float) -> float | None:
    return None if score is None else min(score, cap)


def _retention(base: Retention, wish: ShorterRetention) -> Retention:
    return _changed(
        base,
        {
            "content": _shorter(base.content, wish.content),
            "review": _shorter(base.review, wish.review),
            "automation": _shorter(base.automation, wish.automation),
        },
    )


def _routing(base: Routing, wish: StricterRouting) -> Routing:
    rules = tuple(
        _changed(rule, {"constraints": _constraints(rule.constraints, wish)}) if rule.constraints else rule
        for rule in base.rules
    )
    return _changed(base, {"constraints": _constraints(base.constraints, wish), "rules": rules})


def _constraints(base: Constraints, wish: StricterRouting) -> Constraints:
    regions = base.regions
    if wish.regions is not None:
        regions = wish.regions if regions is None else tuple(r for r in regions if r in wish.regions)
    least = [quality for quality in (base.min_quality, wish.min_quality) if quality is not None]
    return _changed(base, {"regions": regions, "min_quality": max(least, default=None)})


def _shorter(base: timedelta, wish: timedelta | None) -> timedelta:
    return base if wish is None else min(base, wish)


def _higher(order: tuple[str, ...], base: str, wish: str | None) -> Any:
    return base if wish is None else max(base, wish, key=order.index)


def _union(base: tuple[Any, ...], more: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*base, *(value for value in more if value not in base))


def _override(base: _B, wishes: Mapping[str, object]) -> _B:
    return _changed(base, {key: value for key, value in wishes.items() if value is not None})


def _changed(base: _B, values: Mapping[str, object]) -> _B:
    """Copy a block with other values; the same object when nothing differs."""
    new = {key: value for key, value in values.items() if value != getattr(base, key)}
    return base.model_copy(update=new) if new else base
