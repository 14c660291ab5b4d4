"""`/auth` and `/admin`: roles on every route, tenants apart, errors in OpenAI's shape."""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIRouter
from fastapi.testclient import TestClient

from gateway.app import create_app
from gateway.control.budgets import Allowance, ControlStore, Settled, Wish
from gateway.control.database import Database
from gateway.control.errors import ControlError
from gateway.control.identity.bootstrap import OPERATOR_ID, bootstrap
from gateway.control.identity.login import create_link, sign_in_by_link
from gateway.control.identity.roles import ROLES, local_operator
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.identity.users import create_user
from gateway.control.learned import Lesson, keep
from gateway.providers.scripted import ScriptedProvider
from gateway.routes.access import Require
from gateway.routes.admin import admin_router
from gateway.routes.identity import SignInDesk, identity_router, query_signer
from gateway.routes.policy_state import policy_state_router
from metrics.record import token
from metrics.record.journal import MemoryJournal
from metrics.record.master import MasterKey
from tests.contract.control.clock import Clock
from tests.unit.gateway.making import pipeline, snapshot

ROOT = Path(__file__).parents[3]
MASTER = MasterKey(b"k" * 32)
SECRET = "of-the-dashboard-1"
PASSWORD = "correct horse battery"
PATHS = {"key_id": "key_none", "user_id": "usr_none", "principal_id": "svc_none"}


def routers(database: Database) -> list[APIRouter]:
    desk = SignInDesk(database, query_signer(MASTER, database.clock_us), "http://127.0.0.1:8081", SECRET)
    return [identity_router(desk), admin_router(database), policy_state_router(database)]


@dataclass
class Caller:
    """Sends requests with one session."""

    client: TestClient
    token: str | None

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        content = None if body is None else json.dumps(body)
        response = self.client.request(
            method, path, content=content, headers={**headers, "content-type": "application/json"}
        )
        assert response.headers["content-type"] == "application/json"
        return response.status_code, response.json()


@pytest.fixture
def client(database: Database, tmp_path: Path) -> Iterator[TestClient]:
    bootstrap(database, None)
    ensure_tenant(database, "other")
    with TestClient(app_of(database, tmp_path), raise_server_exceptions=False) as made:
        yield made


def app_of(database: Database, folder: Path) -> FastAPI:
    idle = pipeline(snapshot(folder), ScriptedProvider([]), MemoryJournal())  # no model endpoint is called here
    return create_app(idle, routers(database))


def session_of(database: Database, tenant: str, email: str, roles: list[str]) -> str:
    operator = local_operator(tenant)
    user = create_user(database, tenant, email, roles, operator)
    return sign_in_by_link(database, create_link(database, tenant, user.user_id, operator), "test").token


@pytest.fixture
def admin(client: TestClient, database: Database) -> Caller:
    link = create_link(database, "default", OPERATOR_ID, local_operator("default"))
    return Caller(client, sign_in_by_link(database, link, "test").token)


@pytest.fixture
def nobody(client: TestClient) -> Caller:
    return Caller(client, None)


def test_a_link_a_password_and_a_query_token(client: TestClient, admin: Caller, nobody: Caller, clock: Clock) -> None:
    status, made = admin("POST", "/admin/users", {"email": "rita@example.com", "roles": ["reviewer"]})
    assert (status, made["roles"], made["has_password"]) == (200, ["reviewer"], False)
    status, session = nobody("POST", "/auth/link", {"token": made["link_token"]})
    assert status == 200
    rita = Caller(client, session["session"])
    assert rita("POST", "/auth/password", {"password": PASSWORD})[0] == 200
    status, session = nobody("POST", "/auth/login", {"email": "rita@example.com", "password": PASSWORD})
    assert status == 200
    rita = Caller(client, session["session"])
    status, me = rita("GET", "/auth/me")
    assert (status, me["email"], me["tenant"], me["roles"]) == (200, "rita@example.com", "default", ["reviewer"])
    assert me["expires_at"] == session["expires_at"]
    status, made_token = rita("POST", "/auth/query-token", {})
    assert (status, made_token["expires_in_s"], made_token["recorder_url"]) == (200, 60, "http://127.0.0.1:8081")
    now_s, secret = clock() // 1_000_000, token.secret_of(MASTER)
    assert token.verify(secret, made_token["token"], now_s) == token.Grant(made["id"], "default", ("reviewer",))
    with pytest.raises(token.TokenRefusedError):
        token.verify(secret, made_token["token"], now_s + 60)
    assert rita("POST", "/auth/logout") == (200, {"signed_out": True})
    assert rita("GET", "/auth/me")[0] == 401


