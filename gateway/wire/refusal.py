"""What an upstream's error reply becomes for our caller: its code and status where they help, never its secrets."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from gateway.errors import UpstreamRefused

MAX_ERROR_BYTES: Final = 64 * 1024
_MAX_MESSAGE: Final = 2000
_OURS: Final = frozenset({401, 403, 407})  # about our key at the provider, which is not the caller's business
_PASSED: Final = frozenset({400, 404, 408, 409, 413, 415, 422, 429, 503, 504})
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z_]{0,63}|[0-9]{3}")
_KEPT_HEADERS: Final = ("retry-after", "retry-after-ms")


def refusal(status: int, headers: Mapping[str, str], raw: bytes, clean: Callable[[str], str]) -> UpstreamRefused:
    """Translate an upstream's error reply.

    Args:
        status: the upstream's status.
        headers: the upstream's headers.
        raw: the upstream's body.
        clean: redacts a text; upstreams quote the request in their messages.
    """
    if status in _OURS:
        return UpstreamRefused(
            f"The provider refused the gateway's own credentials (status {status}); its operator must set them right.",
            status=502,
            code="upstream_credentials",
            retryable=False,
        )
    error = error_of(raw)
    kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
    return UpstreamRefused(
        _message(status, error, clean),
        status=status if status in _PASSED else 502 if status >= 500 or status < 400 else 400,
        type=_word(error.get("type"), clean) or _type(status),
        code=_word(error.get("code"), clean) or _code(status),
        param=_word(error.get("param"), clean),
        headers=kept,
        retryable=status in (408, 409, 429) or status >= 500,
    )


def error_of(raw: bytes) -> dict[str, Any]:
    """Return the error object of a reply, or what there is of one."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(body, list) and body:  # some gateways wrap it
        body = body[0]
    error = body.get("error", body) if isinstance(body, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _message(status: int, error: Mapping[str, Any], clean: Callable[[str], str]) -> str:
    text = error.get("message")
    if isinstance(text, str) and text:
        return clean(text[:_MAX_MESSAGE])
    return f"The provider answered with status {status} and no explanation."


def _word(value: object, clean: Callable[[str], str]) -> str | None:
    """Return a code as it is; anything else is text and is treated as such."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        return None
    return value if _CODE.fullmatch(value) else clean(value[:200])


def _type(status: int) -> str:
    return "rate_limit_error" if status == 429 else "invalid_request_error" if 400 <= status < 500 else "upstream_error"


def _code(status: int) -> str:
    return {429: "rate_limit_exceeded", 408: "upstream_timeout", 504: "upstream_timeout"}.get(status, "upstream_error")
