"""Stage choose: which models may answer, best first, and what travels to them."""

from datetime import UTC, datetime
from typing import Final

from gateway.call import Chain, ClearRequest, Route, Target
from gateway.errors import NoRoute
from gateway.lessons import Lessons
from gateway.providers.base import Upstreams
from gateway.stages.logprobs import asking_logprobs
from gateway.stages.turn import pinned
from gateway.wire.endpoint import Json
from policy.estimate import CHARS_PER_TOKEN, measuring
from policy.providers import split_model
from policy.routing import Choice, Request, route, unmeasured

_MOST: Final = {"responses": "max_output_tokens", "completions": "max_tokens"}


def choose(request: ClearRequest, upstreams: Upstreams, lessons: Lessons, notes: Json) -> Route:
    """Apply the policy's routing; a model name that no rule mentions goes to the default provider unchanged.

    Raises:
        NoRoute: no model may answer, or none of their providers is set up.
    """
    call, body = request.governed.call, dict(request.cleared.body)
    choice = _choice(request, upstreams.default, lessons, notes)
    targets = tuple(target for model in choice.models if (target := target_of(model, upstreams)) is not None)
    if not targets:
        raise NoRoute("No provider is set up for this model: see providers.yaml and the policy's routing.")
    targets = pinned(request.governed, targets)
    dropped = _not_stored(request, body)
    _bounded(request, body, notes)
    forced = call.stream and call.endpoint.turn is None and _usage_forced(body)
    live = call.stream and request.governed.bound.policy.delivery == "live"
    chosen = Route(
        request, targets, body, choice.rule, usage_forced=forced, live=live, dropped=dropped,
        fallbacks=_fallbacks(request, choice, upstreams),
        shadow=target_of(choice.shadow, upstreams) if choice.shadow else None,
    )  # fmt: skip
    return chosen if request.governed.bound.policy.confidence is None else asking_logprobs(chosen)


def _choice(request: ClearRequest, default: str, lessons: Lessons, notes: Json) -> Choice:
    governed = request.governed
    call, routing, facts = governed.call, governed.bound.policy.routing, governed.call.holder.facts
    model: str = request.cleared.body["model"]
    if not routing.rules and not routing.candidates:
        return Choice((model,), "unmatched")
    features = notes["features"]
    wanted = Request(
        model=model,
        endpoint=call.endpoint.name,
        stream=call.stream,
        input_tokens=request.cleared.chars // CHARS_PER_TOKEN,
        max_output_tokens=features["max_output_tokens"],
        messages=features["messages"],
        needs=frozenset(features["needs"]),
        run=governed.tags.run,
        facts=facts,
        labels=call.labels.for_policy(),
        shares=lessons.shares(facts.tenant, governed.bound.name, routing) if routing.promoted else {},
        asked=routing.asked,
    )
    tree = governed.snapshot
    learned = lessons.learned(tree, routing, default, facts, governed.tags.step) if routing.learns else {}
    weighs = routing.by_cost or learned
    measure = measuring(tree, default, wanted, datetime.now(UTC), learned) if weighs else unmeasured
    choice = route(routing, wanted, measure)
    notes["route"] = _explained(choice) | ({"measured": learned} if learned else {})
    return choice


def _explained(choice: Choice) -> Json:
    """Say who may answer, and why each other candidate was passed over."""
    said: Json = {"rule": choice.rule, "candidates": list(choice.models)}
    said["passed"] = [[passed.model, passed.reason] for passed in choice.passed]
    if choice.observed:
        said["observed"] = list(choice.observed)
    if choice.arm:
        said |= zip(("split", "arm", "share"), choice.arm, strict=True)
    return said | {"shadow": choice.shadow} if choice.shadow else said


def _fallbacks(request: ClearRequest, choice: Choice, upstreams: Upstreams) -> tuple[Chain, ...]:
    """Name whom to ask next, by what went wrong; a conversation stays where it is."""
    turn = request.governed.call.endpoint.turn
    pin = turn.earlier.provider if turn is not None and turn.earlier is not None else None
    chains = []
    for fallback in choice.fallbacks:
        found = [target_of(model, upstreams) for model in fallback.models]
        kept = tuple(target for target in found if target and pin in (None, target.provider.name))
        chains.append(Chain(fallback.after, kept))
    return tuple(chains)


def better(route: Route, answered: Target, upstreams: Upstreams) -> Target | None:
    """Give the candidate to ask when an answer was too unsure: the least of those declared to be better.

    Where the policy declares no quality, the candidate after the one that answered.
    """
    routing = route.request.governed.bound.policy.routing
    declared = (*routing.candidates, *(each for rule in routing.rules for each in rule.candidates))
    known = [(target_of(each.model, upstreams), each.quality) for each in declared if each.quality is not None]
    quality = {named(target): value for target, value in known if target is not None}
    others = [target for target in route.reachable if target != answered]
    least = quality.get(named(answered))
    if least is not None:
        above = [target for target in others if quality.get(named(target), 0.0) > least]
        return min(above, key=lambda target: quality[named(target)], default=None)
    at = route.targets.index(answered) + 1 if answered in route.targets else 0
    return next(iter(route.targets[at:]), None)


def named(target: Target) -> str:
    """Name a target as policies do."""
    return f"{target.provider.name}/{target.model}"


def target_of(model: str, upstreams: Upstreams) -> Target | None:
    """Give the target of a model's name; None where its provider is not set up."""
    name, short = split_model(model, upstreams.providers, upstreams.default)
    provider = upstreams.providers.get(name)
    return None if provider is None else Target(provider, short)


def _bounded(request: ClearRequest, body: Json, notes: Json) -> None:
    """Send the largest answer that the budget allows for along, where the caller named none."""
    policy, endpoint = request.governed.bound.policy, request.governed.call.endpoint.name
    if policy.budget is None or policy.budget.answer_tokens is None or notes["features"]["max_output_tokens"]:
        return
    if endpoint != "embeddings":
        name = _MOST.get(endpoint, "max_completion_tokens")
        body[name] = policy.budget.answer_tokens


def _not_stored(request: ClearRequest, body: Json) -> tuple[str, ...]:
    """What passes here is kept by our record only, unless the policy lets the provider keep it as well."""
    if not body.get("store") or request.governed.bound.policy.logging.provider == "caller":
        return ()
    body["store"] = False
    return ("store",) if request.governed.call.endpoint.turn is None else ()  # responses are kept here instead


def _usage_forced(body: Json) -> bool:
    """Ask for the usage of every stream; True when the caller did not, and must not see it."""
    options = body.get("stream_options") or {}
    if options.get("include_usage"):
        return False
    body["stream_options"] = options | {"include_usage": True}
    return True
