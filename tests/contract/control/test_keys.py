"""API keys: shown once, bound, revocable, never stored."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.control import schema
from gateway.control.database import Database, open_database
from gateway.control.directory import Directory
from gateway.control.errors import InvalidInput, NotAllowed, NotFound
from gateway.control.identity.keys import KeySpec, create_key, list_keys, revoke_key
from gateway.control.identity.roles import Bounds, Identity, local_operator
from gateway.control.watch import ChangeWatch
from policy.model import Facts
from tests.contract.control.clock import SECOND_US, Clock
from tests.postgres import PostgresServer


@pytest.fixture
def directory(clock: Clock) -> Directory:
    return Directory(clock)


@pytest.fixture
def watch(database: Database, directory: Directory) -> ChangeWatch:
    return ChangeWatch(database, [directory])


def test_a_key_opens_exactly_what_it_was_bound_to(
    database: Database, admin: Identity, directory: Directory, watch: ChangeWatch
) -> None:
    raw, info = create_key(database, "acme", KeySpec("triage", "support", "production", "internal", "t-1"), admin)
    assert watch.check()
    found = directory.lookup(raw.encode())
    assert found is not None
    assert found.key_id == info.key_id
    assert found.facts == Facts("acme", "support", "triage", "production", "internal")
    assert raw.startswith("sk-sluice-")
    assert len(raw) == len("sk-sluice-") + 43


@pytest.mark.parametrize("wrong", [b"", b"sk-sluice-", b"sk-sluice-" + b"A" * 43, b"\x00\xff", b"x" * 100_000])
def test_wrong_keys_open_nothing(
    database: Database, admin: Identity, directory: Directory, watch: ChangeWatch, wrong: bytes
) -> None:
    raw, _ = create_key(database, "acme", KeySpec(), admin)
    watch.check()
    assert directory.lookup(wrong) is None
    assert directory.lookup(raw.encode()[:-1]) is None
    assert directory.lookup(raw.encode() + b" ") is None


def test_a_revoked_key_is_gone_at_the_next_look_and_stays_gone(
    database: Database, admin: Identity, directory: Directory, watch: ChangeWatch
) -> None:
    raw, info = create_key(database, "acme", KeySpec(), admin)
    kept, _ = create_key(database, "acme", KeySpec(), admin)
    watch.check()
    assert revoke_key(database, "acme", info.key_id, admin).revoked_us is not None
    watch.check()
    assert directory.lookup(raw.encode()) is None
    assert directory.lookup(kept.encode()) is not None
    fresh = Directory(database.clock_us)
    ChangeWatch(database, [fresh]).check()
    assert fresh.lookup(raw.encode()) is None


def test_a_key_expires_by_the_clock_alone(
    database: Database, admin: Identity, directory: Directory, watch: ChangeWatch, clock: Clock
) -> None:
    raw, info = create_key(database, "acme", KeySpec(expires_us=clock() + 60 * SECOND_US), admin)
    watch.check()
    assert directory.lookup(raw.encode()) is not None
    clock.advance(60)
    assert directory.lookup(raw.encode()) is None
    assert info.state(clock()) == "expired"


def test_listing_shows_every_key_of_the_tenant_and_none_in_clear(database: Database, admin: Identity) -> None:
    raw, info = create_key(database, "acme", KeySpec(name="first"), admin)
    create_key(database, "other", KeySpec(name="theirs"), local_operator("other"))
    revoke_key(database, "acme", info.key_id, admin)
    listed = list_keys(database, "acme", admin)
    assert [(key.name, key.state(0)) for key in listed] == [("first", "revoked")]
    assert raw not in repr(listed)
    assert listed[0].hint == raw[-4:]


def test_another_tenants_key_cannot_be_seen_or_revoked(database: Database, admin: Identity) -> None:
    _, theirs = create_key(database, "other", KeySpec(), local_operator("other"))
    with pytest.raises(NotFound):
        revoke_key(database, "acme", theirs.key_id, admin)
    with pytest.raises(NotAllowed):
        revoke_key(database, "other", theirs.key_id, admin)
    with pytest.raises(NotAllowed):
        list_keys(database, "other", admin)
    with pytest.raises(NotAllowed):
        create_key(database, "other", KeySpec(), admin)


@pytest.mark.parametrize("role", ["viewer", "reviewer", "policy_owner", "auditor"])
def test_only_an_admin_makes_or_revokes_keys(database: Database, admin: Identity, role: str) -> None:
    _, info = create_key(database, "acme", KeySpec(), admin)
    somebody = Identity("usr_x", "acme", frozenset({role}))
    with pytest.raises(NotAllowed):
        create_key(database, "acme", KeySpec(), somebody)
    with pytest.raises(NotAllowed):
        revoke_key(database, "acme", info.key_id, somebody)


def test_a_key_never_exceeds_its_creator(database: Database, admin: Identity) -> None:
    bounds = Bounds(team="support", automation="triage")
    service = Identity("svc_x", "acme", frozenset({"admin"}), bounds)
    _, info = create_key(database, "acme", KeySpec("triage", "support", "production"), service)
    assert info.created_by == "svc_x"
    for wider in (KeySpec("triage"), KeySpec("other", "support"), KeySpec("triage", "sales")):
        with pytest.raises(NotAllowed):
            create_key(database, "acme", wider, service)
    _, wide = create_key(database, "acme", KeySpec("other"), admin)
    with pytest.raises(NotAllowed):
        revoke_key(database, "acme", wide.key_id, service)


@pytest.mark.parametrize(
    "spec",
    [
        KeySpec("two words"),
        KeySpec(""),
        KeySpec(team="a@b.example"),
        KeySpec(name="x" * 65),
        KeySpec(environment="prod\n"),
        KeySpec(expires_us=1),
    ],
)
def test_facts_that_records_could_not_carry_are_refused(database: Database, admin: Identity, spec: KeySpec) -> None:
    with pytest.raises(InvalidInput):
        create_key(database, "acme", spec, admin)
    assert list_keys(database, "acme", admin) == []


def test_each_change_leaves_one_event_and_moves_the_counter(
    database: Database, admin: Identity, watch: ChangeWatch
) -> None:
    watch.check()
    before = watch.version
    _, info = create_key(database, "acme", KeySpec("triage", "support"), admin)
    revoke_key(database, "acme", info.key_id, admin)
    revoke_key(database, "acme", info.key_id, admin)
    watch.check()
    assert watch.version == before + 2
    with database.read() as conn:
        rows = conn.execute(select(schema.outbox).order_by(schema.outbox.c.seq)).mappings().all()
    assert [row["kind"] for row in rows] == ["key.created", "key.revoked"]
    assert {(row["tenant"], row["automation"], row["actor"]) for row in rows} == {("acme", "triage", "local")}
    assert len({row["event_id"] for row in rows}) == 2


def test_a_refused_change_leaves_nothing(database: Database, admin: Identity, watch: ChangeWatch) -> None:
    watch.check()
    before = watch.version
    with pytest.raises(InvalidInput):
        create_key(database, "acme", KeySpec("a b"), admin)
    watch.check()
    with database.read() as conn:
        assert conn.execute(select(schema.outbox)).first() is None
    assert watch.version == before


def test_eight_threads_create_and_revoke_without_losing_one(
    database: Database, admin: Identity, directory: Directory, watch: ChangeWatch
) -> None:
    def work(n: int) -> tuple[str, str]:
        kept, _ = create_key(database, "acme", KeySpec(name=f"kept-{n}"), admin)
        gone, info = create_key(database, "acme", KeySpec(name=f"gone-{n}"), admin)
        watched.check()
        revoke_key(database, "acme", info.key_id, admin)
        return kept, gone

    watched = ChangeWatch(database, [directory])
    with ThreadPoolExecutor(8) as threads:
        pairs = list(threads.map(work, range(24)))
    watch.check()
    watched.check()
    fresh = Directory(database.clock_us)
    ChangeWatch(database, [fresh]).check()
    assert len(fresh) == 24
    for kept, gone in pairs:
        for view in (directory, fresh):
            assert view.lookup(kept.encode()) is not None
            assert view.lookup(gone.encode()) is None
    with database.read() as conn:
        kinds = list(conn.execute(select(schema.outbox.c.kind)).scalars())
    assert (kinds.count("key.created"), kinds.count("key.revoked")) == (48, 24)


def test_the_raw_key_is_nowhere_in_the_database(
    database: Database, admin: Identity, address: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    raw, _ = create_key(database, "acme", KeySpec(), admin)
    secret = raw.removeprefix("sk-sluice-")
    if address.startswith("sqlite"):
        at_rest = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
        with closing(sqlite3.connect(tmp_path / "control.db")) as connection:
            at_rest += "\n".join(connection.iterdump()).encode()
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        at_rest = server.dump(address).encode()
    assert b"key.created" in at_rest
    assert secret.encode() not in at_rest
    assert secret[:20].encode() not in at_rest


def test_two_programs_see_one_database(database: Database, address: str, admin: Identity, clock: Clock) -> None:
    second = open_database(address, clock)
    directory = Directory(clock)
    try:
        raw, _ = create_key(database, "acme", KeySpec(), admin)
        ChangeWatch(second, [directory]).check()
        assert directory.lookup(raw.encode()) is not None
    finally:
        second.close()
