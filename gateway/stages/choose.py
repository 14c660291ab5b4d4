"""Stage choose: which provider gets the request, and the exact bytes it gets."""

import orjson

from gateway.call import ClearRequest, Route
from gateway.errors import NoRoute
from gateway.providers.base import Upstreams
from gateway.wire.endpoint import Json
from policy.providers import split_model


def choose(request: ClearRequest, upstreams: Upstreams) -> Route:
    """Pick the provider by the model's name.

    Raises:
        NoRoute: no such provider is set up.
    """
    call, body = request.governed.call, request.cleared.body
    name, model = split_model(body["model"], upstreams.providers, upstreams.default)
    provider = upstreams.providers.get(name)
    if provider is None:
        raise NoRoute(f"The provider {name} is not set up in providers.yaml, or its base URL is not set.")
    changes: Json = {} if model == body["model"] else {"model": model}
    dropped = _never_stored(body, changes)
    forced = call.stream and _usage_forced(body, changes)
    wire = orjson.dumps(body | changes if changes else body)
    live = call.stream and request.governed.bound.policy.delivery == "live"
    return Route(request, provider, model, wire, usage_forced=forced, live=live, dropped=dropped)


def _never_stored(body: Json, changes: Json) -> tuple[str, ...]:
    """What passes here is kept by our record only, not by the provider as well."""
    if not body.get("store"):
        return ()
    changes["store"] = False
    return ("store",)


def _usage_forced(body: Json, changes: Json) -> bool:
    """Ask for the usage of every stream; True when the caller did not, and must not see it."""
    options = body.get("stream_options") or {}
    if options.get("include_usage"):
        return False
    changes["stream_options"] = options | {"include_usage": True}
    return True
