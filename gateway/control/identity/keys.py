"""API keys: made once, shown once, stored as SHA-256, bound to the facts that select a policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select, update

from gateway.control import schema
from gateway.control.database import Database, Note, Write, insert_new
from gateway.control.errors import Conflict, InvalidInput, NotAllowed, NotFound
from gateway.control.identity import tokens
from gateway.control.identity.names import checked_name, checked_optional_name
from gateway.control.identity.roles import Identity, require, require_admin
from gateway.control.identity.users import user_with
from policy.model import Facts

DEFAULT_AUTOMATION: Final = "default"


WORKER_KEY: Final = "worker"  # the name of keys that `sluice worker` makes for itself: no person has them


@dataclass(frozen=True, slots=True)
class KeySpec:
    """What a new key is bound to.

    `expires_us` is a time in UTC microseconds; None means it does not expire. `owner` is the address of the user whose
    key it is, where that is not who makes it.
    """

    automation: str = DEFAULT_AUTOMATION
    team: str | None = None
    environment: str | None = None
    data_class: str | None = None
    name: str = "unnamed"
    expires_us: int | None = None
    owner: str | None = None

    def facts(self, tenant: str) -> Facts:
        """Return the checked facts.

        Raises:
            InvalidInput: one has characters that facts cannot have.
        """
        return Facts(
            tenant=tenant,
            team=checked_optional_name("team", self.team),
            automation=checked_name("automation", self.automation),
            environment=checked_optional_name("environment", self.environment),
            data_class=checked_optional_name("data_class", self.data_class),
        )


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key as it may be shown: everything but the key. `hint` is its last four characters."""

    key_id: str
    name: str
    hint: str
    facts: Facts
    created_by: str
    created_us: int
    expires_us: int | None
    revoked_us: int | None
    owner: str | None = None
    unconfirmed_us: int | None = None

    def state(self, now_us: int) -> str:
        """Return `active`, `expired`, `revoked`, or `unconfirmed`: it came back with a backup and waits."""
        if self.revoked_us is not None:
            return "revoked"
        if self.expires_us is not None and self.expires_us <= now_us:
            return "expired"
        return "active" if self.unconfirmed_us is None else "unconfirmed"


def create_key(database: Database, tenant: str, spec: KeySpec, by: Identity) -> tuple[str, KeyInfo]:
    """Make a key; return the key itself, for the only time, and how it is listed.

    Raises:
        NotAllowed: `by` is no admin of the tenant, or may not make keys bound to such facts.
        InvalidInput: a fact, the name or the expiry cannot be used.
    """
    raw = tokens.new_token(tokens.API_KEY)
    with database.write() as tx:
        info = write_key(tx, raw, tenant, spec, by)
    if info is None:
        raise Conflict("This key exists already.")
    return raw, info


def write_key(tx: Write, raw: str, tenant: str, spec: KeySpec, by: Identity) -> KeyInfo | None:
    """Store a key in a transaction; return None when this very key is known already, revoked or not."""
    require(by, tenant, "admin")
    facts = spec.facts(tenant)
    if not by.bounds.cover(facts):
        raise NotAllowed("A key cannot be bound to more than its creator is.")
    if spec.expires_us is not None and spec.expires_us <= tx.now_us:
        raise InvalidInput("expires_at", "A key must expire in the future.")
    name, owner = checked_name("name", spec.name), _owner(tx.conn, tenant, spec.owner)
    info = KeyInfo(tx.new_id("key"), name, tokens.hint(raw), facts, by.holder, tx.now_us, spec.expires_us, None, owner)
    if not insert_new(tx, schema.api_keys, _row(info, tokens.digest(raw), tx.bump())):
        return None
    tx.record(Note("key.created", tenant, by.holder, _said(info), automation=facts.automation))
    return info


def list_keys(database: Database, tenant: str, by: Identity) -> list[KeyInfo]:
    """Return the tenant's keys that `by` could have made, newest first, revoked and expired ones included.

    Raises:
        NotAllowed: `by` has none of the roles admin, policy_owner and auditor.
    """
    require(by, tenant, "admin", "policy_owner", "auditor")
    table = schema.api_keys
    found = select(table).where(table.c.tenant == tenant).order_by(table.c.created_us.desc(), table.c.key_id)
    with database.read() as conn:
        infos = [_info(row) for row in conn.execute(found).mappings()]
    return [info for info in infos if by.bounds.cover(info.facts)]


