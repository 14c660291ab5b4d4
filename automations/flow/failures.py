"""What went wrong in a step, in words of a closed list: pure functions over the exception."""

from dataclasses import dataclass
from typing import Final

from openai import APIConnectionError, APIStatusError, APITimeoutError
from pydantic import ValidationError

from automations.flow.signals import Fatal, RetryLater

_CLIENT_ERRORS: Final = range(400, 500)
_TRY_AGAIN: Final = frozenset({408, 409, 425, 429})
_BUSY: Final = frozenset({429, 503})  # nobody looked at the question: no try of this step


class StepTimedOut(Exception):
    """A step took longer than it may."""


class GatewayAway(Exception):
    """The gateway does not answer; the run waits, and no try is counted."""

    def __init__(self, message: str, after_s: float = 2.0) -> None:
        super().__init__(message)
        self.after_s = after_s


_CAUSES: Final = (((StepTimedOut, APITimeoutError, TimeoutError), "timeout"), (Fatal, "fatal"))


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed try. `cause` and `layer` are closed words; `detail` may hold personal data and is only stored sealed.

    `counts`: whether it uses up a try. `after_s`: the other side said when to come again.
    """

    cause: str
    layer: str
    detail: str
    fatal: bool = False
    after_s: float | None = None
    counts: bool = True


def failure_of(error: BaseException, kind: str) -> Failure:
    """Say what an exception means for a step of a kind."""
    layer = {"prompt": "prompt", "retrieve": "retrieval"}.get(kind, "orchestration")
    detail = f"{type(error).__name__}: {error}"[:2000].encode(errors="replace").decode()  # half a character has no JSON
    if isinstance(error, APIStatusError):
        return _of_status(error, detail)
    if isinstance(error, (GatewayAway, RetryLater)):
        away = isinstance(error, GatewayAway)
        cause = "gateway_unreachable" if away else "asked_to_wait"
        return Failure(cause, "gateway" if away else layer, detail, after_s=error.after_s, counts=not away)
    if isinstance(error, APIConnectionError) and not isinstance(error, APITimeoutError):
        return Failure("gateway_unreachable", "gateway", detail, counts=False)
    if isinstance(error, ValidationError):
        return Failure("invalid_output", layer, _shape_of(error))
    cause = next((word for kinds, word in _CAUSES if isinstance(error, kinds)), "error")
    return Failure(cause, layer, detail, fatal=cause == "fatal")


def _of_status(error: APIStatusError, detail: str) -> Failure:
    status, code = error.status_code, error.code or f"status_{error.status_code}"
    fatal = status in _CLIENT_ERRORS and status not in _TRY_AGAIN
    return Failure(_word(code), "gateway", detail, fatal, _retry_after_s(error), counts=status not in _BUSY)


def _retry_after_s(error: APIStatusError) -> float | None:
    try:
        return max(0.0, float(error.response.headers.get("retry-after", "")))
    except ValueError:
        return None


def _word(code: str) -> str:
    return code if code.replace("_", "").isalnum() and code.islower() else "refused"


def _shape_of(error: ValidationError) -> str:
    """Name the fields that do not fit, without their values."""
    places = [f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in error.errors(include_input=False)]
    return "; ".join(places)[:2000]
