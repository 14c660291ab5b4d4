"""Stage choose: which models may answer, best first, and what travels to them."""

from gateway.call import ClearRequest, Route, Target
from gateway.errors import NoRoute
from gateway.providers.base import Upstreams
from gateway.wire.endpoint import Json
from policy.providers import split_model
from policy.routing import Choice, Request, route


def choose(request: ClearRequest, upstreams: Upstreams) -> Route:
    """Apply the policy's routing; a model name that no rule mentions goes to the default provider unchanged.

    Raises:
        NoRoute: no model may answer, or none of their providers is set up.
    """
    call, body = request.governed.call, dict(request.cleared.body)
    choice = _choice(request)
    targets = tuple(target for model in choice.models if (target := _target(model, upstreams)) is not None)
    if not targets:
        raise NoRoute("No provider is set up for this model: see providers.yaml and the policy's routing.")
    dropped = _never_stored(body)
    forced = call.stream and _usage_forced(body)
    live = call.stream and request.governed.bound.policy.delivery == "live"
    return Route(request, targets, body, choice.rule, usage_forced=forced, live=live, dropped=dropped)


def _choice(request: ClearRequest) -> Choice:
    call, routing = request.governed.call, request.governed.bound.policy.routing
    model: str = request.cleared.body["model"]
    if not routing.rules and not routing.candidates:
        return Choice((model,), "unmatched")
    wanted = Request(
        model=model,
        endpoint=call.endpoint.name,
        stream=call.stream,
        facts=call.holder.facts,
        labels=call.labels.for_policy(),
    )
    return route(routing, wanted)


def _target(model: str, upstreams: Upstreams) -> Target | None:
    name, short = split_model(model, upstreams.providers, upstreams.default)
    provider = upstreams.providers.get(name)
    return None if provider is None else Target(provider, short)


def _never_stored(body: Json) -> tuple[str, ...]:
    """What passes here is kept by our record only, not by the provider as well."""
    if not body.get("store"):
        return ()
    body["store"] = False
    return ("store",)


def _usage_forced(body: Json) -> bool:
    """Ask for the usage of every stream; True when the caller did not, and must not see it."""
    options = body.get("stream_options") or {}
    if options.get("include_usage"):
        return False
    body["stream_options"] = options | {"include_usage": True}
    return True
