"""The door: a plain sign-in page, a session cookie no script can read, and nothing behind it without one."""

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from dashboard.gateway import Gateway, GatewayUnreachable, SignInRequired

COOKIE = "sluice_session"
# The session is a secret of the gateway's: no script reads it, and no other site can make a browser post with it.
COOKIE_OPTIONS: dict[str, Any] = {"httponly": True, "samesite": "lax", "path": "/", "max_age": 12 * 3600}
# Streamlit needs inline styles, eval for its charts and its own websocket; nothing may come from another host.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
SECURITY_HEADERS = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
)

# What is there for everybody: the door itself, Streamlit's own scripts and pictures, and the health check.
OPEN_PATHS = frozenset(
    {"/sign-in", "/sign-out", "/_stcore/health", "/_stcore/host-config", "/favicon.png", "/favicon.ico"}
)
OPEN_BELOW = "/static/"

PAGE = Path(__file__).with_name("sign_in.html")


def page(problem: str = "", status: int = 200) -> HTMLResponse:
    """Return the sign-in page, with one sentence on what went wrong."""
    alert = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    html = PAGE.read_text("utf-8").replace("<!-- problem -->", alert)
    return HTMLResponse(html, status, headers={"cache-control": "no-store"})


def routes(gateway: Gateway) -> list[Route]:
    """Return the pages outside the dashboard: sign in and sign out."""

    async def show(request: Request) -> Response:
        return page()

    async def sign_in(request: Request) -> Response:
        form = parse_qs((await request.body())[:10_000].decode("utf-8", "replace"))
        email, password = (form.get(name, [""])[0] for name in ("email", "password"))
        return await _enter(lambda: gateway.sign_in(email, password, _browser(request.scope)))

    async def sign_out(request: Request) -> Response:
        session = request.cookies.get(COOKIE)
        if session:
            with suppress(SignInRequired, GatewayUnreachable):  # the cookie goes all the same
                await run_in_threadpool(gateway.sign_out, session)
        response = RedirectResponse("/sign-in", 303)
        response.delete_cookie(COOKIE, path="/")
        return response

    return [
        Route("/sign-in", show, methods=["GET"]),
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/sign-out", sign_out, methods=["GET", "POST"]),
    ]


async def _enter(exchange: Callable[[], str]) -> Response:
    try:
        session = await run_in_threadpool(exchange)
    except SignInRequired as error:
        return page(str(error), 401)
    except GatewayUnreachable as error:
        return page(str(error), 503)
    response = RedirectResponse("/", 303)
    response.set_cookie(COOKIE, session, **COOKIE_OPTIONS)
    return response


class Door:
    """ASGI middleware: redeems `/?login=TOKEN`, sends the signed-out to the sign-in page, sets security headers."""

    def __init__(self, app: Callable[..., Awaitable[None]], gateway: Gateway) -> None:
        self.app, self.gateway = app, gateway

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "websocket" and not _signed_in(scope):
            await send({"type": "websocket.close", "code": 4401})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = await self._answer_at_door(scope)
        target = answer or self.app
        await target(scope, receive, _with_headers(send))

    async def _answer_at_door(self, scope: MutableMapping[str, Any]) -> Response | None:
        """Let through whoever is signed in, and to what is open; answer everybody else here."""
        path: str = scope["path"]
        if path in OPEN_PATHS or (path.startswith(OPEN_BELOW) and ".." not in path):
            return None
        reading = scope["method"] in {"GET", "HEAD"}
        token = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("login", [""])[0]
        if token and reading:
            return await _enter(lambda: self.gateway.redeem(token, _browser(scope)))
        if _signed_in(scope):
            return None
        return RedirectResponse("/sign-in", 303) if reading else PlainTextResponse("Sign in first.", 401)


def _browser(scope: MutableMapping[str, Any]) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _signed_in(scope: MutableMapping[str, Any]) -> bool:
    """Return whether a session cookie is there; the gateway is asked at every script run whether it still holds."""
    cookies = b";".join(value for name, value in scope["headers"] if name == b"cookie").decode("latin-1")
    return any(part.strip().startswith(f"{COOKIE}=sess-") for part in cookies.split(";"))


def _with_headers(send: Any) -> Any:
    async def wrapped(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *SECURITY_HEADERS]}
        await send(message)

    return wrapped