def test_browsers_behind_the_dashboard_are_counted_apart_but_only_the_dashboard_may_name_them(
    client: TestClient,
) -> None:
    links = itertools.count()

    def guess(browser: str, secret: str = SECRET) -> int:
        headers = {"x-sluice-browser": browser, "x-sluice-dashboard": secret}
        return client.post("/auth/link", json={"token": f"link-{next(links)}"}, headers=headers).status_code

    assert {guess("192.0.2.1") for _ in range(50)} == {401}
    assert (guess("192.0.2.1"), guess("192.0.2.2")) == (429, 401)
    assert {guess(f"198.51.100.{n}", "somebody-else-1234") for n in range(50)} == {401}
    assert guess("203.0.113.9", "somebody-else-1234") == 429
    assert guess("203.0.113.9") == 401
    assert {guess(f"2001:db8::{n:x}") for n in range(50)} == {401}
    assert (guess("2001:db8::ffff"), guess("2001:db8:0:1::1")) == (429, 401)


def test_keys_are_made_shown_once_and_revoked(admin: Caller) -> None:
    status, made = admin("POST", "/admin/keys", {"automation": "triage", "team": "support", "expires_in_s": 3600})
    assert status == 200
    assert made["key"].startswith("sk-sluice-")
    assert made["expires_at"] == made["created_at"] + 3600
    status, listed = admin("GET", "/admin/keys")
    assert [key["id"] for key in listed["data"]] == [made["id"]]
    assert "key" not in listed["data"][0]
    status, revoked = admin("DELETE", f"/admin/keys/{made['id']}")
    assert (status, revoked["state"]) == (200, "revoked")


def test_service_principals_come_and_go(client: TestClient, admin: Caller) -> None:
    status, made = admin("POST", "/admin/services", {"name": "ci", "roles": ["admin"], "team": "support"})
    assert status == 200
    service = Caller(client, made["session"])
    assert service("POST", "/admin/keys", {"team": "support"})[0] == 200
    assert service("POST", "/admin/keys", {"team": "sales"})[0] == 403
    assert service("POST", "/admin/users", {"email": "x@example.com", "roles": ["admin"]})[0] == 403
    assert service("GET", "/auth/me")[1]["email"] is None
    assert admin("PUT", f"/admin/services/{made['id']}/roles", {"roles": ["viewer"]})[1]["roles"] == ["viewer"]
    assert service("POST", "/admin/keys", {"team": "support"})[0] == 403
    renewed = admin("POST", f"/admin/services/{made['id']}/token")[1]
    assert service("GET", "/auth/me")[0] == 401
    assert Caller(client, renewed["session"])("GET", "/auth/me")[0] == 200
    assert admin("DELETE", f"/admin/services/{made['id']}") == (200, {"id": made["id"], "disabled": True})
    assert [known["name"] for known in admin("GET", "/admin/services")[1]["data"]] == ["ci"]


