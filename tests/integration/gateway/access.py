"""Who may use which route: one row for each route of the gateway. A route without a row fails the tests."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

from gateway.app import Gateway, create_app
from gateway.control.identity.roles import Role
from gateway.control.weekly import WRITERS
from gateway.routes.all import routers
from gateway.settings import load
from gateway.wiring import open_parts

OPEN, KEY, SESSION = "open", "key", "session"
ASK: Final[Any] = {"model": "gpt-test", "messages": [{"role": "user", "content": "Hello."}]}


@dataclass(frozen=True)
class Row:
    """`who` is OPEN, KEY (an API key of the tenant), SESSION (any session) or the roles of which one is needed.

    `names` says that the path names something of one tenant: for another it is not there.
    """

    who: str | tuple[Role, ...]
    body: Any = None
    names: bool = False


ROWS: Final[Mapping[str, Row]] = {
    "GET /healthz": Row(OPEN),
    "GET /readyz": Row(OPEN),
    "GET /status": Row(OPEN),
    "GET /openapi.json": Row(OPEN),
    "POST /auth/login": Row(OPEN, {"email": "nobody@example.com", "password": "wrong"}),
    "POST /auth/link": Row(OPEN, {"token": "link-wrong"}),
    "GET /metrics": Row(KEY),
    "POST /v1/chat/completions": Row(KEY, ASK),
    "POST /v1/completions": Row(KEY, {"model": "gpt-test", "prompt": "Hello."}),
    "POST /v1/embeddings": Row(KEY, {"model": "gpt-test", "input": "Hello."}),
    "GET /v1/models": Row(KEY),
    "GET /v1/models/{model}": Row(KEY),
    "POST /v1/responses": Row(KEY, {"model": "gpt-test", "input": "Hello."}),
    "GET /v1/responses/{response_id}": Row(KEY, names=True),
    "GET /v1/responses/{response_id}/input_items": Row(KEY, names=True),
    "POST /v1/responses/{response_id}/cancel": Row(KEY, {}, names=True),
    "DELETE /v1/responses/{response_id}": Row(KEY, names=True),
    "POST /v1/redact/inspect": Row(KEY, {"text": "Write to ann@example.com."}),
    "POST /v1/run-keys": Row(KEY, {"runs": [{"run": "FRESH"}]}),
    "POST /v1/run-keys/open": Row(KEY, {"run": "run_x"}, names=True),
    "POST /v1/permits": Row(KEY, {"run": "run_x", "action": "send_reply"}),
    "POST /v1/events": Row(KEY, {"id": "FRESH", "kind": "note"}),
    "POST /v1/outcomes": Row(
        KEY, {"id": "FRESH", "run_id": "run-1", "metric": "success", "value": True, "source": "human"}
    ),
    "GET /v1/calls/{call_id}": Row(KEY, names=True),
    "GET /v1/holds/{review_id}": Row(KEY, names=True),
    "GET /auth/me": Row(SESSION),
    "POST /auth/logout": Row(SESSION, {}),
    "POST /auth/password": Row(SESSION, {"password": "correct horse battery"}),
    "POST /auth/query-token": Row(("viewer",), {}),
    "GET /admin/keys": Row(("admin", "policy_owner", "auditor")),
    "POST /admin/keys": Row(("admin",), {"name": "FRESH"}),
    "POST /admin/keys/{key_id}/confirm": Row(("admin",), {}, names=True),
    "DELETE /admin/keys/{key_id}": Row(("admin",), names=True),
    "GET /admin/users": Row(("admin", "auditor")),
    "POST /admin/users": Row(("admin",), {"email": "FRESH@example.com", "roles": []}),
    "POST /admin/users/{user_id}/link": Row(("admin",), {}, names=True),
    "PUT /admin/users/{user_id}/roles": Row(("admin",), {"roles": ["viewer"]}, names=True),
    "DELETE /admin/users/{user_id}": Row(("admin",), names=True),
    "GET /admin/services": Row(("admin", "auditor")),
    "POST /admin/services": Row(("admin",), {"name": "FRESH", "roles": []}),
    "POST /admin/services/{principal_id}/token": Row(("admin",), {}, names=True),
    "PUT /admin/services/{principal_id}/roles": Row(("admin",), {"roles": ["viewer"]}, names=True),
    "DELETE /admin/services/{principal_id}": Row(("admin",), names=True),
    "GET /admin/doctor": Row(("admin", "auditor")),
    "GET /admin/policy-state": Row(("viewer",)),
    "GET /registry": Row(("viewer",)),
    "GET /admin/settings": Row(("admin", "auditor")),
    "GET /reviews": Row(("reviewer", "auditor", "admin")),
    "GET /reviews/{review_id}": Row(("reviewer", "auditor", "admin"), names=True),
    "POST /reviews/{review_id}/reveal": Row(("auditor", "admin"), {}, names=True),
    "POST /reviews/{review_id}/approve": Row(("reviewer",), {}, names=True),
    "POST /reviews/{review_id}/edit": Row(("reviewer",), {"text": "Another answer."}, names=True),
    "POST /reviews/{review_id}/reject": Row(("reviewer",), {}, names=True),
    "POST /reviews/{review_id}/assign": Row(("reviewer",), {"to": "me"}, names=True),
    "POST /reviews/{review_id}/comment": Row(("reviewer",), {"comment": "Look again."}, names=True),
    "POST /reviews/{review_id}/redeliver": Row(("reviewer", "admin"), {}, names=True),
    "GET /weekly": Row(("viewer",)),
    "GET /weekly/items": Row(("viewer",)),
    "POST /weekly/{week}/items": Row(WRITERS, {"text": "Call them.", "owner": "Ann", "automation": "drafting"}),
    "POST /weekly/items/{item_id}/close": Row(WRITERS, {"state": "done"}, names=True),
    "POST /weekly/{week}/freeze": Row(WRITERS, {}),
    "GET /weekly/{week}": Row(("viewer",), names=True),
    "POST /subjects/search": Row(("auditor", "admin"), {"subject": "person"}),
    "POST /subjects/export": Row(("auditor", "admin"), {"value": "ann@example.com"}),
    "POST /subjects/erase": Row(("admin",), {"subject": "person", "basis": "gdpr-17"}),
    "GET /subjects/erasures": Row(("auditor", "admin")),
    "GET /subjects/erasures/{erasure_id}": Row(("auditor", "admin"), names=True),
    "GET /retention/plan": Row(("auditor", "admin")),
    "GET /retention/runs": Row(("auditor", "admin")),
    "GET /retention/holds": Row(("auditor", "admin")),
    "POST /retention/holds": Row(("auditor", "admin"), {"reference": "FRESH", "automation": "drafting"}),
    "DELETE /retention/holds/{hold_id}": Row(("admin",), names=True),
    "GET /stops": Row(("viewer",)),
    "PUT /stops/{automation}": Row(("policy_owner", "reviewer", "admin")),
    "DELETE /stops/{automation}": Row(("policy_owner", "admin")),
}


def offered(app: Gateway) -> set[str]:
    """Return every route of an app as `METHOD path`; those of the OpenAI wire as their rows name them."""
    found = {f"{method} {route.path}" for route in _flat(app.routes) for method in (route.methods or set()) - {"HEAD"}}
    for path in app.direct:
        rows = {row for row in ROWS if row.split(" ")[1] == path or row.split(" ")[1].startswith(f"{path}/")}
        found |= rows or {f"ANY {path}"}
    return found


async def offered_by_a_worker(folder: Path) -> set[str]:
    """Wire up a worker with an empty data folder; return its routes."""
    async with open_parts(load({}, folder), {}, "test") as parts:
        return offered(create_app(parts.pipeline, routers(parts), kept=parts.responses))


def _flat(routes: Iterable[BaseRoute]) -> list[Route | APIRoute]:
    found: list[Route | APIRoute] = []
    for route in routes:
        inner = getattr(route, "original_router", None)
        found += [route] if isinstance(route, Route | APIRoute) else _flat(inner.routes if inner else ())
    return found
