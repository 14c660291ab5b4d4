"""Query tokens: the gateway says who may ask the recorder, and for which tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jwt

from metrics.record.master import MasterKey

AUDIENCE = "recorder"
ROLES = ("viewer", "reviewer", "policy_owner", "auditor", "admin")
KEEPER = "keeper"  # a role no person can have
_PURPOSE = "query-token"


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
    return jwt.encode({**claims, "exp": now_s + ttl_s}, secret, algorithm="HS256")


def verify(secret: bytes, token: str, now_s: int) -> Grant:
    """Check a token. Raises `TokenRefusedError` with a sentence that names no secret."""
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            audience=AUDIENCE,
            options={"require": ["exp", "aud", "sub"], "verify_exp": False},
        )
    except jwt.InvalidTokenError as problem:
        raise TokenRefusedError("the query token was not made by this gateway") from problem
    if not isinstance(claims["exp"], int) or claims["exp"] <= now_s:
        raise TokenRefusedError("the query token has expired; ask the gateway for a new one")
    return _grant(claims.get("sub"), claims.get("tenant"), claims.get("roles"))


def _grant(sub: object, tenant: object, roles: object) -> Grant:
    if not isinstance(sub, str) or not isinstance(tenant, str) or not tenant or not isinstance(roles, Sequence):
        raise TokenRefusedError("the query token names no tenant or no roles")
    known = tuple(role for role in (*ROLES, KEEPER) if role in roles)
    if not known:
        raise TokenRefusedError("the query token carries no role that may ask questions")
    return Grant(sub, tenant, known)
