"""What callers see of an upstream's errors: codes they branch on stay, credentials and quoted texts do not."""

import orjson
import pytest

from gateway.errors import GatewayError
from gateway.wire import headers
from gateway.wire.refusal import refusal


def clean(text: str) -> str:
    return text.replace("ann@example.com", "<EMAIL_ADDRESS>")


def raw(**error: object) -> bytes:
    return orjson.dumps({"error": error})


def test_the_code_and_status_of_a_refused_request_stay() -> None:
    error = refusal(
        400, {}, raw(message="too long", type="invalid_request_error", code="context_length_exceeded"), clean
    )
    assert (error.status, error.code, error.type) == (400, "context_length_exceeded", "invalid_request_error")
    assert headers.NO_RETRY in headers.of_error(error)


def test_rate_limits_keep_retry_after() -> None:
    error = refusal(
        429, {"retry-after": "7", "set-cookie": "x"}, raw(message="slow", code="rate_limit_exceeded"), clean
    )
    assert (error.status, error.code, error.headers) == (429, "rate_limit_exceeded", {"retry-after": "7"})
    assert headers.NO_RETRY not in headers.of_error(error)


@pytest.mark.parametrize("status", [401, 403, 407])
def test_our_own_credentials_are_not_the_callers_business(status: int) -> None:
    error = refusal(status, {}, raw(message="bad key sk-upstream-123", code="invalid_api_key"), clean)
    assert (error.status, error.code, error.retryable) == (502, "upstream_credentials", False)
    assert "sk-upstream" not in str(error)


def test_texts_are_redacted() -> None:
    error = refusal(400, {}, raw(message="bad: ann@example.com", param="ann@example.com"), clean)
    assert (str(error), error.param) == ("bad: <EMAIL_ADDRESS>", "<EMAIL_ADDRESS>")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'{"error": "plain"}', b'[{"error": {"message": 1}}]']
)
@pytest.mark.parametrize(("status", "shown"), [(500, 502), (503, 503), (529, 502), (302, 502), (418, 400)])
def test_odd_errors_become_openai_errors(body: bytes, status: int, shown: int) -> None:
    error = refusal(status, {}, body, clean)
    assert error.status == shown
    assert set(error.body()["error"]) == {"message", "type", "param", "code"}
    assert isinstance(error, GatewayError)
    assert str(error)
