"""The embeddings endpoint: what a request must be."""

from typing import Any, Final

from gateway.errors import BadRequest, UpstreamError
from gateway.wire.body import optional, wanted_text
from gateway.wire.endpoint import Endpoint

_TOKENS: Final = (
    "'input' is given as token ids, which cannot be searched for personal data. Send texts instead: "
    "in LangChain set check_embedding_ctx_length=False."
)


def check(body: dict[str, Any]) -> None:
    """Refuse what is no embeddings request, and token ids."""
    wanted_text(body, "model")
    optional(body, "metadata", dict, "an object")
    given = body.get("input")
    if given is None:
        raise BadRequest("Missing required parameter: 'input'.", code="missing_required_parameter", param="input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise BadRequest("'input' must be a text or a list of texts.", code="invalid_type", param="input")
    if all(isinstance(item, str) for item in texts):
        return
    if any(isinstance(item, int | list) for item in texts):
        raise BadRequest(_TOKENS, code="token_input_unsupported", param="input")
    raise BadRequest("'input' must be a text or a list of texts.", code="invalid_type", param="input")


def check_answer(body: dict[str, Any]) -> None:
    """Refuse an answer without vectors."""
    if not isinstance(body.get("data"), list):
        raise UpstreamError("The upstream's answer has no data.", code="upstream_invalid_response")


def _no_reasons(_answer: dict[str, Any]) -> list[str]:
    return []


def _no_chars(_answer: dict[str, Any]) -> int:
    return 0


EMBEDDINGS: Final = Endpoint("embeddings", "/embeddings", check, check_answer, _no_reasons, _no_chars)
