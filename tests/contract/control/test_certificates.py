"""Withdrawn certificates: for good, said once, and seen by every worker."""

from gateway.control.certificates import Withdrawal, Withdrawn, withdraw
from gateway.control.database import Database
from gateway.control.outbox import unrelayed
from gateway.control.watch import ChangeWatch

FOUND = Withdrawal("triage-1", "acme", "triage", "drift", {"wealth": 12.5, "errors": 9, "audits": 80})


def test_a_withdrawal_is_seen_recorded_once_and_never_taken_back(database: Database) -> None:
    seen = Withdrawn()
    watch = ChangeWatch(database, (seen,))
    watch.check()
    assert seen.ids == frozenset()
    assert withdraw(database, FOUND, "keeper")
    assert not withdraw(database, FOUND, "keeper")
    watch.check()
    assert seen.ids == {"triage-1"}
    [event] = [event for _, event in unrelayed(database) if event.kind == "certificate.withdrawn"]
    assert (event.tenant, event.automation, event.actor) == ("acme", "triage", "keeper")
    assert event.body == {"certificate": "triage-1", "reason": "drift", "wealth": 12.5, "errors": 9, "audits": 80}
