"""What exists from the first start: the default tenant, its operator, and the key of the settings."""

import os
from pathlib import Path
from typing import Final

from sqlalchemy import select, update

from gateway.control import schema
from gateway.control.database import Database, Note, Write, insert_new
from gateway.control.errors import InvalidInput
from gateway.control.identity import tokens
from gateway.control.identity.keys import DEFAULT_AUTOMATION, KeySpec, write_key
from gateway.control.identity.roles import ROLES, local_operator, write_roles
from gateway.control.identity.sessions import open_session
from gateway.control.identity.tenants import DEFAULT_TENANT, write_tenant

OPERATOR_EMAIL: Final = "operator@localhost"
OPERATOR_ID: Final = "usr_operator"
BOOTSTRAP_NAME: Final = "bootstrap"
LOCAL_SESSION_S: Final = 30 * 24 * 3600
MIN_KEY_CHARS: Final = 16


def bootstrap(database: Database, key: str | None) -> str:
    """Make sure tenant, operator and key exist; return the operator's user id. Repeating it changes nothing.

    The operator has every role and no password: the way in is a one-time link made on this machine.
    A bootstrap key that was revoked stays revoked.

    Raises:
        InvalidInput: the key is too short to be safe.
    """
    with database.write() as tx:
        write_tenant(tx, DEFAULT_TENANT)
        _write_operator(tx)
        if key is not None:
            _write_bootstrap_key(tx, key)
    return OPERATOR_ID


def write_local_token(database: Database, path: Path) -> None:
    """Put a session token of the operator into a file that only its owner can read; earlier local tokens end."""
    table = schema.sessions
    local = (table.c.tenant == DEFAULT_TENANT, table.c.source == "local", table.c.revoked_us.is_(None))
    with database.write() as tx:
        tx.execute(update(table).where(*local).values(revoked_us=tx.now_us))
        session = open_session(tx, DEFAULT_TENANT, OPERATOR_ID, "local", LOCAL_SESSION_S)
        said = {"method": "local", "session_id": session.session_id}
        tx.record(Note("login", DEFAULT_TENANT, OPERATOR_ID, said))
    _replace_private(path, session.token)


def _replace_private(path: Path, text: str) -> None:
    made = path.with_name(f"{path.name}.new")
    made.unlink(missing_ok=True)
    with os.fdopen(os.open(made, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    made.replace(path)


def _write_operator(tx: Write) -> None:
    row = {"user_id": OPERATOR_ID, "tenant": DEFAULT_TENANT, "email": OPERATOR_EMAIL, "created_us": tx.now_us}
    if insert_new(tx, schema.users, row):
        by = local_operator(DEFAULT_TENANT).holder
        tx.record(Note("user.created", DEFAULT_TENANT, by, {"user_id": OPERATOR_ID}))
        write_roles(tx, DEFAULT_TENANT, OPERATOR_ID, frozenset(ROLES), by)


def _write_bootstrap_key(tx: Write, key: str) -> None:
    if len(key) < MIN_KEY_CHARS:
        raise InvalidInput("SLUICE_BOOTSTRAP_KEY", f"SLUICE_BOOTSTRAP_KEY needs {MIN_KEY_CHARS} characters or more.")
    table = schema.api_keys
    if tx.execute(select(table.c.key_id).where(table.c.key_hash == tokens.digest(key))).first() is None:
        spec = KeySpec(DEFAULT_AUTOMATION, name=BOOTSTRAP_NAME)
        write_key(tx, key, DEFAULT_TENANT, spec, local_operator(DEFAULT_TENANT))
