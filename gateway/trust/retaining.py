"""Runs retention once a day: the rules of the policies in force and the legal holds, over every store."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.control import housekeeping, legal_holds, retention_runs, sealed
from gateway.control.database import Database
from gateway.control.errors import ControlError
from gateway.control.identity.tenants import DEFAULT_TENANT
from gateway.control.leases import Lease
from gateway.control.tree import TreeInForce
from metrics.client import RecorderClient, RecorderError
from metrics.proof.retention import LegalHold, Rule, Rules
from metrics.record.master import MasterKey
from metrics.record.segments import day_of
from metrics.record.token import KEEPER, Grant, secret_of, sign
from policy.model import Policy
from policy.snapshot import Snapshot

_LOG: Final = logging.getLogger("gateway.keeper")
_PATIENCE_S: Final = 900.0
_AGAIN_US: Final = 600_000_000  # after a run that failed
_SETTLE_US: Final = 120_000_000  # after the start: the recorder first takes in what waits


def rules_of(snapshot: Snapshot | None, holds: list[LegalHold]) -> Rules:
    """Return what the policies in force and the holds say."""
    policies = [entry.policy for entry in snapshot.entries] if snapshot else []
    longest = max((_longest(policy) for policy in policies), default=10**6)
    return Rules(tuple(_rule(policy) for policy in policies), tuple(holds), longest)


def keeper_client(master: MasterKey, recorder_url: str, clock_us: Callable[[], int]) -> RecorderClient:
    """Return access to the recorder that no person has."""
    secret, grant = secret_of(master), Grant("keeper", DEFAULT_TENANT, (KEEPER,))
    return RecorderClient(recorder_url, lambda: sign(secret, grant, clock_us() // 1_000_000), _PATIENCE_S)


@dataclass(frozen=True, slots=True)
class Retention:
    """Hands the recorder its rules; `client` carries the keeper's own token."""

    database: Database
    client: RecorderClient
    tree: TreeInForce = field(default_factory=TreeInForce)

    def rules(self) -> Rules:
        """Read policies and holds."""
        with self.database.read() as conn:
            return rules_of(self.tree.read(conn), legal_holds.in_force(conn))

    def plan(self, tenant: str | None = None) -> dict[str, Any]:
        """Count what a run would destroy now, of one tenant or of all. Raises `RecorderError`."""
        return self.client.retention(self.rules().to_json() | {"dry": True, "tenant": tenant})

    def run(self) -> dict[str, Any]:
        """Destroy what is due, here and at the recorder. Raises `RecorderError`, `ControlError`."""
        rules = self.rules()
        swept = housekeeping.sweep(self.database, rules.all_holds())
        sealed.scrub(self.database)
        control = {name: count for name, count in swept.items() if count}
        return self.client.retention(rules.to_json() | {"control": control})


class RetentionDuty:
    """The keeper's: once a day, and again after ten minutes while it fails."""

    def __init__(self, retention: Retention, clock_us: Callable[[], int]) -> None:
        self._retention, self._clock_us = retention, clock_us
        self._done = ""
        self._not_before_us = clock_us() + _SETTLE_US

    def holds(self) -> tuple[LegalHold, ...]:
        """Return what is kept, by holds and by policies."""
        return self._retention.rules().all_holds()

    def look(self, _lease: Lease) -> None:
        """Run if today's run is still to be done."""
        now_us = self._clock_us()
        today = day_of(now_us)
        if today == self._done or now_us < self._not_before_us:
            return
        try:
            if retention_runs.begin(self._retention.database, today):
                outcome = self._retention.run()
                retention_runs.finish(self._retention.database, today, outcome)
                _LOG.info(
                    "retention of %s: %d records, %d keys", today, outcome["records"], sum(outcome["keys"].values())
                )
        except (RecorderError, ControlError) as error:
            self._not_before_us = now_us + _AGAIN_US
            _LOG.warning("retention of %s could not be run yet: %s", today, type(error).__name__)
            return
        self._done = today


def _rule(policy: Policy) -> Rule:
    kept = policy.retention
    named = {name: sorted(values) for name, values in policy.applies_to.named().items()}
    return Rule(named, kept.metadata.days, kept.audit.days, kept.legal_hold)


def _longest(policy: Policy) -> int:
    kept = policy.retention
    return max(each.days for each in (kept.content, kept.metadata, kept.review, kept.automation))
