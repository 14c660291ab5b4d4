"""Sessions: what a bearer token of the control plane stands for."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, RowMapping, select, update

from gateway.control import schema
from gateway.control.database import Database, Note, Write
from gateway.control.errors import SignInFailed
from gateway.control.identity import tokens
from gateway.control.identity.roles import Bounds, Identity, roles_of

USER_SESSION_S: Final = 12 * 3600
_REFUSED: Final = "This session is not known or has ended; sign in again."


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session token, for the only time, and when it ends (UTC microseconds)."""

    token: str
    session_id: str
    expires_us: int


def open_session(tx: Write, tenant: str, holder: str, source: str, ttl_s: int = USER_SESSION_S) -> NewSession:
    """Begin a session in a transaction; `source` is `password`, `link`, `service` or `local`."""
    made = NewSession(tokens.new_token(tokens.SESSION), tx.new_id("ses"), tx.now_us + ttl_s * 1_000_000)
    row = {
        "session_hash": tokens.digest(made.token),
        "session_id": made.session_id,
        "tenant": tenant,
        "holder": holder,
        "source": source,
        "created_us": tx.now_us,
        "expires_us": made.expires_us,
    }
    tx.execute(schema.sessions.insert().values(row))
    return made


def authenticate(database: Database, token: str) -> Identity:
    """Return whose session a token is, with the roles they have now.

    Raises:
        SignInFailed: it is nobody's, or it has ended.
    """
    table = schema.sessions
    live = select(table).where(
        table.c.session_hash == tokens.digest(token),
        table.c.revoked_us.is_(None),
        table.c.expires_us > database.clock_us(),
    )
    with database.read() as conn:
        row = conn.execute(live).mappings().first()
        bounds = _bounds(conn, row["holder"]) if row is not None else None
        if row is None or bounds is None:
            raise SignInFailed(_REFUSED)
        return _identity(conn, row, bounds)


def end_session(database: Database, by: Identity) -> None:
    """Revoke the session that asks."""
    table = schema.sessions
    marked = update(table).where(table.c.session_id == by.session_id, table.c.revoked_us.is_(None))
    with database.write() as tx:
        if tx.execute(marked.values(revoked_us=tx.now_us)).rowcount == 1:
            tx.record(Note("logout", by.tenant, by.holder, {"session_id": by.session_id}))


def revoke_all(tx: Write, tenant: str, holder: str, keep: str | None = None) -> int:
    """Revoke all sessions of a user or service principal but one; return how many."""
    table = schema.sessions
    theirs = (table.c.tenant == tenant, table.c.holder == holder, table.c.revoked_us.is_(None))
    others = update(table).where(*theirs, table.c.session_id != (keep or ""))
    return tx.execute(others.values(revoked_us=tx.now_us)).rowcount


def _identity(conn: Connection, row: RowMapping, bounds: Bounds) -> Identity:
    tenant, holder = row["tenant"], row["holder"]
    roles = roles_of(conn, tenant, holder)
    return Identity(holder, tenant, roles, bounds, row["session_id"], row["expires_us"])


def _bounds(conn: Connection, holder: str) -> Bounds | None:
    """Return what a holder is bound to; None when they are disabled or gone."""
    users, services = schema.users, schema.service_principals
    user = select(users.c.user_id).where(users.c.user_id == holder, users.c.disabled_us.is_(None))
    if conn.execute(user).first() is not None:
        return Bounds()
    bound = select(services.c.team, services.c.automation, services.c.environment, services.c.data_class)
    found = conn.execute(bound.where(services.c.principal_id == holder, services.c.disabled_us.is_(None))).first()
    return None if found is None else Bounds(*found)
