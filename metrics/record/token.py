"""Query tokens: the gateway says who may ask the recorder, and for which tenant."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from metrics.record.master import MasterKey

AUDIENCE = "recorder"
ROLES = ("viewer", "reviewer", "policy_owner", "auditor", "admin")
KEEPER = "keeper"  # a role no person can have
_PURPOSE = "query-token"
_FORGED = "the query token was not made by this gateway"


class TokenRefusedError(PermissionError):
    """The token is missing, forged, expired or for somebody else."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows: questions about one tenant, with these roles."""

    sub: str
    tenant: str
    roles: tuple[str, ...]


def secret_of(master: MasterKey) -> bytes:
    """Derive the secret that signs query tokens."""
    return master.derive(_PURPOSE)


def sign(secret: bytes, grant: Grant, now_s: int, ttl_s: int = 300) -> str:
    """Make a token that ends `ttl_s` seconds after `now_s`."""
    claims = {"sub": grant.sub, "tenant": grant.tenant, "roles": list(grant.roles), "aud": AUDIENCE}
    return _serializer(secret).dumps({**claims, "exp": now_s + ttl_s})


def verify(secret: bytes, token: str, now_s: int) -> Grant:
    """Check a token. Raises `TokenRefusedError` with a sentence that names no secret."""
    claims = _claims(secret, token)
    ends = claims.get("exp")
    if claims.get("aud") != AUDIENCE or not isinstance(ends, int):
        raise TokenRefusedError(_FORGED)
    if ends <= now_s:
        raise TokenRefusedError("the query token has expired; ask the gateway for a new one")
    return _grant(claims.get("sub"), claims.get("tenant"), claims.get("roles"))


def _claims(secret: bytes, token: str) -> dict[str, Any]:
    try:
        claims = _serializer(secret).loads(token.encode("ascii"))
    except (BadData, UnicodeEncodeError) as problem:
        raise TokenRefusedError(_FORGED) from problem
    return claims if isinstance(claims, dict) else {}


def _serializer(secret: bytes) -> URLSafeSerializer:
    """Signs with HMAC-SHA256. A token has no header, so none can ask for another way."""
    return URLSafeSerializer(
        secret, _PURPOSE, signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    )


def _grant(sub: object, tenant: object, roles: object) -> Grant:
    if not isinstance(sub, str) or not isinstance(tenant, str) or not tenant or not isinstance(roles, Sequence):
        raise TokenRefusedError("the query token names no tenant or no roles")
    known = tuple(role for role in (*ROLES, KEEPER) if role in roles)
    if not known:
        raise TokenRefusedError("the query token carries no role that may ask questions")
    return Grant(sub, tenant, known)
