"""`/auth`: signing in and out, and the token with which the recorder is asked."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from gateway.control.database import Clock, Database
from gateway.control.identity.login import sign_in, sign_in_by_link
from gateway.control.identity.roles import Identity
from gateway.control.identity.sessions import NewSession, end_session
from gateway.control.identity.users import email_of, set_password
from gateway.routes.access import Require, SmallBodyRoute, client_address
from metrics.record import token
from metrics.record.master import MasterKey

QUERY_TOKEN_S: Final = 60  # so long roles that were taken away, or a session that ended, can still ask the recorder
SignQueryToken = Callable[[Identity, int], str]


def _hashing_gate() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(2)


@dataclass(frozen=True, slots=True)
class SignInDesk:
    """What signing in needs. `gate` keeps password checks, 32 MB and 0.1 s each, from crowding out calls."""

    database: Database
    sign_query_token: SignQueryToken
    recorder_url: str
    dashboard_secret: str | None = field(default=None, repr=False)
    gate: threading.BoundedSemaphore = field(default_factory=_hashing_gate)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Credentials(_Body):
    """What `/auth/login` takes."""

    email: str = Field(max_length=320)
    password: str = Field(max_length=1024)


class LinkToken(_Body):
    """What `/auth/link` takes."""

    token: str = Field(max_length=256)


class NewPassword(_Body):
    """What `/auth/password` takes."""

    password: str = Field(max_length=1024)


def identity_router(desk: SignInDesk) -> APIRouter:
    """Build the routes below `/auth`."""
    router = APIRouter(prefix="/auth", route_class=SmallBodyRoute, tags=["identity"])
    _add_sign_in(router, desk)
    _add_session(router, desk)
    return router


def query_signer(master: MasterKey, clock_us: Clock) -> SignQueryToken:
    """Return the function that signs tokens for the recorder: who asks, for which tenant, with which roles."""
    secret = token.secret_of(master)

    def sign(by: Identity, ttl_s: int) -> str:
        grant = token.Grant(by.holder, by.tenant, tuple(sorted(by.roles)))
        return token.sign(secret, grant, clock_us() // 1_000_000, ttl_s)

    return sign


def _add_sign_in(router: APIRouter, desk: SignInDesk) -> None:
    @router.post("/login")
    def login(body: Credentials, request: Request) -> dict[str, Any]:
        with desk.gate:
            return _shown(sign_in(desk.database, body.email, body.password, _whence(desk, request)))

    @router.post("/link")
    def link(body: LinkToken, request: Request) -> dict[str, Any]:
        return _shown(sign_in_by_link(desk.database, body.token, _whence(desk, request)))


def _whence(desk: SignInDesk, request: Request) -> str:
    return client_address(request, desk.dashboard_secret)


def _add_session(router: APIRouter, desk: SignInDesk) -> None:
    anybody, viewer = Depends(Require(desk.database)), Depends(Require(desk.database, "viewer"))

    @router.get("/me")
    def me(by: Identity = anybody) -> dict[str, Any]:
        email = email_of(desk.database, by.tenant, by.holder)
        return {
            "id": by.holder,
            "name": email or by.holder,
            "email": email,
            "tenant": by.tenant,
            "roles": sorted(by.roles),
            "expires_at": _seconds(by.expires_us),
        }

    @router.post("/logout")
    def logout(by: Identity = anybody) -> dict[str, Any]:
        end_session(desk.database, by)
        return {"signed_out": True}

    @router.post("/password")
    def password(body: NewPassword, by: Identity = anybody) -> dict[str, Any]:
        with desk.gate:
            set_password(desk.database, by.tenant, by.holder, body.password, by)
        return {"changed": True}

    @router.post("/query-token")
    def query_token(by: Identity = viewer) -> dict[str, Any]:
        signed = desk.sign_query_token(by, QUERY_TOKEN_S)
        return {"token": signed, "expires_in_s": QUERY_TOKEN_S, "recorder_url": desk.recorder_url}


def _shown(session: NewSession) -> dict[str, Any]:
    return {"session": session.token, "expires_at": _seconds(session.expires_us)}


def _seconds(time_us: int | None) -> int | None:
    return None if time_us is None else time_us // 1_000_000
