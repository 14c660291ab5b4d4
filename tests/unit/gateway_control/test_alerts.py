"""Alerts: told once, acted upon once, over once; a rollback stays until another tree comes."""

from pathlib import Path
from typing import Any

import pytest

from gateway.control import alerts, leases, snapshots
from gateway.control.database import Database
from gateway.control.identity.roles import local_operator
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.leases import Lease
from gateway.control.outbox import unrelayed
from gateway.control.stops import start, stops_of
from gateway.keeper.activator import activate
from gateway.keeper.alerts import Alerts
from gateway.keeper.weekly import ReviewBuilder
from metrics.client import Table, Watermark
from metrics.health.measures import Value
from policy.load import load_tree
from tests.contract.control.clock import Clock
from tests.running_gateway import write_policies

ENTRY = """
automation: drafting
schema: 1
owner: ann@example.com
team: support
purpose: Drafts.
baseline: {minutes_per_task: 5, error_rate: 0.1}
success: Sent.
targets: [{measure: success, at_least: 0.9}]
rollback: [{measure: success, at_least: 0.8, over: 7d, ACTION}]
"""


class Ledger:
    """Answers measures with one success rate."""

    def __init__(self) -> None:
        self.share = 0.5

    def __call__(self, name: str, **given: Any) -> Table:
        assert name == "measure"
        known = {
            "success": ["success", self.share, self.share - 0.05, self.share + 0.05, 0, 400, 0],
            "volume": ["calls", 400.0, None, None, None, None, None],
        }.get(given["measure"])
        return Table(Value._fields, [[None, "drafting", *known]] if known else [], Watermark(1, 1))


@pytest.fixture
def lease(database: Database) -> Lease:
    ensure_tenant(database, "acme")
    held = leases.acquire(database, "keeper", "test", 3600)
    assert held is not None
    return held


def tree(folder: Path, action: str) -> Path:
    made = write_policies(folder, "http://127.0.0.1:1/v1")
    (made / "automations").mkdir(exist_ok=True)
    (made / "automations/drafting.yaml").write_text(ENTRY.replace("ACTION", action))
    return made


def kinds(database: Database) -> list[str]:
    told = [event for _, event in unrelayed(database) if event.tenant == "acme"]
    return [event.kind for event in told if event.kind.startswith(("alert", "stop"))]


def messages(database: Database) -> list[alerts.Message]:
    return [message for message in alerts.due(database) if message.tenant == "acme"]


def test_a_breach_is_told_once_stops_once_and_is_over_once(database: Database, lease: Lease, tmp_path: Path) -> None:
    activate(database, load_tree(tree(tmp_path, "action: stop")), "test", lease)
    ledger = Ledger()
    watch = Alerts(database, lambda _tenant: ledger, ("mailto:ops@example.com",))
    for _ in range(3):
        watch.look(lease)
    assert [each["automation"] for each in stops_of(database, local_operator("acme"))] == ["drafting"]
    assert kinds(database).count("alert.opened") == 2  # the target and the criterion
    told = [message.body["text"] for message in messages(database)]
    assert len(told) == 2
    assert "task success is 50.0%, asked is at least 80.0% over 7d (400 cases). It was stopped" in told[1]
    assert "Owner: ann@example.com." in told[1]
    start(database, local_operator("acme"), "drafting")
    watch.look(lease)
    assert not stops_of(database, local_operator("acme"))  # a person's decision is not undone by the same breach
    ledger.share = 0.95
    watch.look(lease)
    assert kinds(database).count("alert.closed") == 2
    assert len(messages(database)) == 4


def test_chance_is_no_breach(database: Database, lease: Lease, tmp_path: Path) -> None:
    activate(database, load_tree(tree(tmp_path, "action: stop")), "test", lease)
    ledger = Ledger()
    ledger.share = 0.78  # 0.73 to 0.83
    watch = Alerts(database, lambda _tenant: ledger)
    watch.look(lease)
    assert not stops_of(database, local_operator("acme"))


def test_a_rollback_brings_the_named_snapshot_back_until_another_tree_comes(
    database: Database, lease: Lease, tmp_path: Path
) -> None:
    first = load_tree(tree(tmp_path / "first", "action: advise"))
    activate(database, first, "test", lease)
    folder = tree(tmp_path / "second", f"action: activate, snapshot: {first.sha256}")
    second = load_tree(folder)
    activate(database, second, "test", lease)
    Alerts(database, lambda _tenant: Ledger()).look(lease)

    def in_force() -> str:
        with database.read() as conn:
            found = snapshots.active(conn)
        assert found is not None
        return found.sha256

    assert in_force() == first.sha256
    assert not activate(database, second, "keeper", lease)  # the folder as it was: a restarted keeper leaves it
    assert in_force() == first.sha256
    with (folder / "automations/drafting.yaml").open("a") as file:
        file.write("customer_facing: false\nregulated: false\nstage: live\n")
    (folder / "structured.yaml").write_text((folder / "structured.yaml").read_text().replace("tests@", "mended@"))
    mended = load_tree(folder)
    assert activate(database, mended, "keeper", lease)
    assert in_force() == mended.sha256


def test_messages_are_tried_again_and_given_up(database: Database, lease: Lease, clock: Clock) -> None:
    with database.write() as tx:
        alerts.tell(tx, "acme", ("webhook:HOOK",), {"about": "x", "subject": "s", "text": "t"})
    tries = 0
    while alerts.due(database):
        [message] = alerts.due(database)
        alerts.note(database, message, "unreachable", sent=False)
        tries += 1
        clock.advance(20_000)
    assert tries == len(alerts.WAITS_S) + 1
    assert kinds(database)[-1] == "alert.sent"


@pytest.mark.parametrize(
    ("at", "tz", "due"),
    [("mon 07:00", "UTC", True), ("sun 23:59", "UTC", False), (None, "UTC", False)],
)
def test_the_schedule_wants_last_week_from_its_time_on(
    database: Database, clock: Clock, at: str | None, tz: str, due: bool
) -> None:
    clock.now_us = 1_795_503_600_000_000  # Tuesday, 24 November 2026, 07:00 UTC
    builder = ReviewBuilder(database, lambda _tenant, _given: b"", tz, at)
    assert builder.due_week() == ("2026-W47" if due else None)
