"""What the pages Review, Leverage and Settings ask of the gateway, for one signed-in user."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dashboard.gateway import Gateway

Json = dict[str, Any]
WRITERS = frozenset({"reviewer", "policy_owner", "admin"})  # who may freeze a week and enter items; the gateway decides


class WeeklyDesk(Protocol):
    """Frozen reviews, the actions on them, the registry and the settings. Roles are enforced by the gateway."""

    @property
    def may_write(self) -> bool:
        """Say whether the gateway would let this user freeze a week or enter an item."""
        ...

    def weeks(self) -> list[Json]:
        """List the reviews, the newest week and revision first."""
        ...

    def one(self, week: str, revision: int) -> Json:
        """Return one with its document."""
        ...

    def items(self, week: str) -> list[Json]:
        """List the actions and decisions of a week, carried ones included."""
        ...

    def freeze(self, week: str) -> None:
        """Ask for a review."""
        ...

    def add(self, week: str, item: Mapping[str, Any]) -> None:
        """Enter an action or a decision."""
        ...

    def close(self, item_id: str, state: str) -> None:
        """Say that an item is done or dropped."""
        ...

    def registry(self) -> Json:
        """Return the registry of automations with their leverage."""
        ...

    def settings(self) -> list[Json]:
        """List the settings."""
        ...


@dataclass(frozen=True, slots=True)
class LiveWeekly:
    """Asks over HTTP. Every method raises `Refused` in the gateway's own words."""

    gateway: Gateway
    session: str
    roles: tuple[str, ...] = ()

    @property
    def may_write(self) -> bool:
        """Go by the user's roles."""
        return not WRITERS.isdisjoint(self.roles)

    def weeks(self) -> list[Json]:
        """Ask the gateway."""
        return list(self.gateway.ask("GET", "/weekly", self.session)["data"])

    def one(self, week: str, revision: int) -> Json:
        """Ask the gateway."""
        return self.gateway.ask("GET", f"/weekly/{week}", self.session, query={"revision": str(revision)})

    def items(self, week: str) -> list[Json]:
        """Ask the gateway."""
        return list(self.gateway.ask("GET", "/weekly/items", self.session, query={"week": week})["data"])

    def freeze(self, week: str) -> None:
        """Ask the gateway."""
        self.gateway.ask("POST", f"/weekly/{week}/freeze", self.session, body={})

    def add(self, week: str, item: Mapping[str, Any]) -> None:
        """Ask the gateway."""
        self.gateway.ask("POST", f"/weekly/{week}/items", self.session, body=item)

    def close(self, item_id: str, state: str) -> None:
        """Ask the gateway."""
        self.gateway.ask("POST", f"/weekly/items/{item_id}/close", self.session, body={"state": state})

    def registry(self) -> Json:
        """Ask the gateway."""
        return self.gateway.ask("GET", "/registry", self.session)

    def settings(self) -> list[Json]:
        """Ask the gateway."""
        return list(self.gateway.ask("GET", "/admin/settings", self.session)["data"])


@dataclass
class MemoryWeekly:
    """The same in memory, for tests and previews."""

    documents: dict[str, Json]
    entered: list[Json] = field(default_factory=list)
    registered: Json = field(default_factory=lambda: {"automations": [], "leverage": []})
    values: list[Json] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)
    may_write: bool = True

    def weeks(self) -> list[Json]:
        """List the documents."""
        return [{"week": week, "revision": 1, "state": "frozen"} for week in sorted(self.documents, reverse=True)]

    def one(self, week: str, revision: int) -> Json:
        """Return one."""
        return {"week": week, "revision": revision, "sha256": "d" * 64, "document": self.documents[week]}

    def items(self, week: str) -> list[Json]:
        """List what was entered."""
        return [each for each in self.entered if each["week"] == week or each["state"] == "open"]

    def freeze(self, week: str) -> None:
        """Remember the wish."""
        self.wanted.append(week)

    def add(self, week: str, item: Mapping[str, Any]) -> None:
        """Remember it."""
        known = {"item_id": f"item_{len(self.entered)}", "state": "open", "week": week}
        self.entered.append({"automation": None, "measure": None, "due": None, **item, **known})

    def close(self, item_id: str, state: str) -> None:
        """Close it."""
        next(each for each in self.entered if each["item_id"] == item_id)["state"] = state

    def registry(self) -> Json:
        """Return what was given."""
        return self.registered

    def settings(self) -> list[Json]:
        """Return what was given."""
        return self.values
