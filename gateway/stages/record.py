"""Stage record: everything the call left behind becomes its one `call.end`, and its texts become sealed content."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson

from gateway.call import ClearAnswer, ClearRequest, Governed, Judged, Route, Target
from gateway.resilience.attempt import Attempt, Attempts, code
from metrics.record.content import Content
from policy.prices import Cost, cost_usd
from policy.usage import Usage
from redaction.types import Blocked, Finding

MAX_FINDINGS: Final = 2000
_CHARS_PER_TOKEN: Final = 4


class End(NamedTuple):
    """How the call ended for its caller."""

    status: int
    outcome: str
    error_code: str | None = None
    layer: str | None = None
    blocked: Blocked | None = None


class Bill(NamedTuple):
    """What the answer used and cost; `estimated` when the upstream did not say."""

    usage: Usage
    estimated: bool
    cost: Cost


def policy_facts(governed: Governed) -> dict[str, Any]:
    """Say who called and under which policy."""
    call, bound, snapshot = governed.call, governed.bound, governed.snapshot
    facts, tags = call.holder.facts, governed.tags
    labels = {"prompt": tags.prompt, "data_class": tags.data_class}
    return {
        "team": facts.team,
        "environment": facts.environment,
        "data_class": facts.data_class,
        "policy": bound.name,
        "policy_hash": bound.hash12,
        "snapshot": snapshot.sha256,
        "git_commit": snapshot.git_commit,
        "dirty": snapshot.dirty,
        "tightened": list(bound.tightened),
        "model_requested": tags.model,
        "labels": {name: value for name, value in labels.items() if value is not None},
        "trace_id": call.trace.trace_id,
        "span_id": call.trace.span_id,
        "parent_span_id": call.trace.parent_id,
        "trace_flags": call.trace.flags,
    }


def bill(answer: ClearAnswer, ts_us: int) -> Bill:
    """Price an answer, complete or not."""
    target = answer.answer.target
    usage = answer.usage if answer.usage is not None else _estimate(answer)
    at = datetime.fromtimestamp(ts_us / 1e6, UTC)
    prices = answer.answer.route.request.governed.snapshot.prices
    answered = answer.clean.get("model")
    model = answered if isinstance(answered, str) else target.model
    tier = service_tier(answer)
    cost = cost_usd(prices, target.provider.name, model, usage, at, tier)
    if cost.price_id is None and model != target.model:
        cost = cost_usd(prices, target.provider.name, target.model, usage, at, tier)
    return Bill(usage, answer.usage is None, cost)


def with_others(own: Bill, attempts: Attempts) -> Bill:
    """Add what the models used that were asked beside the answer: a call costs what all of it cost."""
    others = list(attempts.beside)
    if not others:
        return own
    usage, costs = own.usage, [own.cost.usd, *(other.cost_usd for other in others)]
    for other in others:
        usage += other.usage or Usage()
    known = [cost for cost in costs if cost is not None]
    total = sum(known) if len(known) == len(costs) else None
    return Bill(usage, own.estimated, Cost(total, own.cost.price_id))


def service_tier(answer: ClearAnswer) -> str | None:
    """Give the service tier that the upstream says it answered in."""
    tier = answer.clean.get("service_tier")
    return tier if isinstance(tier, str) else None


def _estimate(answer: ClearAnswer) -> Usage:
    route = answer.answer.route
    given = route.request.cleared.chars // _CHARS_PER_TOKEN
    return Usage(input_tokens=given, output_tokens=_chars(answer) // _CHARS_PER_TOKEN)


def _chars(answer: ClearAnswer) -> int:
    if answer.unseen is not None:
        return answer.unseen
    return answer.answer.route.request.governed.call.endpoint.chars(answer.clean)


def route_facts(route: Route, tried: Target | None) -> dict[str, Any]:
    """Say where the request went."""
    provider = (tried or route.targets[0]).provider
    facts = {"provider": provider.name, "simulated": provider.simulated, "route_rule": route.rule}
    return facts | {"dropped": list(route.dropped)} if route.dropped else facts


def answer_facts(answer: ClearAnswer, charged: Bill) -> dict[str, Any]:
    """Say what came back and what it cost."""
    governed = answer.answer.route.request.governed
    answered = answer.clean.get("model")
    return {
        "model_answered": governed.clear_name(answered[:200]) if isinstance(answered, str) else None,
        "finish_reasons": [code(reason) for reason in governed.call.endpoint.reasons(answer.clean)],
        "usage": charged.usage.as_dict(),
        "usage_estimated": charged.estimated,
        "cost_usd": charged.cost.usd,
        "price_id": charged.cost.price_id,
        "restored": answer.screen.restored,
        "unknown_placeholders": answer.screen.unknown,
        "answer_chars": _chars(answer),
        "service_tier": code(service_tier(answer)),
    }


def found(request: ClearRequest | None, answer: ClearAnswer | None, blocked: Blocked | None) -> dict[str, Any]:
    """List what redaction found, and count it by kind."""
    asked = request.cleared.findings if request else ()
    said = answer.screen.findings if answer else ()
    counts: dict[str, dict[str, int]] = {"request": {}, "answer": {}, "observed": {}}
    _count(asked, counts["request"], counts["observed"])
    _count(said, counts["answer"], counts["observed"])
    if blocked is not None:
        side = counts["answer" if request else "request"]
        side[blocked.kind] = side.get(blocked.kind, 0) + 1
    rows = [[f.site, f.kind, f.start, f.end, f.score, f.recognizer, f.action] for f in (*asked, *said)[:MAX_FINDINGS]]
    return {"entities": counts, "findings": rows}


def _count(findings: Iterable[Finding], acted: dict[str, int], observed: dict[str, int]) -> None:
    for finding in findings:
        if finding.action != "keep":
            into = observed if finding.action == "observe" else acted
            into[finding.kind] = into.get(finding.kind, 0) + 1


def content(request: ClearRequest, answer: ClearAnswer | None, instead: dict[str, Any] | None = None) -> Content:
    """Gather the cleared texts that are sealed beside the record; `instead`: what was shown in the answer's place."""
    keep = request.governed.bound.policy.logging
    fields: dict[str, bytes] = {}
    if keep.request == "sealed":
        fields["request"] = orjson.dumps(request.cleared.body)
    if answer is not None and answer.unseen is None and keep.answer == "sealed":
        unchanged = answer.answer.raw and answer.clean == answer.answer.events[0]
        fields["answer"] = answer.answer.raw if unchanged else orjson.dumps(answer.clean)
        if instead is not None:
            fields["shown"] = orjson.dumps(instead)
    index = tuple((value.kind, value.hmac) for value in request.cleared.vault.hmacs)
    days = request.governed.bound.policy.retention.content.days
    return Content(request.governed.call.labels.subject, f"content:{days}d", fields, index)


def end_facts(end: End, judged: Judged | None, attempts: Iterable[Attempt]) -> dict[str, Any]:
    """Say how the call ended, and what was tried."""
    return {
        "status": end.status,
        "outcome": end.outcome,
        "error_code": code(end.error_code),
        "layer": end.layer,
        **(verdict_facts(judged) if judged else {"verdict": None, "confidence": None}),
        "attempts": [attempt.record() for attempt in attempts],
    }


def verdict_facts(judged: Judged) -> dict[str, Any]:
    """Say what was decided about the answer, by which rule, and what stands behind the score."""
    judgement = judged.judgement
    facts: dict[str, Any] = {"verdict": judgement.verdict, "confidence": judged.scored.value}
    if not judged.scored.signals and judgement.verdict == "pass":
        return facts
    facts |= {"verdict_rule": judgement.rule, "scores": [signal.record() for signal in judged.scored.signals]}
    return facts if judgement.would == judgement.verdict else facts | {"would": judgement.would}
