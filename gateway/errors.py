"""Every error the gateway shows a caller, in OpenAI's shape. Messages name rules and fields, never text of a call.

* GatewayError              500 internal_error
  - BadRequest              400 invalid_json, invalid_type, invalid_value, missing_required_parameter, ...
  - BadHttp                 400 invalid_http
  - Unauthorized            401 invalid_api_key
  - TooManyWrongKeys        429 too_many_wrong_keys
  - NotFound                404 unknown_url, not_found
  - Gone                    410 erased
  - WrongMethod             405 method_not_allowed
  - TooLarge                413 request_too_large
  - WrongEncoding           415 unsupported_content_encoding
  - HeadTooLarge            431 headers_too_large
  - Ungoverned              403 ungoverned
  - Refused                 403 content_blocked
  - Held                    423 held_for_review
  - Rejected                403 rejected_by_reviewer
  - ReviewsDown             503 reviews_unavailable
  - AutomationStopped       403 automation_stopped
  - RedactionDown           503 redaction_failed
  - NoRoute                 503 no_route
  - RecordDown              503 record_failed
  - Overloaded              503 overloaded
  - Interrupted             503 interrupted
  - UpstreamError           502 upstream_error, upstream_unreachable, upstream_invalid_response, ...
    · UpstreamTimeout       504 upstream_timeout
    · UpstreamRefused       the upstream's own status and code (400, 404, 422, 429, ...)
    · UpstreamDown          503 upstream_unavailable: its circuit breaker is open
    · UpstreamCut           502 upstream_truncated: a stream that ended without a finish
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson


class GatewayError(Exception):
    """An error with a place in OpenAI's error shape.

    `layer` says which part of the gateway refused; `retryable` False adds `x-should-retry: false`;
    `outcome` is what the record of the call says.
    """

    status: int = 500
    code: str = "internal_error"
    type: str = "server_error"
    layer: ClassVar[str] = "gateway"
    retryable: bool = False
    outcome: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.param = param
        self.headers = headers or {}
        if code is not None:
            self.code = code

    def body(self) -> dict[str, Any]:
        """Return the error as OpenAI's clients read it."""
        return {"error": {"message": str(self), "type": self.type, "param": self.param, "code": self.code}}

    def encoded(self) -> bytes:
        return orjson.dumps(self.body())


class BadRequest(GatewayError):
    status, code, type = 400, "invalid_value", "invalid_request_error"
    layer, outcome = "admit", "refused"


class Unauthorized(BadRequest):
    status, code = 401, "invalid_api_key"


class WrongKey(Unauthorized):
    """A key was sent, and it is none."""


class TooManyWrongKeys(Unauthorized):
    """Too many wrong keys came from one address; a right key is served all the same."""

    status, code, type = 429, "too_many_wrong_keys", "rate_limit_error"


class BadHttp(BadRequest):
    """The bytes are no HTTP request, or contradict themselves."""

    code = "invalid_http"


class NotFound(BadRequest):
    status, code = 404, "not_found"


class Gone(BadRequest):
    """What is asked for was destroyed for good."""

    status, code = 410, "erased"


class WrongMethod(BadRequest):
    status, code = 405, "method_not_allowed"


class TooLarge(BadRequest):
    status, code = 413, "request_too_large"


class WrongEncoding(BadRequest):
    status, code = 415, "unsupported_content_encoding"


class HeadTooLarge(BadRequest):
    status, code = 431, "headers_too_large"


class Ungoverned(GatewayError):
    """No policy governs the key that was used: the call is refused."""

    status, code, type = 403, "ungoverned", "policy_error"
    layer, outcome = "policy", "refused"


class Refused(GatewayError):
    """The policy refuses this request."""

    status, code, type = 403, "content_blocked", "policy_error"
    layer, outcome = "policy", "refused"


class Held(GatewayError):
    """The answer waits for a reviewer; its review is named in the headers."""

    status, code, type = 423, "held_for_review", "policy_error"
    layer, outcome = "policy", "refused"


class Rejected(Refused):
    """A reviewer does not let this answer out, or nobody did in time."""

    code = "rejected_by_reviewer"


class AutomationStopped(Refused):
    """The automation was stopped by a person."""

    code = "automation_stopped"


class ReviewsDown(GatewayError):
    """The answer has to be held, and the store of reviews does not answer: it is not shown."""

    status, code, retryable = 503, "reviews_unavailable", True
    layer = "policy"


class RedactionDown(GatewayError):
    """Text could not be searched, so it goes nowhere."""

    status, code, retryable = 503, "redaction_failed", True
    layer = "redaction"


class NoRoute(GatewayError):
    status, code = 503, "no_route"
    layer = "policy"


class RecordDown(GatewayError):
    """The call could not be recorded, and the policy wants no unrecorded answers."""

    status, code, retryable = 503, "record_failed", True
    layer = "record"


class UpstreamError(GatewayError):
    status, code, type, retryable = 502, "upstream_error", "upstream_error", True
    layer = "upstream"


class UpstreamTimeout(UpstreamError):
    status, code = 504, "upstream_timeout"


class UpstreamDown(UpstreamError):
    """The upstream failed so often that it is not asked now."""

    status, code = 503, "upstream_unavailable"


class UpstreamCut(UpstreamError):
    code, outcome = "upstream_truncated", "truncated"


class UpstreamRefused(UpstreamError):
    """The upstream answered with an error of its own, which keeps its status and code."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        type: str = "upstream_error",  # noqa: A002 - the field's name on the wire
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        retryable: bool = True,
    ) -> None:
        super().__init__(message, code=code, param=param, headers=headers)
        self.status, self.type, self.retryable = status, type, retryable


class Overloaded(GatewayError):
    """This worker serves as many calls as it may."""

    status, code, retryable = 503, "overloaded", True
    layer, outcome = "admit", "refused"


class Interrupted(GatewayError):
    """The gateway stopped before the answer was complete."""

    status, code, retryable = 503, "interrupted", True
    outcome = "interrupted"


def let_go(error: BaseException | None) -> None:
    """Drop the frames of an error and of those behind it: in a cycle, they hold the texts of a call for long."""
    while error is not None and error.__traceback__ is not None:  # one that stands behind itself ends there too
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
