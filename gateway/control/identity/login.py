"""Signing in: by password, or by a one-time link. Both leave an event, success or not, without an address in it."""

from typing import Final

from sqlalchemy import RowMapping, select, update

from gateway.control import schema
from gateway.control.database import Database, Note, Write
from gateway.control.errors import InvalidInput, SignInFailed
from gateway.control.identity import tokens
from gateway.control.identity.attempts import (
    Bucket,
    account_bucket,
    client_bucket,
    count_attempt,
    forget_attempt,
)
from gateway.control.identity.names import normal_email
from gateway.control.identity.passwords import verify_password
from gateway.control.identity.roles import Identity, require_admin
from gateway.control.identity.sessions import NewSession, open_session
from gateway.control.identity.tenants import DEFAULT_TENANT
from gateway.control.identity.users import find_user

LINK_S: Final = 15 * 60
NOBODY: Final = "nobody"
_LINK_TRIES: Final = 10
_WRONG: Final = "E-mail address or password is wrong."
_BAD_LINK: Final = "This sign-in link is not known, was used, or has expired; ask for a new one."


def sign_in(database: Database, email: str, password: str, client: str) -> NewSession:
    """Check a password and begin a session. `client` is the caller's network address. Takes about 0.1 s of a core.

    Raises:
        SignInFailed: address or password is wrong, or the account is disabled; never says which.
        TooManyAttempts: this account or client failed too often.
    """
    address = _address(email)
    account, whence = account_bucket(address), client_bucket(client)
    count_attempt(database, (account, whence))
    user = _user_by_email(database, address)
    right = verify_password(password, None if user is None else user["password_hash"])
    if user is None or not right or user["disabled_us"] is not None:
        _fail(database, user, "password")
        raise SignInFailed(_WRONG)
    with database.write() as tx:
        forget_attempt(tx, account, whence)
        return _begin(tx, user["tenant"], user["user_id"], "password")


def create_link(database: Database, tenant: str, user_id: str, by: Identity, ttl_s: int = LINK_S) -> str:
    """Make a link token that signs the user in once; return it for the only time.

    Raises:
        NotAllowed: `by` is no admin of the tenant.
        NotFound: the tenant has no such user.
        InvalidInput: the user is disabled.
    """
    require_admin(by, tenant)
    token = tokens.new_token(tokens.LINK)
    with database.write() as tx:
        if find_user(tx.conn, tenant, user_id).disabled_us is not None:
            raise InvalidInput("user_id", "This user is disabled.")
        row = {"token_hash": tokens.digest(token), "tenant": tenant, "user_id": user_id, "created_us": tx.now_us}
        tx.execute(schema.login_links.insert().values(row | {"expires_us": tx.now_us + ttl_s * 1_000_000}))
        tx.record(Note("link.created", tenant, by.holder, {"user_id": user_id}))
    return token


def sign_in_by_link(database: Database, token: str, client: str) -> NewSession:
    """Use up a link and begin a session.

    Raises:
        SignInFailed: the link is unknown, used or expired, or its user is disabled.
        TooManyAttempts: this client failed too often.
    """
    tried, whence = Bucket(f"link:{token}", _LINK_TRIES), client_bucket(client)
    count_attempt(database, (tried, whence))
    with database.write() as tx:
        link = _use_up(tx, token)
        if link is not None:
            forget_attempt(tx, tried, whence)
            return _begin(tx, link["tenant"], link["user_id"], "link")
    _fail(database, None, "link")
    raise SignInFailed(_BAD_LINK)


def _address(email: str) -> str:
    try:
        return normal_email(email)
    except InvalidInput:
        return ""


def _user_by_email(database: Database, address: str) -> RowMapping | None:
    table = schema.users
    with database.read() as conn:
        return conn.execute(select(table).where(table.c.email == address)).mappings().first()


def _use_up(tx: Write, token: str) -> RowMapping | None:
    """Mark the link as used; one statement, so two attempts cannot both succeed."""
    links, users = schema.login_links, schema.users
    enabled = select(users.c.user_id).where(users.c.disabled_us.is_(None))
    usable = (
        links.c.token_hash == tokens.digest(token),
        links.c.used_us.is_(None),
        links.c.expires_us > tx.now_us,
        links.c.user_id.in_(enabled),
    )
    used = update(links).where(*usable).values(used_us=tx.now_us)
    return tx.execute(used.returning(links.c.tenant, links.c.user_id)).mappings().first()


def _begin(tx: Write, tenant: str, user_id: str, method: str) -> NewSession:
    session = open_session(tx, tenant, user_id, method)
    tx.record(Note("login", tenant, user_id, {"method": method, "session_id": session.session_id}))
    return session


def _fail(database: Database, user: RowMapping | None, method: str) -> None:
    tenant, actor = (DEFAULT_TENANT, NOBODY) if user is None else (user["tenant"], user["user_id"])
    with database.write() as tx:
        tx.record(Note("login.failed", tenant, actor, {"method": method}))
