"""Webhooks in and out, signed as Standard Webhooks: an id, a time and an HMAC over both and the body."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from automations.connectors.base import secret
from automations.connectors.http import Request, send

_TOLERANCE_S: Final = 300
_MIN_SECRET: Final = 16
_OBJECT: Final = TypeAdapter(dict[str, Any])

Take = Callable[[str, Any], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class SignedHook:
    """Reads a signed request. `take` makes the inputs from its id and its JSON; a repeat has the id of the first."""

    secret_env: str
    take: Take
    environ: Mapping[str, str]
    clock_s: Callable[[], float] = time.time

    def key(self) -> bytes:
        """Return the key that senders sign with; raise `PermissionError` where the secret is none."""
        return _key(secret(self.environ, self.secret_env))

    def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[Any]:
        """Return the inputs of a request.

        Raises:
            PermissionError: the signature is wrong, or the time is more than five minutes away.
            ValueError: the body is no JSON object that `take` can use.
        """
        told = {name.lower(): value for name, value in headers.items()}
        identity, stamp = told.get("webhook-id", ""), told.get("webhook-timestamp", "")
        if not identity or not stamp.isascii() or not stamp.isdigit():
            raise PermissionError("webhook-id and webhook-timestamp are required")
        if abs(self.clock_s() - int(stamp[:15])) > _TOLERANCE_S:
            raise PermissionError("webhook-timestamp is more than five minutes away")
        wanted = signature(self.key(), identity, stamp, body)
        given = told.get("webhook-signature", "").split()
        if not any(hmac.compare_digest(wanted.encode(), each.encode()) for each in given):
            raise PermissionError("webhook-signature does not fit")
        return self.take(identity, _OBJECT.validate_json(body))


def post_webhook(url: str, secret_text: str, identity: str, payload: Any, timeout_s: float = 15.0) -> None:
    """Post a signed webhook; `identity` is the same for each try.

    Raises:
        Refused, Unavailable: as `http.send` says; a receiver that knows the id does nothing twice.
    """
    body, stamp = json.dumps(payload).encode(), str(int(time.time()))
    headers = {
        "content-type": "application/json",
        "webhook-id": identity,
        "webhook-timestamp": stamp,
        "webhook-signature": signature(_key(secret_text), identity, stamp, body),
    }
    send(Request("POST", url, headers, body, timeout_s, repeatable=True))


def signature(key: bytes, identity: str, stamp: str, body: bytes) -> str:
    """Return `v1,` and the base64 of the HMAC-SHA256 over id, time and body."""
    digest = hmac.digest(key, f"{identity}.{stamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if len(key) < _MIN_SECRET:
        raise PermissionError("the secret must be base64 of at least 16 bytes, with or without `whsec_`")
    return key
