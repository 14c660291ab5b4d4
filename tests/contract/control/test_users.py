"""Users, roles, service principals and sessions."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.control import schema
from gateway.control.database import Database
from gateway.control.errors import Conflict, InvalidInput, NotAllowed, NotFound, SignInFailed, TooManyAttempts
from gateway.control.identity.bootstrap import OPERATOR_ID, bootstrap, write_local_token
from gateway.control.identity.keys import KeySpec, create_key, list_keys, revoke_key
from gateway.control.identity.login import create_link, sign_in, sign_in_by_link
from gateway.control.identity.roles import ROLES, Bounds, Identity, local_operator, set_roles
from gateway.control.identity.services import (
    ServiceSpec,
    create_service,
    disable_service,
    list_services,
    renew_service,
)
from gateway.control.identity.sessions import authenticate, end_session
from gateway.control.identity.users import User, create_user, disable_user, list_users, set_password
from tests.contract.control.clock import Clock

EMAIL = "Rita.Reviewer@Example.com"
PASSWORD = "correct horse battery"


@pytest.fixture
def boss(database: Database, admin: Identity) -> User:
    return create_user(database, "acme", "boss@example.com", ["admin"], admin)


@pytest.fixture
def rita(database: Database, admin: Identity, boss: User) -> User:
    return create_user(database, "acme", EMAIL, ["reviewer"], admin)


def signed_in(database: Database, user: User, admin: Identity) -> Identity:
    session = sign_in_by_link(database, create_link(database, "acme", user.user_id, admin), "127.0.0.1")
    return authenticate(database, session.token)


def kinds(database: Database) -> list[str]:
    with database.read() as conn:
        return list(conn.execute(select(schema.outbox.c.kind).order_by(schema.outbox.c.seq)).scalars())


def test_a_link_signs_in_once(database: Database, admin: Identity, rita: User) -> None:
    link = create_link(database, "acme", rita.user_id, admin)
    identity = authenticate(database, sign_in_by_link(database, link, "127.0.0.1").token)
    assert (identity.holder, identity.tenant, identity.roles) == (rita.user_id, "acme", frozenset({"reviewer"}))
    with pytest.raises(SignInFailed):
        sign_in_by_link(database, link, "127.0.0.1")


def test_of_eight_attempts_at_once_one_uses_the_link(database: Database, admin: Identity, rita: User) -> None:
    link = create_link(database, "acme", rita.user_id, admin)

    def attempt(_: int) -> bool:
        try:
            return bool(sign_in_by_link(database, link, "127.0.0.1").token)
        except SignInFailed:
            return False

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(8))) == 1


def test_a_link_expires(database: Database, admin: Identity, rita: User, clock: Clock) -> None:
    link = create_link(database, "acme", rita.user_id, admin, ttl_s=60)
    clock.advance(60)
    with pytest.raises(SignInFailed):
        sign_in_by_link(database, link, "127.0.0.1")


def test_a_password_signs_in_whatever_the_case_of_the_address(database: Database, admin: Identity, rita: User) -> None:
    set_password(database, "acme", rita.user_id, PASSWORD, signed_in(database, rita, admin))
    session = sign_in(database, f"  {EMAIL.upper()} ", PASSWORD, "127.0.0.1")
    assert authenticate(database, session.token).holder == rita.user_id


@pytest.mark.parametrize(
    ("email", "password"),
    [(EMAIL, "wrong"), (EMAIL, ""), (EMAIL, "x" * 1000), ("nobody@example.com", PASSWORD), ("' OR 1=1 --", PASSWORD)],
)
def test_wrong_credentials_are_refused_alike(
    database: Database, admin: Identity, rita: User, email: str, password: str
) -> None:
    set_password(database, "acme", rita.user_id, PASSWORD, signed_in(database, rita, admin))
    with pytest.raises(SignInFailed) as refused:
        sign_in(database, email, password, "127.0.0.1")
    assert str(refused.value) == "E-mail address or password is wrong."
    assert kinds(database)[-1] == "login.failed"


def test_an_account_without_password_cannot_be_entered_with_one(database: Database, rita: User) -> None:
    with pytest.raises(SignInFailed):
        sign_in(database, EMAIL, "", "127.0.0.1")


def test_guessing_is_slowed_for_the_account_and_ends_with_the_window(
    database: Database, admin: Identity, rita: User, clock: Clock
) -> None:
    set_password(database, "acme", rita.user_id, PASSWORD, signed_in(database, rita, admin))
    for n in range(10):
        with pytest.raises(SignInFailed):
            sign_in(database, EMAIL, "wrong", f"192.0.2.{n}")
    with pytest.raises(TooManyAttempts) as refused:
        sign_in(database, EMAIL, PASSWORD, "192.0.2.99")
    assert 0 < refused.value.retry_after_s <= 901
    clock.advance(refused.value.retry_after_s)
    assert sign_in(database, EMAIL, PASSWORD, "192.0.2.99").token.startswith("sess-")


def test_guessing_links_is_slowed_for_the_client(database: Database, rita: User) -> None:
    for n in range(50):
        with pytest.raises(SignInFailed):
            sign_in_by_link(database, f"link-{n}", "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        sign_in_by_link(database, "link-x", "192.0.2.1")
    with pytest.raises(SignInFailed):
        sign_in_by_link(database, "link-x", "192.0.2.2")


def test_events_name_people_by_id_only(database: Database, admin: Identity, rita: User) -> None:
    identity = signed_in(database, rita, admin)
    set_password(database, "acme", rita.user_id, PASSWORD, identity)
    with pytest.raises(SignInFailed):
        sign_in(database, EMAIL, "wrong", "192.0.2.77")
    end_session(database, identity)
    with database.read() as conn:
        rows = conn.execute(select(schema.outbox)).mappings().all()
    said = " ".join(str(dict(row)).casefold() for row in rows)
    assert "rita" not in said
    assert "example.com" not in said
    assert "192.0.2.77" not in said
    assert {"login", "login.failed", "logout", "password.changed", "link.created"} <= {row["kind"] for row in rows}


def test_a_session_ends_by_logout_expiry_and_password_change(
    database: Database, admin: Identity, rita: User, clock: Clock
) -> None:
    def session() -> str:
        link = create_link(database, "acme", rita.user_id, admin)
        return sign_in_by_link(database, link, "127.0.0.1").token

    first, second, third = session(), session(), session()
    end_session(database, authenticate(database, first))
    with pytest.raises(SignInFailed):
        authenticate(database, first)
    set_password(database, "acme", rita.user_id, PASSWORD, authenticate(database, third))
    with pytest.raises(SignInFailed):
        authenticate(database, second)
    assert authenticate(database, third).holder == rita.user_id
    clock.advance(13 * 3600)
    with pytest.raises(SignInFailed):
        authenticate(database, third)


@pytest.mark.parametrize("token", ["", "sess-", "sess-" + "A" * 43, "x" * 10_000, "ß"])
def test_wrong_session_tokens_are_refused(database: Database, rita: User, token: str) -> None:
    with pytest.raises(SignInFailed):
        authenticate(database, token)


def test_a_disabled_user_is_out_at_once(database: Database, admin: Identity, rita: User) -> None:
    link = create_link(database, "acme", rita.user_id, admin)
    token = sign_in_by_link(database, create_link(database, "acme", rita.user_id, admin), "127.0.0.1").token
    assert disable_user(database, "acme", rita.user_id, admin).disabled_us is not None
    with pytest.raises(SignInFailed):
        authenticate(database, token)
    with pytest.raises(SignInFailed):
        sign_in_by_link(database, link, "127.0.0.1")
    with pytest.raises(InvalidInput):
        create_link(database, "acme", rita.user_id, admin)


def test_role_changes_act_on_open_sessions_and_leave_one_event(database: Database, admin: Identity, rita: User) -> None:
    link = create_link(database, "acme", rita.user_id, admin)
    token = sign_in_by_link(database, link, "127.0.0.1").token
    assert set_roles(database, "acme", rita.user_id, ["auditor", "viewer"], admin) == {"auditor", "viewer"}
    assert authenticate(database, token).roles == {"auditor", "viewer"}
    before = kinds(database).count("roles.changed")
    set_roles(database, "acme", rita.user_id, ["viewer", "auditor"], admin)
    assert kinds(database).count("roles.changed") == before
    with pytest.raises(InvalidInput):
        set_roles(database, "acme", rita.user_id, ["root"], admin)
    with pytest.raises(NotFound):
        set_roles(database, "acme", "usr_none", ["viewer"], admin)


def test_a_tenant_keeps_an_admin(database: Database, admin: Identity, boss: User) -> None:
    with pytest.raises(Conflict):
        set_roles(database, "acme", boss.user_id, ["viewer"], admin)
    with pytest.raises(Conflict):
        disable_user(database, "acme", boss.user_id, admin)
    create_user(database, "acme", "second@example.com", ["admin"], admin)
    disable_user(database, "acme", boss.user_id, admin)
    assert {user.email: user.disabled_us is None for user in list_users(database, "acme", admin)} == {
        "boss@example.com": False,
        "second@example.com": True,
    }


@pytest.mark.parametrize("odd", ["usr_\x00", "'; DROP TABLE users; --", "ß" * 5000, ""])
def test_odd_ids_are_refused_and_harm_nothing(database: Database, admin: Identity, rita: User, odd: str) -> None:
    for attempt in (
        lambda: disable_user(database, "acme", odd, admin),
        lambda: create_link(database, "acme", odd, admin),
        lambda: set_roles(database, "acme", odd, ["viewer"], admin),
        lambda: revoke_key(database, "acme", odd, admin),
    ):
        with pytest.raises((NotFound, InvalidInput)):
            attempt()
    assert len(list_users(database, "acme", admin)) == 2


def test_nothing_is_made_for_a_tenant_that_does_not_exist(database: Database) -> None:
    stranger = local_operator("nowhere")
    with pytest.raises(Conflict):
        create_key(database, "nowhere", KeySpec(), stranger)
    with pytest.raises(Conflict):
        create_user(database, "nowhere", "x@example.com", [], stranger)


def test_an_address_has_one_account(database: Database, admin: Identity, rita: User) -> None:
    with pytest.raises(Conflict):
        create_user(database, "acme", EMAIL.lower(), ["viewer"], admin)
    with pytest.raises(InvalidInput):
        create_user(database, "acme", "no address", ["viewer"], admin)


@pytest.mark.parametrize("role", sorted(set(ROLES) - {"admin"}))
def test_whoever_is_no_admin_changes_nobody(database: Database, rita: User, role: str) -> None:
    somebody = Identity("usr_x", "acme", frozenset({role}))
    for attempt in (
        lambda: create_user(database, "acme", "new@example.com", [], somebody),
        lambda: disable_user(database, "acme", rita.user_id, somebody),
        lambda: set_roles(database, "acme", rita.user_id, ["admin"], somebody),
        lambda: create_link(database, "acme", rita.user_id, somebody),
        lambda: create_service(database, "acme", ServiceSpec("s", ["admin"], Bounds()), somebody),
        lambda: set_password(database, "acme", rita.user_id, PASSWORD, somebody),
    ):
        with pytest.raises(NotAllowed):
            attempt()


def test_another_tenants_users_are_out_of_reach(database: Database, rita: User) -> None:
    theirs = local_operator("other")
    with pytest.raises(NotFound):
        disable_user(database, "other", rita.user_id, theirs)
    with pytest.raises(NotFound):
        create_link(database, "other", rita.user_id, theirs)
    with pytest.raises(NotFound):
        set_roles(database, "other", rita.user_id, ["admin"], theirs)
    assert list_users(database, "other", theirs) == []
    with pytest.raises(NotAllowed):
        list_users(database, "acme", theirs)


def test_a_service_principal_acts_within_its_bounds(database: Database, admin: Identity, boss: User) -> None:
    spec = ServiceSpec("ci", ["admin"], Bounds(team="support"))
    session, service = create_service(database, "acme", spec, admin)
    identity = authenticate(database, session.token)
    assert (identity.holder, identity.bounds) == (service.principal_id, Bounds(team="support"))
    with pytest.raises(NotAllowed):
        create_user(database, "acme", "new@example.com", ["admin"], identity)
    with pytest.raises(NotAllowed):
        create_service(database, "acme", ServiceSpec("wider", ["admin"], Bounds()), identity)
    renewed = renew_service(database, "acme", service.principal_id, admin)
    with pytest.raises(SignInFailed):
        authenticate(database, session.token)
    disable_service(database, "acme", service.principal_id, admin)
    with pytest.raises(SignInFailed):
        authenticate(database, renewed.token)
    with pytest.raises(NotFound):
        renew_service(database, "acme", service.principal_id, admin)
    assert [known.name for known in list_services(database, "acme", admin)] == ["ci"]
    with pytest.raises(Conflict):
        create_service(database, "acme", spec, admin)


def test_starting_again_and_again_bootstraps_once(database: Database) -> None:
    operator = local_operator("default")
    for _ in range(3):
        assert bootstrap(database, "a-bootstrap-key-for-tests") == OPERATOR_ID
    keys = list_keys(database, "default", operator)
    assert [(key.name, key.facts.automation) for key in keys] == [("bootstrap", "default")]
    revoke_key(database, "default", keys[0].key_id, operator)
    bootstrap(database, "a-bootstrap-key-for-tests")
    assert [key.state(0) for key in list_keys(database, "default", operator)] == ["revoked"]
    assert kinds(database).count("key.created") == 1
    with pytest.raises(InvalidInput):
        bootstrap(database, "short")


def test_the_local_token_is_private_and_replaced_at_each_start(database: Database, tmp_path: Path) -> None:
    bootstrap(database, None)
    file = tmp_path / "token"
    write_local_token(database, file)
    first = file.read_text()
    assert authenticate(database, first).roles == frozenset(ROLES)
    assert file.stat().st_mode & 0o777 == 0o600
    write_local_token(database, file)
    with pytest.raises(SignInFailed):
        authenticate(database, first)
    assert authenticate(database, file.read_text()).holder == OPERATOR_ID


def test_a_key_spec_defaults_to_the_default_automation() -> None:
    assert KeySpec().facts("acme").automation == "default"