def test_users_are_listed_linked_and_disabled(client: TestClient, admin: Caller, nobody: Caller) -> None:
    made = admin("POST", "/admin/users", {"email": "a@example.com", "roles": []})[1]
    assert admin("PUT", f"/admin/users/{made['id']}/roles", {"roles": ["auditor"]})[1]["roles"] == ["auditor"]
    link = admin("POST", f"/admin/users/{made['id']}/link")[1]["link_token"]
    session = nobody("POST", "/auth/link", {"token": link})[1]["session"]
    assert Caller(client, session)("GET", "/admin/users")[0] == 200
    assert admin("DELETE", f"/admin/users/{made['id']}")[1]["disabled_at"] is not None
    assert Caller(client, session)("GET", "/auth/me")[0] == 401
    assert len(admin("GET", "/admin/users")[1]["data"]) == 2


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "param"),
    [
        ("POST", "/admin/keys", {"automation": "a b"}, 400, "invalid_value", "automation"),
        ("POST", "/admin/keys", {"tenant": "other"}, 400, "invalid_value", "tenant"),
        ("POST", "/admin/keys", {"expires_in_s": "soon"}, 400, "invalid_value", "expires_in_s"),
        ("POST", "/admin/keys", [1], 400, "invalid_value", None),
        ("DELETE", "/admin/keys/key_none", None, 404, "not_found", None),
        ("DELETE", "/admin/users/usr_none", None, 404, "not_found", None),
        ("DELETE", f"/admin/users/{OPERATOR_ID}", None, 409, "conflict", None),
        ("PUT", "/admin/users/usr_none/roles", {"roles": ["root"]}, 400, "invalid_value", "roles"),
        ("POST", "/admin/users", {"email": "x", "roles": []}, 400, "invalid_value", "email"),
        ("POST", "/auth/password", {"password": "short"}, 400, "invalid_value", "password"),
        ("POST", "/auth/link", {"token": "link-x"}, 401, "sign_in_failed", None),
        ("POST", "/admin/users", {"email": "x" * 70_000, "roles": []}, 413, "request_too_large", None),
        ("PATCH", "/admin/keys", None, 405, "method_not_allowed", None),
    ],
)
def test_what_is_wrong_is_said_in_openais_shape(
    admin: Caller, method: str, path: str, body: Any, status: int, code: str, param: str | None
) -> None:
    found, answer = admin(method, path, body)
    error = answer["error"]
    assert (found, error["code"], error["param"]) == (status, code, param)
    assert set(error) == {"message", "type", "param", "code"}


def test_guessing_passwords_ends_in_429_with_a_time_to_wait(client: TestClient, nobody: Caller) -> None:
    wrong = {"email": "operator@localhost", "password": "wrong"}
    assert [nobody("POST", "/auth/login", wrong)[0] for _ in range(11)] == [401] * 10 + [429]
    response = client.post("/auth/login", json=wrong)
    assert int(response.headers["retry-after"]) > 0
    assert response.headers["x-should-retry"] == "false"


def test_answers_that_hold_tokens_are_not_cached(client: TestClient, admin: Caller) -> None:
    response = client.get("/auth/me", headers={"authorization": f"Bearer {admin.token}"})
    assert response.headers["cache-control"] == "no-store"
    assert "set-cookie" not in response.headers


def test_a_cookie_is_no_session(client: TestClient, admin: Caller) -> None:
    assert client.get("/auth/me", headers={"cookie": f"session={admin.token}"}).status_code == 401


def routes(database: Database) -> list[APIRoute]:
    return [route for router in routers(database) for route in router.routes if isinstance(route, APIRoute)]


def needs(dependant: Dependant) -> tuple[str, ...] | None:
    """The roles a route asks for: none means any session, None means no session."""
    found = [each.call for each in dependant.dependencies if isinstance(each.call, Require)]
    return found[0].roles if found else None


def test_every_route_and_every_error_stands_in_the_reference(database: Database) -> None:
    page = (ROOT / "docs/reference/identity.md").read_text()
    for route in routes(database):
        method, path = sorted(route.methods or ())[0], re.sub(r"\{\w+\}", "{id}", route.path)
        assert f"### {method} {path}\n" in page
    for error in ControlError.__subclasses__():
        assert f"| {error.status} | `{error.code}` |" in page


def test_only_the_two_ways_in_are_open(database: Database) -> None:
    assert {route.path for route in routes(database) if needs(route.dependant) is None} == {"/auth/login", "/auth/link"}


