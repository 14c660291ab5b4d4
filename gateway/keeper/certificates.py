"""The watch over certificates: audits of what passed are bet against, and one that no longer holds is withdrawn."""

import logging
from collections.abc import Callable
from typing import Final

from gateway.control.certificates import Withdrawal, withdraw, withdrawn
from gateway.control.database import Database
from gateway.control.leases import Lease
from gateway.control.tree import TreeInForce
from metrics.health.confidence.sample import passed_errors
from metrics.health.confidence.watch import wealth
from metrics.health.replay import Ask
from policy.certificate import Certificate

ACTOR: Final = "keeper"
_log = logging.getLogger("gateway.keeper")


class CertificateWatch:
    """Asks the recorder about each certificate in force; without certificates it asks nothing."""

    def __init__(self, database: Database, ask: Callable[[str], Ask]) -> None:
        self._database, self._ask = database, ask
        self._tree = TreeInForce()

    def look(self, _lease: Lease) -> None:
        """Look once. Two keepers that withdraw at once withdraw once.

        Raises:
            RecorderError: the ledger cannot be asked; the next look tries again.
        """
        now_us = self._database.clock_us()
        with self._database.read() as conn:
            tree, gone = self._tree.read(conn), withdrawn(conn)
        for made in tree.certificates.by_key.values() if tree else ():
            if made.certificate not in gone and now_us < made.expires.timestamp() * 1e6:
                since = int(made.fitted_at.timestamp() * 1e6)
                ask, key = self._ask(made.key.tenant), made.key
                rows = ask("audited", since=since, automation=key.automation, metric=made.metric).dicts()
                self._check(made, passed_errors(rows, key.tenant, made.certificate, now_us))

    def _check(self, made: Certificate, errors: list[bool]) -> None:
        found = wealth(errors, made.alpha, made.delta)
        if found.crossed_at is None:
            return
        seen = {"audits": found.crossed_at, "errors": sum(errors[: found.crossed_at])}
        evidence = {"wealth": round(found.path[found.crossed_at - 1], 3), **seen}
        lost = Withdrawal(made.certificate, made.key.tenant, made.key.automation, "drift", evidence)
        if withdraw(self._database, lost, ACTOR):
            _log.warning(
                "certificate %s withdrawn: %d errors among %d audits of what passed",
                made.certificate, seen["errors"], seen["audits"],
            )  # fmt: skip
