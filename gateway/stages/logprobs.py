"""Asking upstreams for log-probabilities on our own account, and keeping them from callers who did not ask."""

from typing import Any, Final

from gateway.call import ClearAnswer, Route
from gateway.wire.endpoint import Json

_TOP: Final = 2
_INCLUDE: Final = "message.output_text.logprobs"


def asking_logprobs(route: Route) -> Route:
    """Ask for log-probabilities where a scorer of the policy reads them."""
    block = route.request.governed.bound.policy.confidence
    measures = {scorer.measure for scorer in block.scorers if scorer.kind == "logprob"} if block else set()
    if not measures:
        return route
    endpoint, body = route.request.governed.call.endpoint.name, route.body
    if endpoint == "completions":
        return route if body.get("logprobs") else route._replace(body=body | {"logprobs": _TOP}, hides="logprobs")
    asked = bool(body.get("logprobs")) or _INCLUDE in (body.get("include") or ())
    tops = asked and body.get("top_logprobs")
    if tops or (asked and "margin" not in measures):
        return route
    more: Json = {"top_logprobs": _TOP} if "margin" in measures else {}
    if endpoint == "responses":
        more["include"] = sorted({*(body.get("include") or ()), _INCLUDE})
    else:
        more["logprobs"] = True
    return route._replace(body=body | more, hides="top" if asked else "logprobs")


def without_logprobs(answer: ClearAnswer) -> ClearAnswer:
    """Take out what the caller did not ask for, once it was read."""
    hides = answer.answer.route.hides
    if not hides:
        return answer
    restored = tuple(hidden(event, hides) for event in answer.restored)
    return answer._replace(clean=hidden(answer.clean, hides), restored=restored)


def hidden(node: Any, hides: str) -> Any:
    """Give a body or event without log-probabilities, or only without the alternatives in them."""
    if isinstance(node, list):
        return [hidden(each, hides) for each in node]
    if not isinstance(node, dict):
        return node
    said = {name: hidden(value, hides) for name, value in node.items() if name != "logprobs"}
    if "logprobs" in node:
        empty: Any = [] if isinstance(node["logprobs"], list) else None
        said["logprobs"] = empty if hides == "logprobs" else _topless(node["logprobs"])
    return said


def _topless(node: Any) -> Any:
    if isinstance(node, list):
        return [_topless(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {name: [] if name == "top_logprobs" else _topless(value) for name, value in node.items()}
