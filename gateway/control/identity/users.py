"""Users: people who sign in."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from gateway.control import schema
from gateway.control.database import Database, Note, Write, insert_new
from gateway.control.errors import Conflict, NotAllowed, NotFound
from gateway.control.identity.names import normal_email
from gateway.control.identity.passwords import hash_password
from gateway.control.identity.roles import (
    Identity,
    checked_roles,
    keep_an_admin,
    require,
    require_admin,
    roles_of,
    write_roles,
)
from gateway.control.identity.sessions import revoke_all


@dataclass(frozen=True, slots=True)
class User:
    """A user as shown to admins."""

    user_id: str
    tenant: str
    email: str
    roles: frozenset[str]
    has_password: bool
    created_us: int
    disabled_us: int | None


def create_user(database: Database, tenant: str, email: str, roles: Iterable[str], by: Identity) -> User:
    """Add a user, without a password: they sign in with a one-time link first.

    Raises:
        NotAllowed: `by` is no admin of the tenant.
        InvalidInput: address or roles cannot be used.
        Conflict: the address has an account.
    """
    require_admin(by, tenant)
    address, wanted = normal_email(email), checked_roles(roles)
    with database.write() as tx:
        row = {"user_id": tx.new_id("usr"), "tenant": tenant, "email": address, "created_us": tx.now_us}
        if not insert_new(tx, schema.users, row):
            raise Conflict("This address has an account already.")
        user_id = row["user_id"]
        tx.record(Note("user.created", tenant, by.holder, {"user_id": user_id}))
        write_roles(tx, tenant, str(user_id), wanted, by.holder)
        return find_user(tx.conn, tenant, str(user_id))


def list_users(database: Database, tenant: str, by: Identity) -> list[User]:
    """Return the tenant's users, oldest first.

    Raises:
        NotAllowed: `by` is neither admin nor auditor.
    """
    require(by, tenant, "admin", "auditor")
    table = schema.users
    found = select(table).where(table.c.tenant == tenant).order_by(table.c.created_us, table.c.user_id)
    with database.read() as conn:
        return [_user(conn, row) for row in conn.execute(found).mappings()]


def email_of(database: Database, tenant: str, user_id: str) -> str | None:
    """Return a user's address; None for service principals."""
    table = schema.users
    found = select(table.c.email).where(table.c.tenant == tenant, table.c.user_id == user_id)
    with database.read() as conn:
        email: str | None = conn.execute(found).scalar()
    return email


def user_with(conn: Connection, tenant: str, email: str) -> str | None:
    """Return the id of the user with an address.

    Raises:
        InvalidInput: it is no address.
    """
    table = schema.users
    found = select(table.c.user_id).where(table.c.tenant == tenant, table.c.email == normal_email(email))
    user_id: str | None = conn.execute(found).scalar()
    return user_id


def set_password(database: Database, tenant: str, user_id: str, password: str, by: Identity) -> None:
    """Set a user's password and end all their sessions but the one that asks.

    Raises:
        NotAllowed: `by` is somebody else; nobody chooses another's password.
        InvalidInput: the password is too short or too long.
    """
    if by.tenant != tenant or by.holder != user_id:
        raise NotAllowed("Users set their own passwords; an admin makes a sign-in link instead.")
    hashed = hash_password(password)
    with database.write() as tx:
        _update(tx, tenant, user_id, {"password_hash": hashed})
        revoke_all(tx, tenant, user_id, keep=by.session_id)
        tx.record(Note("password.changed", tenant, by.holder, {"user_id": user_id}))


def disable_user(database: Database, tenant: str, user_id: str, by: Identity) -> User:
    """Shut a user out at once: no sign-in, no session, no link. Repeating it changes nothing.

    Raises:
        NotAllowed: `by` is no admin of the tenant.
        NotFound: the tenant has no such user.
        Conflict: the tenant would be left without an admin.
    """
    require_admin(by, tenant)
    with database.write() as tx:
        if find_user(tx.conn, tenant, user_id).disabled_us is None:
            tx.bump()  # first: its lock makes two admins who disable each other take turns
            _update(tx, tenant, user_id, {"disabled_us": tx.now_us})
            revoke_all(tx, tenant, user_id)
            keep_an_admin(tx.conn, tenant)
            tx.record(Note("user.disabled", tenant, by.holder, {"user_id": user_id}))
        return find_user(tx.conn, tenant, user_id)


def find_user(conn: Connection, tenant: str, user_id: str) -> User:
    """Return a user of the tenant.

    Raises:
        NotFound: there is none.
    """
    table = schema.users
    row = conn.execute(select(table).where(table.c.tenant == tenant, table.c.user_id == user_id)).mappings().first()
    if row is None:
        raise NotFound("There is no such user.")
    return _user(conn, row)


def _user(conn: Connection, row: RowMapping) -> User:
    return User(
        user_id=row["user_id"],
        tenant=row["tenant"],
        email=row["email"],
        roles=roles_of(conn, row["tenant"], row["user_id"]),
        has_password=row["password_hash"] is not None,
        created_us=row["created_us"],
        disabled_us=row["disabled_us"],
    )


def _update(tx: Write, tenant: str, user_id: str, values: dict[str, Any]) -> None:
    table = schema.users
    marked = update(table).where(table.c.tenant == tenant, table.c.user_id == user_id).values(values)
    if tx.execute(marked).rowcount != 1:
        raise NotFound("There is no such user.")
