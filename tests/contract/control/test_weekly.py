"""Frozen reviews keep their bytes; actions are carried until they are closed; whoever only reads changes nothing."""

import hashlib

import pytest

from gateway.control import weekly
from gateway.control.database import Database
from gateway.control.errors import Conflict, InvalidInput, NotAllowed, NotFound
from gateway.control.identity.roles import Identity
from gateway.control.outbox import unrelayed
from gateway.control.weekly import NewItem
from tests.contract.control.clock import Clock

VIEWER = Identity("usr_v", "acme", frozenset({"viewer"}))


def test_a_frozen_review_keeps_its_bytes_and_leaves_their_digest_in_the_record(
    database: Database, admin: Identity
) -> None:
    assert weekly.want(database, admin, "2026-W47") == 1
    with pytest.raises(Conflict):
        weekly.want(database, admin, "2026-W47")
    with database.read() as conn:
        [asked] = weekly.wanted(conn)
    with database.write() as tx:
        weekly.freeze(tx, asked, 812, b'{"seq":812}')
        weekly.freeze(tx, asked, 900, b"something else")
    with database.read() as conn:
        found = weekly.frozen(conn, "acme", "2026-W47")
        assert not weekly.wanted(conn)
    assert (found.seq, found.content) == (812, b'{"seq":812}')
    told = [event for _, event in unrelayed(database) if event.kind == "weekly.frozen"]
    assert [event.body["sha256"] for event in told] == [hashlib.sha256(b'{"seq":812}').hexdigest()]


def test_a_week_can_be_frozen_again_and_earlier_revisions_stay(database: Database, admin: Identity) -> None:
    for number in (1, 2):
        assert weekly.want(database, admin, "2026-W47") == number
        with database.read() as conn:
            [asked] = weekly.wanted(conn)
        with database.write() as tx:
            weekly.freeze(tx, asked, 10 * number, str(number).encode())
    with database.read() as conn:
        assert weekly.frozen(conn, "acme", "2026-W47").content == b"2"
        assert weekly.frozen(conn, "acme", "2026-W47", 1).content == b"1"
        assert [(each.week, each.revision, each.content) for each in weekly.weeks(conn, "acme")] == [
            ("2026-W47", 2, None),
            ("2026-W47", 1, None),
        ]
        assert weekly.weeks(conn, "other") == []
        with pytest.raises(NotFound):
            weekly.frozen(conn, "other", "2026-W47")


def test_open_actions_are_carried_into_later_weeks_until_they_are_closed(
    database: Database, admin: Identity, clock: Clock
) -> None:
    old = weekly.add(database, admin, NewItem("2026-W46", automation="triage", measure="success"), b"x", "item_1")
    clock.advance(1)
    weekly.add(database, admin, NewItem("2026-W47", "decision", due="2026-12-01"), b"y", "item_2")
    with database.read() as conn:
        assert [item.item_id for item in weekly.items(conn, "acme", "2026-W47")] == ["item_1", "item_2"]
        assert [item.item_id for item in weekly.items(conn, "acme", "2026-W46")] == ["item_1"]
    assert weekly.close(database, admin, old.item_id, "done").closed_by == admin.holder
    with pytest.raises(Conflict):
        weekly.close(database, admin, old.item_id, "dropped")
    with database.read() as conn:
        assert [item.item_id for item in weekly.items(conn, "acme", "2026-W47")] == ["item_2"]
        assert weekly.items(conn, "other") == []


def test_who_only_reads_enters_nothing(database: Database) -> None:
    for act in (
        lambda: weekly.add(database, VIEWER, NewItem("2026-W47"), b"x", "item_1"),
        lambda: weekly.close(database, VIEWER, "item_1", "done"),
        lambda: weekly.want(database, VIEWER, "2026-W47"),
    ):
        with pytest.raises(NotAllowed):
            act()


@pytest.mark.parametrize(
    "new",
    [
        NewItem("2026-47"),
        NewItem("2026-W54"),
        NewItem("2026-W47", "wish"),
        NewItem("2026-W47", measure="luck"),
        NewItem("2026-W47", due="soon"),
        NewItem("2026-W47", automation="no spaces"),
    ],
)
def test_what_cannot_be_used_is_refused(database: Database, admin: Identity, new: NewItem) -> None:
    with pytest.raises(InvalidInput):
        weekly.add(database, admin, new, b"x", "item_1")
