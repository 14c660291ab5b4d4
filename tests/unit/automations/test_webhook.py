"""Webhooks: only what is signed, whole and recent is read."""

import base64
import json
from typing import Any

import pytest

from automations.connectors.base import Refused
from automations.connectors.webhook import SignedHook, signature

KEY = b"0123456789abcdef0123456789abcdef"
ENV = {"HOOK_SECRET": "whsec_" + base64.b64encode(KEY).decode()}
NOW_S = 1_700_000_000
BODY = json.dumps({"ticket": 7}).encode()


def hook(environ: dict[str, str] = ENV) -> SignedHook:
    return SignedHook("HOOK_SECRET", lambda identity, payload: [(identity, payload)], environ, lambda: NOW_S)


def headers(identity: str = "msg_1", stamp: str = str(NOW_S), body: bytes = BODY) -> dict[str, str]:
    signed = signature(KEY, identity, stamp, body)
    return {"Webhook-Id": identity, "webhook-timestamp": stamp, "webhook-signature": f"v1,abc {signed}"}


def test_the_published_example_of_standard_webhooks() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    said = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_signed_request_is_read() -> None:
    assert hook().read(headers(), BODY) == [("msg_1", {"ticket": 7})]


@pytest.mark.parametrize(
    ("told", "body"),
    [
        ({}, BODY),
        (headers(), BODY + b" "),
        (headers() | {"Webhook-Id": "msg_2"}, BODY),
        (headers() | {"webhook-timestamp": str(NOW_S + 1)}, BODY),
        (headers(stamp=str(NOW_S - 301)), BODY),
        (headers(stamp=str(NOW_S + 301)), BODY),
        (headers(stamp="9" * 400), BODY),
        (headers(stamp="²"), BODY),
        (headers() | {"webhook-signature": "v1,ä"}, BODY),
    ],
)
def test_anything_else_is_not(told: dict[str, Any], body: bytes) -> None:
    with pytest.raises(PermissionError):
        hook().read(told, body)


@pytest.mark.parametrize("body", [b"", b"[1]", b"nonsense", b"\xff", b"null"])
def test_a_signed_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        hook().read(headers(body=body), body)


def test_without_a_proper_secret_nothing_is_read() -> None:
    with pytest.raises(Refused, match="HOOK_SECRET is not set"):
        hook({}).read(headers(), BODY)
    for short in ("", "whsec_", "whsec_AAAA", "not base64!"):
        with pytest.raises((PermissionError, Refused)):
            hook({"HOOK_SECRET": short}).read(headers(), BODY)
