"""Who may use a route of the control plane: by session token, never by cookie, and by role."""

import hmac
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

from gateway.admission import Holder, Limits
from gateway.control.database import Database
from gateway.control.errors import SignInFailed
from gateway.control.identity.roles import Identity, Role, require
from gateway.control.identity.sessions import authenticate
from gateway.requests import body_of, watch_of
from policy.model import Facts


class Require:
    """A dependency that gives the caller's identity; `roles` says what a route needs, nothing: any session."""

    def __init__(self, database: Database, *roles: Role) -> None:
        self._database = database
        self.roles = roles

    def __call__(self, request: Request) -> Identity:
        """Return whose session the request carries.

        Raises:
            SignInFailed: it carries none that is in force.
            NotAllowed: they have none of the roles.
        """
        identity = authenticate(self._database, bearer_token(request))
        watch_of(request).holder = Holder(identity.holder, Facts(identity.tenant, None, None, None, None))
        if self.roles:
            require(identity, identity.tenant, *self.roles)
        return identity


def bearer_token(request: Request) -> str:
    """Return the token of the Authorization header.

    Raises:
        SignInFailed: there is none.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise SignInFailed("Sign in first: send the header Authorization: Bearer sess-...")
    return token.strip()


def client_address(request: Request, dashboard_secret: str | None) -> str:
    """Return the network address the request came from; a dashboard that shows its secret names its browser's."""
    shown, browser = (request.headers.get(name, "") for name in ("x-sluice-dashboard", "x-sluice-browser"))
    if dashboard_secret and browser and hmac.compare_digest(shown.encode(), dashboard_secret.encode()):
        return browser
    return request.client.host if request.client else "unknown"


class SmallBodyRoute(APIRoute):
    """A route that reads small bodies only, and whose answers no cache keeps: they may hold tokens."""

    limits: ClassVar = Limits(body_bytes=64 * 1024)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handler = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            body = await body_of(request, self.limits)
            response = await handler(Request(request.scope, _replay(body)))
            response.headers["cache-control"] = "no-store"
            return response

        return bounded


def _replay(body: bytes) -> Callable[[], Coroutine[Any, Any, Message]]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
