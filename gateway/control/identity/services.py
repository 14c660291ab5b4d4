"""Service principals: programs that act on the control plane, with a session token of their own and no password."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import RowMapping, select, update

from gateway.control import schema
from gateway.control.database import Database, Note, Write, insert_new
from gateway.control.errors import Conflict, NotFound
from gateway.control.identity.names import checked_name, checked_optional_name
from gateway.control.identity.roles import Bounds, Identity, checked_roles, require, require_admin, write_roles
from gateway.control.identity.sessions import NewSession, open_session, revoke_all

SERVICE_SESSION_S: Final = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Service:
    """A service principal as shown to admins."""

    principal_id: str
    tenant: str
    name: str
    bounds: Bounds
    created_us: int
    disabled_us: int | None


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """What a new service principal is called, may do, and may bind keys to."""

    name: str
    roles: Iterable[str]
    bounds: Bounds
    ttl_s: int = SERVICE_SESSION_S


def create_service(database: Database, tenant: str, spec: ServiceSpec, by: Identity) -> tuple[NewSession, Service]:
    """Add a service principal; return its session token, for the only time, and how it is listed.

    Raises:
        NotAllowed: `by` is no admin of the tenant.
        InvalidInput: name, roles or bounds cannot be used.
        Conflict: the tenant has a service principal of this name.
    """
    require_admin(by, tenant)
    wanted, bounds = checked_roles(spec.roles), _checked(spec.bounds)
    name = checked_name("name", spec.name)
    with database.write() as tx:
        principal_id = tx.new_id("svc")
        row = {"principal_id": principal_id, "tenant": tenant, "name": name, "created_by": by.holder}
        if not insert_new(tx, schema.service_principals, row | asdict(bounds) | {"created_us": tx.now_us}):
            raise Conflict("There is a service principal of this name.")
        tx.record(Note("service.created", tenant, by.holder, {"principal_id": principal_id}))
        write_roles(tx, tenant, principal_id, wanted, by.holder)
        session = open_session(tx, tenant, principal_id, "service", spec.ttl_s)
        return session, Service(principal_id, tenant, name, bounds, tx.now_us, None)


def list_services(database: Database, tenant: str, by: Identity) -> list[Service]:
    """Return the tenant's service principals.

    Raises:
        NotAllowed: `by` is neither admin nor auditor.
    """
    require(by, tenant, "admin", "auditor")
    table = schema.service_principals
    found = select(table).where(table.c.tenant == tenant).order_by(table.c.name)
    with database.read() as conn:
        return [_service(row) for row in conn.execute(found).mappings()]


def renew_service(database: Database, tenant: str, principal_id: str, by: Identity) -> NewSession:
    """Give a service principal a new token; the old ones end.

    Raises:
        NotAllowed: `by` is no admin of the tenant.
        NotFound: the tenant has no such service principal that is enabled.
    """
    require_admin(by, tenant)
    with database.write() as tx:
        _touch(tx, tenant, principal_id, {"disabled_us": None})
        revoke_all(tx, tenant, principal_id)
        tx.record(Note("service.renewed", tenant, by.holder, {"principal_id": principal_id}))
        return open_session(tx, tenant, principal_id, "service", SERVICE_SESSION_S)


def disable_service(database: Database, tenant: str, principal_id: str, by: Identity) -> None:
    """Shut a service principal out at once.

    Raises:
        NotAllowed: `by` is no admin of the tenant.
        NotFound: the tenant has no such service principal that is enabled.
    """
    require_admin(by, tenant)
    with database.write() as tx:
        _touch(tx, tenant, principal_id, {"disabled_us": tx.now_us})
        revoke_all(tx, tenant, principal_id)
        tx.record(Note("service.disabled", tenant, by.holder, {"principal_id": principal_id}))
        tx.bump()


def _touch(tx: Write, tenant: str, principal_id: str, values: dict[str, Any]) -> None:
    table = schema.service_principals
    enabled = (table.c.tenant == tenant, table.c.principal_id == principal_id, table.c.disabled_us.is_(None))
    if tx.execute(update(table).where(*enabled).values(values)).rowcount != 1:
        raise NotFound("There is no such service principal.")


def _checked(bounds: Bounds) -> Bounds:
    return Bounds(**{param: checked_optional_name(param, value) for param, value in asdict(bounds).items()})


def _service(row: RowMapping) -> Service:
    bounds = Bounds(row["team"], row["automation"], row["environment"], row["data_class"])
    return Service(row["principal_id"], row["tenant"], row["name"], bounds, row["created_us"], row["disabled_us"])
