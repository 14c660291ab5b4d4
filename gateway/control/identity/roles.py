"""Roles, and the identity of somebody who was authenticated."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from sqlalchemy import Connection, delete, select

from gateway.control import schema
from gateway.control.database import Database, Note, Write, insert_new
from gateway.control.errors import Conflict, InvalidInput, NotAllowed, NotFound
from policy.model import Facts

Role = Literal["viewer", "reviewer", "policy_owner", "auditor", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
LOCAL_OPERATOR: Final = "local"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What keys made by a service principal may be bound to; None means anything in its tenant."""

    team: str | None = None
    automation: str | None = None
    environment: str | None = None
    data_class: str | None = None

    def cover(self, facts: Facts) -> bool:
        """Tell whether every bound fact is the same in `facts`."""
        return (
            self.team in {None, facts.team}
            and self.automation in {None, facts.automation}
            and self.environment in {None, facts.environment}
            and self.data_class in {None, facts.data_class}
        )


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody authenticated: a user, a service principal or the operator of this machine."""

    holder: str
    tenant: str
    roles: frozenset[str]
    bounds: Bounds = field(default_factory=Bounds)
    session_id: str | None = None
    expires_us: int | None = None

    def has(self, *wanted: Role) -> bool:
        """Tell whether one of the roles is held. Whoever has any role may view."""
        return bool(self.roles.intersection(wanted)) or ("viewer" in wanted and bool(self.roles))


def local_operator(tenant: str) -> Identity:
    """Return the identity of whoever can open the database file itself: everything is open to them anyway."""
    return Identity(LOCAL_OPERATOR, tenant, frozenset(ROLES))


def require(by: Identity, tenant: str, *wanted: Role) -> None:
    """Refuse unless `by` belongs to the tenant and holds one of the roles.

    Raises:
        NotAllowed: they do not.
    """
    if by.tenant != tenant or not by.has(*wanted):
        raise NotAllowed(
            f"This needs one of these roles: {', '.join(wanted)}."
            if len(wanted) > 1
            else f"This needs the role {wanted[0]}."
        )


def require_admin(by: Identity, tenant: str) -> None:
    """Refuse unless `by` is an admin of the whole tenant: one who is bound could hand out more than they have.

    Raises:
        NotAllowed: they are not.
    """
    require(by, tenant, "admin")
    if by.bounds != Bounds():
        raise NotAllowed("This needs an admin who is not bound to a team, automation, environment or data class.")


def roles_of(conn: Connection, tenant: str, holder: str) -> frozenset[str]:
    """Return the roles of a user or service principal."""
    table = schema.roles
    found = select(table.c.role).where(table.c.tenant == tenant, table.c.holder == holder)
    return frozenset(conn.execute(found).scalars())


def set_roles(database: Database, tenant: str, holder: str, roles: Iterable[str], by: Identity) -> frozenset[str]:
    """Make exactly these the roles of a user or service principal.

    Raises:
        NotAllowed: `by` is no admin of the tenant.
        NotFound: the tenant has no such user or service principal.
        Conflict: the tenant would be left without an admin.
    """
    require_admin(by, tenant)
    wanted = checked_roles(roles)
    with database.write() as tx:
        if not _exists(tx.conn, tenant, holder):
            raise NotFound("There is no such user or service principal.")
        write_roles(tx, tenant, holder, wanted, by.holder)
        keep_an_admin(tx.conn, tenant)
    return wanted


def checked_roles(roles: Iterable[str]) -> frozenset[str]:
    """Return the roles as a set.

    Raises:
        InvalidInput: one is not a role.
    """
    wanted = frozenset(roles)
    unknown = sorted(wanted.difference(ROLES))
    if unknown:
        raise InvalidInput("roles", f"There is no role {unknown[0]!r}; the roles are {', '.join(ROLES)}.")
    return wanted


def write_roles(tx: Write, tenant: str, holder: str, wanted: frozenset[str], by: str) -> None:
    """Grant and revoke until `wanted` is held, leaving one event if anything changed."""
    held = roles_of(tx.conn, tenant, holder)
    if held == wanted:
        return
    gone, new, table = sorted(held - wanted), sorted(wanted - held), schema.roles
    tx.execute(delete(table).where(table.c.tenant == tenant, table.c.holder == holder, table.c.role.in_(gone)))
    for role in new:
        row = {"tenant": tenant, "holder": holder, "role": role, "granted_by": by, "granted_us": tx.now_us}
        insert_new(tx, table, row)
    tx.record(Note("roles.changed", tenant, by, {"holder": holder, "granted": new, "revoked": gone}))
    tx.bump()


def keep_an_admin(conn: Connection, tenant: str) -> None:
    """Refuse a change that leaves a tenant without an enabled admin.

    Raises:
        Conflict: nobody could undo it.
    """
    users, roles = schema.users, schema.roles
    enabled = (
        select(users.c.user_id)
        .join(roles, roles.c.holder == users.c.user_id)
        .where(users.c.tenant == tenant, users.c.disabled_us.is_(None), roles.c.role == "admin")
    )
    if conn.execute(enabled.limit(1)).first() is None:
        raise Conflict("A tenant keeps at least one admin; give somebody else the role first.")


def _exists(conn: Connection, tenant: str, holder: str) -> bool:
    users, services = schema.users, schema.service_principals
    found = (
        select(users.c.user_id)
        .where(users.c.tenant == tenant, users.c.user_id == holder)
        .union(select(services.c.principal_id).where(services.c.tenant == tenant, services.c.principal_id == holder))
    )
    return conn.execute(found).first() is not None