def revoke_key(database: Database, tenant: str, key_id: str, by: Identity) -> KeyInfo:
    """Revoke a key for ever; workers refuse it within a second. Revoking it again changes nothing.

    Raises:
        NotAllowed: `by` is no admin of the tenant.
        NotFound: the tenant has no such key.
    """
    require(by, tenant, "admin")
    with database.write() as tx:
        info = _find(tx.conn, tenant, key_id)
        if not by.bounds.cover(info.facts):
            raise NotAllowed("This key is bound to more than you are.")
        if info.revoked_us is None:
            _revoke(tx, info, by)
        return _find(tx.conn, tenant, key_id)


def confirm_key(database: Database, tenant: str, key_id: str, by: Identity) -> KeyInfo:
    """Say that a key that came back with a backup was not revoked meanwhile; workers take it within a second.

    Raises:
        NotAllowed: `by` is no admin of the tenant.
        NotFound: the tenant has no such key.
        Conflict: it is revoked.
    """
    require_admin(by, tenant)
    table = schema.api_keys
    with database.write() as tx:
        info = _find(tx.conn, tenant, key_id)
        if info.revoked_us is not None:
            raise Conflict("This key is revoked; a revoked key cannot be brought back.")
        if info.unconfirmed_us is not None:
            values = {"unconfirmed_us": None, "changed": tx.bump()}
            tx.execute(update(table).where(table.c.key_id == key_id).values(values))
            tx.record(Note("key.confirmed", tenant, by.holder, _said(info), automation=info.facts.automation))
        return _find(tx.conn, tenant, key_id)


def _revoke(tx: Write, info: KeyInfo, by: Identity) -> None:
    table = schema.api_keys
    marked = update(table).where(table.c.key_id == info.key_id, table.c.revoked_us.is_(None))
    values = {"revoked_us": tx.now_us, "revoked_by": by.holder, "changed": tx.bump()}
    if tx.execute(marked.values(values)).rowcount == 1:
        tx.record(Note("key.revoked", info.facts.tenant, by.holder, _said(info), automation=info.facts.automation))


def _find(conn: Connection, tenant: str, key_id: str) -> KeyInfo:
    table = schema.api_keys
    found = select(table).where(table.c.tenant == tenant, table.c.key_id == key_id)
    row = conn.execute(found).mappings().first()
    if row is None:
        raise NotFound("There is no such key.")
    return _info(row)


def _owner(conn: Connection, tenant: str, email: str | None) -> str | None:
    if email is None:
        return None
    owner = user_with(conn, tenant, email)
    if owner is None:
        raise InvalidInput("owner", "A key's owner is the e-mail address of a user of this tenant.")
    return owner


def owners(conn: Connection, key_id: str) -> frozenset[str]:
    """Return who made a key and whose it is: none of them is a second pair of eyes on what it asked for."""
    table = schema.api_keys
    row = conn.execute(select(table.c.created_by, table.c.owner).where(table.c.key_id == key_id)).first()
    return frozenset(holder for holder in row or () if holder is not None)


def _said(info: KeyInfo) -> Mapping[str, Any]:
    facts = info.facts
    said = {"key_id": info.key_id, "team": facts.team, "environment": facts.environment, "data_class": facts.data_class}
    return said | {"expires_us": info.expires_us, "owner": info.owner}


def _row(info: KeyInfo, key_hash: bytes, changed: int) -> dict[str, Any]:
    facts = info.facts
    return {
        "key_id": info.key_id,
        "key_hash": key_hash,
        "hint": info.hint,
        "name": info.name,
        "tenant": facts.tenant,
        "team": facts.team,
        "automation": facts.automation,
        "environment": facts.environment,
        "data_class": facts.data_class,
        "created_by": info.created_by,
        "owner": info.owner,
        "created_us": info.created_us,
        "expires_us": info.expires_us,
        "changed": changed,
    }


def facts_of(row: RowMapping) -> Facts:
    """Return the facts of a row of `api_keys`."""
    return Facts(row["tenant"], row["team"], row["automation"], row["environment"], row["data_class"])


def _info(row: RowMapping) -> KeyInfo:
    return KeyInfo(
        key_id=row["key_id"],
        name=row["name"],
        hint=row["hint"],
        facts=facts_of(row),
        created_by=row["created_by"],
        created_us=row["created_us"],
        expires_us=row["expires_us"],
        revoked_us=row["revoked_us"],
        owner=row["owner"],
        unconfirmed_us=row["unconfirmed_us"],
    )
