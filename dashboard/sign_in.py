"""The door: a plain sign-in page, a session cookie no script can read, and nothing behind it without one."""

from collections.abc import Awaitable, Callable
from html import escape
from typing import Any
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from dashboard.gateway import Gateway, GatewayUnreachable, SignInRequired

COOKIE = "sluice_session"
# The session is a secret of the gateway's: no script reads it, no other site sends it, it ends with the gateway's session.
COOKIE_OPTIONS: dict[str, Any] = {"httponly": True, "samesite": "lax", "path": "/", "max_age": 12 * 3600}
# Streamlit needs inline styles, eval for its charts and its own websocket; nothing may come from another host.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws: wss:; worker-src 'self' blob:; "
    "frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
SECURITY_HEADERS = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sign in - Sluice</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body {{ font: 16px/1.5 system-ui, sans-serif; background: #f6f7f9; color: #1c2430; display: grid; place-items: center; min-height: 100vh; margin: 0 }}
main {{ background: #fff; padding: 2rem 2.2rem; border-radius: 12px; box-shadow: 0 1px 8px #0002; width: 22rem }}
h1 {{ margin: 0 0 .3rem; font-size: 1.4rem }} p {{ margin: .2rem 0 1rem; color: #56606e }}
label {{ display: block; margin-top: .8rem }} input {{ width: 100%; box-sizing: border-box; padding: .5rem; font: inherit; border: 1px solid #b7bfca; border-radius: 6px }}
button {{ margin-top: 1.2rem; width: 100%; padding: .6rem; font: inherit; color: #fff; background: #0b6e6e; border: 0; border-radius: 6px; cursor: pointer }}
[role=alert] {{ background: #fdecea; color: #8a1c12; padding: .5rem .7rem; border-radius: 6px }}
@media (prefers-color-scheme: dark) {{ body {{ background: #14181f; color: #e8ebf0 }} main {{ background: #1f2530 }} p {{ color: #a7b0bd }} input {{ background: #14181f; color: inherit }} }}
</style></head><body><main><h1>Sluice</h1><p>Sign in with the one-time link that <code>sluice up</code> printed, or here.</p>
{problem}<form method="post" action="/sign-in"><label>E-mail<input name="email" type="email" autocomplete="username" required autofocus></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required></label>
<button>Sign in</button></form></main></body></html>"""


def page(problem: str = "", status: int = 200) -> HTMLResponse:
    """Return the sign-in page, with one sentence on what went wrong."""
    alert = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    return HTMLResponse(PAGE.format(problem=alert), status, headers={"cache-control": "no-store"})


def routes(gateway: Gateway) -> list[Route]:
    """Return the pages outside the dashboard: sign in and sign out."""

    async def show(request: Request) -> Response:
        return page()

    async def sign_in(request: Request) -> Response:
        form = parse_qs((await request.body())[:10_000].decode("utf-8", "replace"))
        email, password = (form.get(name, [""])[0] for name in ("email", "password"))
        return await _enter(lambda: gateway.sign_in(email, password))

    async def sign_out(request: Request) -> Response:
        session = request.cookies.get(COOKIE)
        if session:
            try:
                await run_in_threadpool(gateway.sign_out, session)
            except (SignInRequired, GatewayUnreachable):
                pass  # the cookie goes all the same
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
    """ASGI middleware: redeems `/?login=TOKEN`, sends the signed-out to the sign-in page, and sets the security headers."""

    def __init__(self, app: Callable[..., Awaitable[None]], gateway: Gateway) -> None:
        self.app, self.gateway = app, gateway

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "websocket" and not _signed_in(scope):
            await send({"type": "websocket.close", "code": 4401})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = await self._answer_at_door(scope)
        target = answer or self.app
        await target(scope, receive, _with_headers(send))

    async def _answer_at_door(self, scope: dict[str, Any]) -> Response | None:
        if scope["method"] not in {"GET", "HEAD"} or not _is_page(scope["path"]):
            return None
        token = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("login", [""])[0]
        if token:
            return await _enter(lambda: self.gateway.redeem(token))
        return None if _signed_in(scope) else RedirectResponse("/sign-in", 303)


def _is_page(path: str) -> bool:
    """Return whether this is a page of the dashboard: not Streamlit's own files or health check, not the door itself."""
    return path not in {"/sign-in", "/sign-out"} and not path.startswith("/_stcore/") and "." not in path.rsplit("/", 1)[-1]


def _signed_in(scope: dict[str, Any]) -> bool:
    """Return whether a session cookie is there; whether it still holds is asked of the gateway at every script run."""
    cookies = b";".join(value for name, value in scope["headers"] if name == b"cookie").decode("latin-1")
    return any(part.strip().startswith(f"{COOKIE}=sess-") for part in cookies.split(";"))


def _with_headers(send: Any) -> Any:
    async def wrapped(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *SECURITY_HEADERS]}
        await send(message)

    return wrapped
