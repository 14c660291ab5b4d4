"""Dead letters: people are told once when an automation has some, and once when all are dealt with."""

from typing import Any

from gateway.control import alerts, leases
from gateway.control.database import Database
from gateway.control.identity.tenants import ensure_tenant
from gateway.keeper.dead_letters import DeadLetters
from metrics.client import Table, Watermark

COLUMNS = ("automation", "runs", "causes", "newest_us")


def test_dead_letters_are_told_once_and_are_over_once(database: Database) -> None:
    ensure_tenant(database, "acme")
    lease = leases.acquire(database, "keeper", "test", 3600)
    assert lease is not None
    rows: list[list[Any]] = []

    def ask(name: str, **_given: Any) -> Table:
        assert name == "dead_letters"
        return Table(COLUMNS, list(rows), Watermark(1, 1))

    watch = DeadLetters(database, lambda _tenant: ask, ("webhook:OPS",))

    def told() -> list[str]:
        watch.look(lease)
        return [message.body["text"] for message in alerts.due(database) if message.tenant == "acme"]

    assert told() == []
    rows.append(["letters", 2, "error, timeout", 1])
    assert [told() for _ in range(3)][-1] == [
        "letters: 2 runs are dead letters (cause: error, timeout). Nothing of them is lost; "
        "`sluice runs list --dead --automation letters` or the page Runs shows them."
    ]
    rows.clear()
    assert [told() for _ in range(3)][-1][1:] == ["letters: its dead letters are dealt with."]
