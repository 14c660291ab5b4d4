"""Why the control database refused: one branch of the gateway's tree of errors.

Messages are sentences for the caller. They never carry an e-mail address, a key, a token or SQL.

* ControlError           500 control_error
  - ControlUnavailable   503 control_unavailable (the only one worth retrying)
    - ControlReadOnly    503 control_unavailable
  - LayoutTooNew         503 control_layout_too_new
  - InvalidInput         400 invalid_value
  - SignInFailed         401 sign_in_failed
  - NotAllowed           403 not_allowed
  - NotFound             404 not_found
  - Conflict             409 conflict
  - TooManyAttempts      429 too_many_attempts
"""

from gateway.errors import GatewayError


class ControlError(GatewayError):
    code = "control_error"
    layer = "control"


class ControlUnavailable(ControlError):
    """The control database cannot be reached or did not answer in time."""

    status, code, retryable = 503, "control_unavailable", True


class ControlReadOnly(ControlUnavailable):
    """The control database answers, but takes no changes."""


class LayoutTooNew(ControlError):
    """The database was written by a newer Sluice."""

    status, code = 503, "control_layout_too_new"


class InvalidInput(ControlError):
    """A value cannot be used; `param` names it."""

    status, code, type = 400, "invalid_value", "invalid_request_error"
    outcome = "refused"

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message, param=param)


class SignInFailed(ControlError):
    """Credentials or session are unknown, wrong, used, expired or revoked. Never says which."""

    status, code, type = 401, "sign_in_failed", "invalid_request_error"
    outcome = "refused"


class NotAllowed(ControlError):
    """The caller is known, but may not do this."""

    status, code, type = 403, "not_allowed", "invalid_request_error"
    outcome = "refused"


class NotFound(ControlError):
    """There is no such thing in the caller's tenant."""

    status, code, type = 404, "not_found", "invalid_request_error"
    outcome = "refused"


class Conflict(ControlError):
    """The thing exists already, or was changed by somebody else in between."""

    status, code, type = 409, "conflict", "invalid_request_error"
    outcome = "refused"


class TooManyAttempts(ControlError):
    """Too many failed sign-ins; `retry_after_s` says how long to wait."""

    status, code, type = 429, "too_many_attempts", "invalid_request_error"
    outcome = "refused"

    def __init__(self, retry_after_s: int) -> None:
        sentence = f"Too many failed sign-ins; try again in {retry_after_s} seconds."
        super().__init__(sentence, headers={"retry-after": str(retry_after_s)})
        self.retry_after_s = retry_after_s
