"""Whatever keeps responses: by tenant and id, until they are deleted; the database sees ciphertext only."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.control import schema, sealed
from gateway.control.database import Database, open_database
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.migrations import upgrade
from gateway.responses.store import MemoryStore, ResponseStore, SealedStore, Stored
from metrics.proof.erasure import Target
from metrics.record.master import MasterKey

RESPONSE = Stored("resp_1", "drafting", "test", [{"role": "user", "content": "Hi."}], {"id": "resp_1"}, {"[A]": "ann"})
DAY_US = 24 * 3600 * 1_000_000


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_us = 1_000_000

    def __call__(self) -> int:
        return self.now_us


def sealed_store(folder: Path, clock: Clock | None = None, address: str | None = None) -> SealedStore:
    database = open_database(address or f"sqlite:///{folder}/control.db", clock or Clock())
    upgrade(database)
    ensure_tenant(database, "acme")
    ensure_tenant(database, "other")
    return SealedStore(database, MasterKey(b"k" * 32), lambda tenant, subject: f"ref:{tenant}:{subject}")


KINDS = ["memory", "sqlite", "postgresql"]


@contextmanager
def sealed_on(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[SealedStore]:
    """A store in a database of this kind; the tests start the PostgreSQL server themselves."""
    server = request.getfixturevalue("postgres_server") if kind == "postgresql" else None
    store = sealed_store(folder, address=server.clean_database() if server else None)
    yield store
    store.database.close()


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ResponseStore]:
    if request.param == "memory":
        yield MemoryStore()
    else:
        with sealed_on(request.param, request, tmp_path) as made:
            yield made


def test_what_is_kept_is_found_by_its_tenant_only(store: ResponseStore) -> None:
    async def check() -> None:
        await store.put("acme", None, RESPONSE, 1)
        assert await store.get("acme", "resp_1") == RESPONSE
        assert await store.get("other", "resp_1") is None
        assert await store.get("acme", "resp_2") is None

    asyncio.run(check())


def test_a_later_state_takes_the_place_of_an_earlier_one(store: ResponseStore) -> None:
    later = Stored("resp_1", "drafting", "test", [], {"id": "resp_1", "status": "completed"}, {})

    async def check() -> None:
        await store.put("acme", None, RESPONSE, 1)
        await store.put("acme", None, later, 1)
        assert await store.get("acme", "resp_1") == later

    asyncio.run(check())


def test_what_is_removed_is_gone(store: ResponseStore) -> None:
    async def check() -> None:
        await store.put("acme", None, RESPONSE, 1)
        assert await store.remove("acme", "resp_1")
        assert await store.get("acme", "resp_1") is None
        assert not await store.remove("acme", "resp_1")

    asyncio.run(check())


def rows(database: Database) -> list[bytes]:
    with database.read() as conn:
        return list(conn.execute(select(schema.sealed.c.ciphertext)).scalars())


def test_the_database_sees_ciphertext_that_expires_and_is_erased_with_its_subject(tmp_path: Path) -> None:
    clock = Clock()
    store = sealed_store(tmp_path, clock)

    async def check() -> None:
        await store.put("acme", "u-17", RESPONSE, 2)
        assert not any(b"ann" in row or b"Hi." in row for row in rows(store.database))
        clock.now_us += 2 * DAY_US
        assert await store.get("acme", "resp_1") is None
        await store.put("acme", "u-17", RESPONSE, 2)
        assert sealed.erase(store.database, Target("acme", ("ref:acme:u-17",))) == {"response": 1}
        assert await store.get("acme", "resp_1") is None

    asyncio.run(check())


def test_another_master_key_reads_nothing(tmp_path: Path) -> None:
    store = sealed_store(tmp_path)
    other = SealedStore(store.database, MasterKey(b"x" * 32), store.subject_ref)

    async def check() -> None:
        await store.put("acme", None, RESPONSE, 2)
        assert await other.get("acme", "resp_1") is None

    asyncio.run(check())