def test_every_route_refuses_every_role_but_its_own(client: TestClient, database: Database, nobody: Caller) -> None:
    callers = {role: Caller(client, session_of(database, "default", f"{role}@x.example", [role])) for role in ROLES}
    for route in routes(database):
        roles = needs(route.dependant)
        if roles is None or route.path in {"/auth/logout", "/auth/password"}:
            continue
        method, path = sorted(route.methods or ())[0], route.path.format(**PATHS)
        assert nobody(method, path, {})[0] == 401, path
        assert Caller(client, "sess-wrong")(method, path, {})[0] == 401, path
        for role, caller in callers.items():
            allowed = not roles or role in roles or "viewer" in roles
            assert (caller(method, path, {})[0] != 403) == allowed, (role, method, path)


def test_a_session_without_roles_sees_who_it_is_and_nothing_else(client: TestClient, database: Database) -> None:
    empty = Caller(client, session_of(database, "default", "empty@example.com", []))
    assert empty("GET", "/auth/me")[1]["roles"] == []
    for path in ("/admin/keys", "/admin/users", "/admin/services"):
        assert empty("GET", path)[0] == 403
    assert empty("POST", "/auth/query-token", {})[0] == 403


def test_an_admin_of_another_tenant_reaches_nothing_here(client: TestClient, database: Database, admin: Caller) -> None:
    theirs = Caller(client, session_of(database, "other", "boss@other.example", ["admin"]))
    key = admin("POST", "/admin/keys", {})[1]
    user = admin("POST", "/admin/users", {"email": "u@example.com", "roles": []})[1]
    service = admin("POST", "/admin/services", {"name": "ci", "roles": []})[1]
    assert theirs("GET", "/admin/keys")[1]["data"] == []
    assert [each["email"] for each in theirs("GET", "/admin/users")[1]["data"]] == ["boss@other.example"]
    assert theirs("GET", "/admin/services")[1]["data"] == []
    for method, path, body in (
        ("DELETE", f"/admin/keys/{key['id']}", None),
        ("DELETE", f"/admin/users/{user['id']}", None),
        ("POST", f"/admin/users/{user['id']}/link", None),
        ("PUT", f"/admin/users/{user['id']}/roles", {"roles": ["admin"]}),
        ("PUT", f"/admin/services/{service['id']}/roles", {"roles": ["admin"]}),
        ("POST", f"/admin/services/{service['id']}/token", None),
        ("DELETE", f"/admin/services/{service['id']}", None),
    ):
        assert theirs(method, path, body)[0] == 404, path


def test_an_unreachable_database_is_503_and_worth_a_retry(client: TestClient, database: Database) -> None:
    with database.outside_transactions() as conn:
        conn.exec_driver_sql("DROP TABLE sessions")
    response = client.get("/auth/me", headers={"authorization": "Bearer sess-x"})
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "control_unavailable"
    assert "x-should-retry" not in response.headers


def test_the_state_of_policies_is_that_of_ones_own_tenant(
    client: TestClient, admin: Caller, database: Database
) -> None:
    outcomes = Lesson("default", "outcomes", "triage", [["", "test/a", 60, 51, 20, 2]])
    split = Lesson("default", "split", "support|canary|0a", {"share": 0.3, "since_us": 5, "reason": "declared"})
    with database.write() as tx:
        keep(tx, [outcomes, split, split._replace(tenant="other")])
    store = ControlStore(database, "w")
    for name in ("team:x|usd|day", "key:k|requests|minute"):
        allowance = Allowance("default", name, 1, 2**61)
        store.take(allowance, Wish(30, 1, 100, alerts=(0.5,)))
        store.give_back(allowance, 5, Settled(20, Wish(30, 1, 100, alerts=(0.5,))))
    status, state = admin("GET", "/admin/policy-state")
    assert status == 200
    (budget,) = state["budgets"]
    assert (budget["whose"], budget["cap"], budget["spent"], budget["leased"]) == ("team:x", 100, 20, 5)
    assert [(each["policy"], each["split"], each["share"]) for each in state["splits"]] == [("support", "canary", 0.3)]
    assert state["certificates"] == []
    assert (state["candidates"][0]["model"], state["candidates"][0]["succeeded"]) == ("test/a", 51)
