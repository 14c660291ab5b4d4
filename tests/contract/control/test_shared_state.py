"""Leases, sealed items, policy snapshots, the outbox, housekeeping and the layout."""

import multiprocessing
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.control import housekeeping, leases, outbox, schema, sealed, snapshots
from gateway.control.database import Database, Note, open_database
from gateway.control.errors import Conflict, ControlUnavailable, InvalidInput, LayoutTooNew
from gateway.control.identity.keys import KeySpec, create_key
from gateway.control.identity.roles import Identity
from gateway.control.migrations import STEPS, upgrade
from gateway.control.sealed import SealedItem
from gateway.control.snapshots import Source
from metrics.proof.erasure import Target
from tests.contract.control.clock import SECOND_US, Clock

SOURCE = Source("abc123", False, "keeper")


def test_a_lease_has_one_holder_at_a_time(database: Database, clock: Clock) -> None:
    first = leases.acquire(database, "keeper", "a", 3)
    assert first is not None
    assert leases.acquire(database, "keeper", "b", 3) is None
    assert leases.acquire(database, "other", "b", 3) is not None
    clock.advance(2)
    first = leases.renew(database, first, 3)
    assert first is not None
    clock.advance(2)
    assert leases.acquire(database, "keeper", "b", 3) is None
    clock.advance(2)
    second = leases.acquire(database, "keeper", "b", 3)
    assert second is not None
    assert second.token > first.token
    assert leases.renew(database, first, 3) is None
    assert not leases.release(database, first)
    assert leases.release(database, second)
    assert leases.acquire(database, "keeper", "a", 3) is not None


def test_a_holder_that_slept_through_its_lease_cannot_write(database: Database, clock: Clock) -> None:
    lease = leases.acquire(database, "keeper", "a", 3)
    assert lease is not None
    with database.write() as tx:
        leases.assert_held(tx, lease)
    clock.advance(3)
    with pytest.raises(Conflict), database.write() as tx:
        leases.assert_held(tx, lease)
    leases.acquire(database, "keeper", "b", 3)
    with pytest.raises(Conflict), database.write() as tx:
        leases.assert_held(tx, lease)


def _contend(address: str, start: "multiprocessing.synchronize.Barrier", won: "multiprocessing.Queue[int]") -> None:
    database = open_database(address, Clock())
    start.wait(30)
    for n in range(20):
        lease = leases.acquire(database, f"lease-{n}", f"holder-{multiprocessing.current_process().pid}", 60)
        if lease is not None:
            won.put(n)
    database.close()


def test_of_two_processes_one_gets_each_lease(database: Database, address: str) -> None:
    context = multiprocessing.get_context("spawn")
    start, won = context.Barrier(2), context.Queue()
    pair = [context.Process(target=_contend, args=(address, start, won)) for _ in range(2)]
    for process in pair:
        process.start()
    for process in pair:
        process.join(60)
    assert [process.exitcode for process in pair] == [0, 0]
    assert sorted(won.get(timeout=10) for _ in range(20)) == list(range(20))
    assert won.empty()


def test_sealed_items_are_found_by_tenant_kind_and_id(database: Database) -> None:
    with database.write() as tx:
        assert sealed.put(tx, "acme", SealedItem("hold", "1", b"\x00one"))
        assert not sealed.put(tx, "acme", SealedItem("hold", "1", b"two"))
        assert sealed.put(tx, "other", SealedItem("hold", "1", b"theirs"))
        assert sealed.put(tx, "acme", SealedItem("cache", "1", b"cached"))
    found = sealed.get(database, "acme", "hold", "1")
    assert found == SealedItem("hold", "1", b"\x00one")
    with database.write() as tx:
        sealed.replace(tx, "acme", SealedItem("hold", "1", b"three", "ref"))
        assert sealed.remove(tx, "acme", "cache", "1")
        assert not sealed.remove(tx, "acme", "cache", "1")
    assert sealed.get(database, "acme", "hold", "1") == SealedItem("hold", "1", b"three", "ref")
    assert sealed.get(database, "other", "hold", "1") == SealedItem("hold", "1", b"theirs")
    assert sealed.get(database, "acme", "cache", "1") is None


def test_sealed_items_expire_and_are_swept(database: Database, clock: Clock) -> None:
    with database.write() as tx:
        sealed.put(tx, "acme", SealedItem("hold", "soon", b"x", expires_us=clock() + SECOND_US))
        sealed.put(tx, "acme", SealedItem("hold", "never", b"y"))
    clock.advance(1)
    assert sealed.get(database, "acme", "hold", "soon") is None
    for gone in (1, 0):
        with database.write() as tx:
            assert sealed.sweep(tx) == gone
    assert sealed.get(database, "acme", "hold", "never") is not None


def test_erasing_a_subject_leaves_no_byte_of_it_and_spares_others(
    database: Database, address: str, tmp_path: Path
) -> None:
    with database.write() as tx:
        for n in range(20):
            sealed.put(tx, "acme", SealedItem("hold", f"g{n}", b"GONE-CIPHERTEXT" * 50, "ref-gone"))
            sealed.put(tx, "acme", SealedItem("hold", f"k{n}", b"KEPT-CIPHERTEXT" * 50, "ref-kept"))
        sealed.put(tx, "other", SealedItem("hold", "1", b"x", "ref-gone"))
    gone = Target("acme", ("ref-gone",))
    assert sealed.erase(database, gone) == {"hold": 20}
    assert sealed.erase(database, gone) == {}
    sealed.scrub(database)
    with database.read() as conn:
        left = conn.execute(select(func.count()).select_from(schema.sealed)).scalar()
    assert left == 21
    if address.startswith("sqlite"):
        at_rest = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        assert b"GONE-CIPHERTEXT" not in at_rest
        assert b"KEPT-CIPHERTEXT" in at_rest


