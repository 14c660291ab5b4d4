"""The relay, the lease of a keeper, and a keeper as a whole."""

import asyncio
from pathlib import Path

import pytest

from gateway.control import outbox
from gateway.control.database import Database, utc_now_us
from gateway.control.errors import Conflict
from gateway.control.identity.keys import KeySpec, create_key
from gateway.control.identity.roles import local_operator
from gateway.control.leases import Lease, release
from gateway.keeper.activator import Activator
from gateway.keeper.duties import Duty, Keeper, blocking, sparing
from gateway.keeper.relay import Relay
from gateway.keeper.tenure import Tenure, alone, holder_name
from metrics.record.commits import Commit, JournalUnavailableError, OnFailure
from metrics.record.content import Content
from metrics.record.events import Event
from metrics.record.journal import MemoryJournal
from tests.contract.control.clock import Clock

OPERATOR = local_operator("default")


class TellingJournal(MemoryJournal):
    """Tells when the first event was committed."""

    def __init__(self) -> None:
        super().__init__()
        self.first = asyncio.Event()

    async def commit(self, event: Event, content: Content | None = None, *, on_failure: OnFailure = "block") -> Commit:
        done = await super().commit(event, content, on_failure=on_failure)
        self.first.set()
        return done


def make_keys(database: Database, count: int) -> None:
    for _ in range(count):
        create_key(database, "default", KeySpec(), OPERATOR)


def ids(journal: MemoryJournal) -> list[str]:
    return [event.event_id for event, _ in journal.committed]


def test_what_waits_is_journalled_once_and_in_order(database: Database, lease: Lease) -> None:
    make_keys(database, 5)
    waiting = [event.event_id for _, event in outbox.unrelayed(database)]
    journal = MemoryJournal()
    relay = Relay(database, journal)
    assert asyncio.run(relay.pass_on(lease)) == 5
    assert asyncio.run(relay.pass_on(lease)) == 0
    assert ids(journal) == waiting
    assert all(content is None for _, content in journal.committed)


def test_what_the_journal_refuses_waits(database: Database, lease: Lease) -> None:
    make_keys(database, 3)
    journal = MemoryJournal()
    journal.fail = True
    relay = Relay(database, journal)
    with pytest.raises(JournalUnavailableError):
        asyncio.run(relay.pass_on(lease))
    assert len(outbox.unrelayed(database)) == 3
    journal.fail = False
    assert asyncio.run(relay.pass_on(lease)) == 3
    assert len(outbox.unrelayed(database)) == 0


def test_a_relay_that_lost_its_lease_leads_to_the_same_ids_again_never_to_a_loss(
    database: Database, lease: Lease
) -> None:
    make_keys(database, 4)
    first, second = MemoryJournal(), MemoryJournal()
    release(database, lease)
    with pytest.raises(Conflict):
        asyncio.run(Relay(database, first).pass_on(lease))
    tenure = Tenure(database, "another machine")
    tenure.hold()
    assert tenure.lease is not None
    assert asyncio.run(Relay(database, second).pass_on(tenure.lease)) == 4
    assert ids(first) == ids(second)
    assert len(set(ids(second))) == 4


def test_a_tenure_outlives_its_process_only_until_it_expires(database: Database, clock: Clock) -> None:
    mine, theirs = Tenure(database, "a", ttl_s=6), Tenure(database, "b", ttl_s=6)
    mine.hold()
    theirs.hold()
    assert mine.lease is not None
    assert theirs.lease is None
    clock.advance(3)
    mine.hold()
    clock.advance(4)
    theirs.hold()
    assert mine.lease is not None
    assert theirs.lease is None
    clock.advance(3)
    theirs.hold()
    assert mine.lease is None
    assert theirs.lease is not None


def test_a_restarted_keeper_of_the_same_machine_takes_over_at_once(database: Database, tmp_path: Path) -> None:
    before, after = (Tenure(database, holder_name(tmp_path)) for _ in range(2))
    before.hold()
    after.hold()
    assert after.lease is not None
    assert before.lease is not None
    assert after.lease.token > before.lease.token


def test_giving_up_frees_the_lease(database: Database) -> None:
    mine, theirs = Tenure(database, "a"), Tenure(database, "b")
    mine.hold()
    mine.give_up()
    theirs.hold()
    assert mine.lease is None
    assert theirs.lease is not None


def test_a_second_keeper_of_a_data_folder_waits_until_it_is_stopped(tmp_path: Path) -> None:
    async def both() -> int | None:
        stop = asyncio.Event()
        assert await alone(tmp_path, stop) is not None
        waiting = asyncio.create_task(alone(tmp_path, stop))
        await asyncio.sleep(0)
        stop.set()
        return await waiting

    assert asyncio.run(both()) is None


def test_a_keeper_does_all_its_duties_and_leaves_nothing_waiting(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "default.yaml").write_text("policy: default\nschema: 1\nowner: o@example.com\n")
    live = Database(database.engine, utc_now_us)
    journal, tenure = TellingJournal(), Tenure(live, "here")

    async def work() -> None:
        stop = asyncio.Event()
        relay = Relay(live, journal)
        duties = [Duty("activation", 0.1, blocking(Activator(live, folder).look)), Duty("relay", 0.25, relay.pass_on)]
        keeper = Keeper(tenure, duties, relay.pass_on)
        running = asyncio.create_task(keeper.keep(stop))
        await asyncio.wait_for(journal.first.wait(), 20)
        make_keys(live, 2)
        stop.set()
        await running

    asyncio.run(work())
    assert [event.kind for event, _ in journal.committed] == ["policy.activated", "key.created", "key.created"]
    assert len(outbox.unrelayed(live)) == 0
    assert tenure.lease is None


def test_a_look_that_takes_long_is_followed_by_a_long_rest(lease: Lease) -> None:
    now_s, looks = [100.0], []

    def look(_: Lease) -> None:
        looks.append(now_s[0])
        now_s[0] += 0.5

    act = sparing(look, lambda: now_s[0])

    async def acted() -> None:
        await act(lease)

    for _ in range(24):
        asyncio.run(acted())
        now_s[0] += 1.0
    assert looks == [100.0, 110.5, 121.0]
