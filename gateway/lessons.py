"""What a worker knows of the ledger when it routes: shares of split arms that grow, and how candidates did."""

from collections.abc import Mapping

from sqlalchemy import Connection

from gateway.control import learned
from policy.blocks_routing import Routing
from policy.estimate import Learned, Shares
from policy.model import Facts
from policy.providers import split_model
from policy.snapshot import Snapshot

_Known = Mapping[str, Learned]


class Lessons:
    """Follows the control database; empty until the keeper learned something."""

    def __init__(self) -> None:
        self._shares: Mapping[tuple[str, str], float] = {}
        self._known: Mapping[tuple[str, str, str], _Known] = {}

    def reload(self, conn: Connection, _since: int) -> None:
        """Read everything anew: it is a row per split and automation."""
        lessons = learned.read(conn)
        self.learn({(each.tenant, each.name): each.value["share"] for each in lessons if each.kind == learned.SPLIT})
        known: dict[tuple[str, str, str], dict[str, Learned]] = {}
        for each in lessons:
            if each.kind == learned.OUTCOMES:
                for step, model, *counts in each.value:
                    known.setdefault((each.tenant, each.name, step), {})[model] = Learned(*counts)
        self._known = known

    def learn(self, shares: Mapping[tuple[str, str], float]) -> None:
        """Take the shares of growing arms, by tenant and `policy|key of the split`."""
        self._shares = shares

    def shares(self, tenant: str, policy: str, routing: Routing) -> Mapping[str, float]:
        """Give the shares that grew by themselves, by key of their split."""
        found = ((split.key, self._shares.get((tenant, f"{policy}|{split.key}"))) for split in routing.promoted)
        return {key: share for key, share in found if share is not None}

    def learned(
        self, tree: Snapshot, routing: Routing, default: str, facts: Facts, step: str | None
    ) -> Mapping[str, Shares]:
        """Give the success and override of each candidate in this step of an automation, where enough is known."""
        known = self._known.get((facts.tenant, facts.automation or "", step or ""), {})
        found: dict[str, Shares] = {}
        for model in routing.models:
            each = known.get("/".join(split_model(model, tree.providers, default)))
            if each is not None and (shares := each.enough(routing.min_outcomes)) != (None, None):
                found[model] = shares
        return found