def test_the_latest_activation_is_in_force_and_history_keeps_all(database: Database) -> None:
    for n in range(3):
        with database.write() as tx:
            snapshots.activate(tx, b"tree %d" % n, SOURCE, expected=n)
    with database.write() as tx:  # going back to an earlier tree stores no second copy
        back = snapshots.activate(tx, b"tree 0", SOURCE, expected=3)
    with database.read() as conn:
        assert snapshots.active(conn) == back
        assert [entry.generation for entry in snapshots.history(conn)] == [4, 3, 2, 1]
        assert snapshots.content(conn, back.sha256) == b"tree 0"
        assert snapshots.content(conn, "0" * 64) is None
        assert conn.execute(select(func.count()).select_from(schema.policy_snapshots)).scalar() == 3


def test_of_two_activations_one_wins_and_the_other_leaves_nothing(database: Database) -> None:
    with database.write() as tx:
        snapshots.activate(tx, b"first", SOURCE, expected=0)
    with pytest.raises(Conflict), database.write() as tx:
        snapshots.activate(tx, b"late", SOURCE, expected=0)
    with pytest.raises(InvalidInput), database.write() as tx:
        snapshots.activate(tx, b"", SOURCE, expected=1)
    assert [event.kind for _, event in outbox.unrelayed(database)] == ["policy.activated"]
    with database.read() as conn:
        assert conn.execute(select(func.count()).select_from(schema.policy_snapshots)).scalar() == 1


def test_activations_at_once_have_one_winner(database: Database) -> None:
    results: list[bool] = []
    start = threading.Barrier(6)

    def attempt(n: int) -> None:
        start.wait(10)
        with suppress(Conflict), database.write() as tx:
            snapshots.activate(tx, b"tree %d" % n, SOURCE, expected=0)
            results.append(True)

    threads = [threading.Thread(target=attempt, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as conn:
        assert len(snapshots.history(conn)) == 1
    assert results == [True]


def test_problems_are_news_once(database: Database) -> None:
    found = [{"file": "a.yaml", "line": 3, "column": 5, "path": "redaction", "message": "unknown key"}]
    assert not snapshots.report_problems(database, [], "keeper")
    assert snapshots.report_problems(database, found, "keeper")
    assert not snapshots.report_problems(database, found, "keeper")
    with database.read() as conn:
        assert snapshots.problems(conn) == found
    assert snapshots.report_problems(database, [], "keeper")
    with database.read() as conn:
        assert snapshots.problems(conn) == []
    assert [event.kind for _, event in outbox.unrelayed(database)] == ["policy.rejected"]


def test_the_outbox_hands_out_whole_events_in_order_until_they_are_marked(
    database: Database, admin: Identity, clock: Clock
) -> None:
    for n in range(5):
        create_key(database, "acme", KeySpec("triage", "support", name=f"n{n}"), admin)
    waiting = outbox.unrelayed(database, limit=3)
    assert [number for number, _ in waiting] == sorted(number for number, _ in waiting)
    event = waiting[0][1]
    assert (event.kind, event.tenant, event.automation, event.actor) == ("key.created", "acme", "triage", "local")
    assert (event.ts_us, event.schema, event.body["team"]) == (clock(), 1, "support")
    with database.write() as tx:
        outbox.mark_relayed(tx, [number for number, _ in waiting])
    assert len(outbox.unrelayed(database)) == 2
    clock.advance(8 * 24 * 3600)
    assert housekeeping.sweep(database)["outbox"] == 3
    assert len(outbox.unrelayed(database)) == 2


def test_what_a_failed_transaction_recorded_is_not_there(database: Database) -> None:
    def fail() -> None:
        with database.write() as tx:
            tx.record(Note("key.created", "acme", "x", {}))
            tx.bump()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert len(outbox.unrelayed(database)) == 0


def test_readers_see_one_state_while_others_write(database: Database, admin: Identity) -> None:
    count = select(func.count()).select_from(schema.api_keys)
    with database.read() as conn:
        before = conn.execute(count).scalar()
        create_key(database, "acme", KeySpec(), admin)
        assert conn.execute(count).scalar() == before


def test_the_layout_is_created_once_whoever_starts_first(address: str) -> None:
    databases = [open_database(address) for _ in range(4)]
    taken: list[list[str]] = []
    threads = [threading.Thread(target=lambda d=each: taken.append(upgrade(d))) for each in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [[], [], [], list(STEPS)]
    for each in databases:
        each.close()


def test_later_steps_run_in_order_and_once(database: Database) -> None:
    ran: list[str] = []

    def step(name: str) -> "Callable[[object], None]":
        return lambda _conn: ran.append(name)

    newer = {**STEPS, "0002-a": step("a"), "0003-b": step("b")}
    assert upgrade(database, newer) == ["0002-a", "0003-b"]
    assert upgrade(database, newer) == []
    assert ran == ["a", "b"]
    with pytest.raises(LayoutTooNew, match="0003-b"):
        upgrade(database)


def test_a_database_that_is_not_there_is_unavailable_not_a_crash(tmp_path: Path) -> None:
    database = open_database(f"postgresql://sluice@/none?host={tmp_path}/nowhere")
    with pytest.raises(ControlUnavailable), database.read():
        pass
