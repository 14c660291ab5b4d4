"""`/admin`: API keys, users and service principals of the caller's own tenant."""

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from gateway.control.database import Database
from gateway.control.identity.keys import (
    DEFAULT_AUTOMATION,
    KeyInfo,
    KeySpec,
    confirm_key,
    create_key,
    list_keys,
    revoke_key,
)
from gateway.control.identity.login import LINK_S, create_link
from gateway.control.identity.roles import Bounds, Identity, set_roles
from gateway.control.identity.services import (
    Service,
    ServiceSpec,
    create_service,
    disable_service,
    list_services,
    renew_service,
)
from gateway.control.identity.users import User, create_user, disable_user, list_users
from gateway.routes.access import Require, SmallBodyRoute

_YEARS_S = 10 * 366 * 24 * 3600


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewKey(_Body):
    """What a new key is bound to; the tenant is always the caller's."""

    automation: str = DEFAULT_AUTOMATION
    team: str | None = None
    environment: str | None = None
    data_class: str | None = None
    name: str = "unnamed"
    owner: str | None = Field(default=None, max_length=320)
    expires_in_s: int | None = Field(default=None, ge=1, le=_YEARS_S)


class NewUser(_Body):
    """A new user."""

    email: str = Field(max_length=320)
    roles: list[str] = Field(max_length=10)


class RoleList(_Body):
    """The roles somebody is to have."""

    roles: list[str] = Field(max_length=10)


class NewService(_Body):
    """A new service principal; what it leaves open, its keys may be bound to freely."""

    name: str
    roles: list[str] = Field(max_length=10)
    team: str | None = None
    automation: str | None = None
    environment: str | None = None
    data_class: str | None = None


def admin_router(database: Database) -> APIRouter:
    """Build the routes below `/admin`."""
    router = APIRouter(prefix="/admin", route_class=SmallBodyRoute, tags=["admin"])
    _add_keys(router, database)
    _add_users(router, database)
    _add_services(router, database)
    return router


def _add_keys(router: APIRouter, database: Database) -> None:
    reader = Depends(Require(database, "admin", "policy_owner", "auditor"))
    admin = Depends(Require(database, "admin"))

    @router.get("/keys")
    def listed(by: Identity = reader) -> dict[str, Any]:
        now_us = database.clock_us()
        return _list([_key(info, now_us) for info in list_keys(database, by.tenant, by)])

    @router.post("/keys")
    def create(body: NewKey, by: Identity = admin) -> dict[str, Any]:
        now_us = database.clock_us()
        raw, info = create_key(database, by.tenant, _spec(body, now_us), by)
        return _key(info, now_us) | {"key": raw}

    @router.post("/keys/{key_id}/confirm")
    def confirm(key_id: str, by: Identity = admin) -> dict[str, Any]:
        return _key(confirm_key(database, by.tenant, key_id, by), database.clock_us())

    @router.delete("/keys/{key_id}")
    def revoke(key_id: str, by: Identity = admin) -> dict[str, Any]:
        return _key(revoke_key(database, by.tenant, key_id, by), database.clock_us())


def _add_users(router: APIRouter, database: Database) -> None:
    reader = Depends(Require(database, "admin", "auditor"))
    admin = Depends(Require(database, "admin"))

    @router.get("/users")
    def listed(by: Identity = reader) -> dict[str, Any]:
        return _list([_user(user) for user in list_users(database, by.tenant, by)])

    @router.post("/users")
    def create(body: NewUser, by: Identity = admin) -> dict[str, Any]:
        user = create_user(database, by.tenant, body.email, body.roles, by)
        return _user(user) | _link(database, user.user_id, by)

    @router.post("/users/{user_id}/link")
    def link(user_id: str, by: Identity = admin) -> dict[str, Any]:
        return _link(database, user_id, by)

    @router.put("/users/{user_id}/roles")
    def roles(user_id: str, body: RoleList, by: Identity = admin) -> dict[str, Any]:
        return {"id": user_id, "roles": sorted(set_roles(database, by.tenant, user_id, body.roles, by))}

    @router.delete("/users/{user_id}")
    def disable(user_id: str, by: Identity = admin) -> dict[str, Any]:
        return _user(disable_user(database, by.tenant, user_id, by))


def _add_services(router: APIRouter, database: Database) -> None:
    reader = Depends(Require(database, "admin", "auditor"))
    admin = Depends(Require(database, "admin"))

    @router.get("/services")
    def listed(by: Identity = reader) -> dict[str, Any]:
        return _list([_service(service) for service in list_services(database, by.tenant, by)])

    @router.post("/services")
    def create(body: NewService, by: Identity = admin) -> dict[str, Any]:
        bounds = Bounds(body.team, body.automation, body.environment, body.data_class)
        session, service = create_service(database, by.tenant, ServiceSpec(body.name, body.roles, bounds), by)
        return _service(service) | {"session": session.token, "expires_at": _seconds(session.expires_us)}

    @router.post("/services/{principal_id}/token")
    def renew(principal_id: str, by: Identity = admin) -> dict[str, Any]:
        session = renew_service(database, by.tenant, principal_id, by)
        return {"id": principal_id, "session": session.token, "expires_at": _seconds(session.expires_us)}

    @router.put("/services/{principal_id}/roles")
    def roles(principal_id: str, body: RoleList, by: Identity = admin) -> dict[str, Any]:
        return {"id": principal_id, "roles": sorted(set_roles(database, by.tenant, principal_id, body.roles, by))}

    @router.delete("/services/{principal_id}")
    def disable(principal_id: str, by: Identity = admin) -> dict[str, Any]:
        disable_service(database, by.tenant, principal_id, by)
        return {"id": principal_id, "disabled": True}


def _spec(body: NewKey, now_us: int) -> KeySpec:
    expires_us = None if body.expires_in_s is None else now_us + body.expires_in_s * 1_000_000
    return KeySpec(body.automation, body.team, body.environment, body.data_class, body.name, expires_us, body.owner)


def _link(database: Database, user_id: str, by: Identity) -> dict[str, Any]:
    return {"link_token": create_link(database, by.tenant, user_id, by), "link_expires_in_s": LINK_S}


def _list(data: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "data": data}


def _key(info: KeyInfo, now_us: int) -> dict[str, Any]:
    facts = info.facts
    return {
        "object": "api_key",
        "id": info.key_id,
        "name": info.name,
        "hint": info.hint,
        "state": info.state(now_us),
        "tenant": facts.tenant,
        "team": facts.team,
        "automation": facts.automation,
        "environment": facts.environment,
        "data_class": facts.data_class,
        "created_by": info.created_by,
        "owner": info.owner,
        "created_at": _seconds(info.created_us),
        "expires_at": _seconds(info.expires_us),
        "revoked_at": _seconds(info.revoked_us),
    }


def _user(user: User) -> dict[str, Any]:
    return {
        "object": "user",
        "id": user.user_id,
        "email": user.email,
        "roles": sorted(user.roles),
        "has_password": user.has_password,
        "created_at": _seconds(user.created_us),
        "disabled_at": _seconds(user.disabled_us),
    }


def _service(service: Service) -> dict[str, Any]:
    bounds = service.bounds
    return {
        "object": "service",
        "id": service.principal_id,
        "name": service.name,
        "team": bounds.team,
        "automation": bounds.automation,
        "environment": bounds.environment,
        "data_class": bounds.data_class,
        "created_at": _seconds(service.created_us),
        "disabled_at": _seconds(service.disabled_us),
    }


def _seconds(time_us: int | None) -> int | None:
    return None if time_us is None else time_us // 1_000_000
