"""What the page of reviews asks of the gateway, for one signed-in user."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from dashboard.gateway import Gateway

Json = dict[str, Any]


class ReviewDesk(Protocol):
    """The queue and the emergency stop. Roles are enforced by the gateway, never here."""

    def queue(self, **filters: str) -> list[Json]:
        """List reviews, the most urgent first."""
        ...

    def one(self, review_id: str) -> Json:
        """Return a review with its texts."""
        ...

    def act(self, review_id: str, action: str, **said: Any) -> Json:
        """Approve, edit, reject, assign, comment, reveal or redeliver."""
        ...

    def stops(self) -> list[Json]:
        """List the stopped automations."""
        ...

    def stop(self, automation: str) -> None:
        """Stop an automation."""
        ...

    def start(self, automation: str) -> None:
        """Let an automation run again."""
        ...


@dataclass(frozen=True, slots=True)
class LiveDesk:
    """Asks the gateway over HTTP."""

    gateway: Gateway
    session: str

    def queue(self, **filters: str) -> list[Json]:
        """List reviews."""
        return list(self.gateway.ask("GET", "/reviews", self.session, query=filters)["data"])

    def one(self, review_id: str) -> Json:
        """Return a review with its texts."""
        return self.gateway.ask("GET", f"/reviews/{review_id}", self.session)

    def act(self, review_id: str, action: str, **said: Any) -> Json:
        """Do something with a review."""
        return self.gateway.ask("POST", f"/reviews/{review_id}/{action}", self.session, body=said)

    def stops(self) -> list[Json]:
        """List the stopped automations."""
        return list(self.gateway.ask("GET", "/stops", self.session)["data"])

    def stop(self, automation: str) -> None:
        """Stop an automation."""
        self.gateway.ask("PUT", f"/stops/{automation}", self.session)

    def start(self, automation: str) -> None:
        """Let an automation run again."""
        self.gateway.ask("DELETE", f"/stops/{automation}", self.session)


@dataclass
class MemoryDesk:
    """Reviews in memory, and what was done with them: for tests and previews."""

    reviews: list[Json]
    stopped: list[str] = field(default_factory=list)
    done: list[tuple[str, str, Json]] = field(default_factory=list)

    def queue(self, **filters: str) -> list[Json]:
        """List the reviews."""
        state = filters.get("state", "open")
        return [each for each in self.reviews if state in ("any", each["state"])]

    def one(self, review_id: str) -> Json:
        """Return one."""
        return next(each for each in self.reviews if each["id"] == review_id)

    def act(self, review_id: str, action: str, **said: Any) -> Json:
        """Remember it; a decision takes the review from the queue."""
        self.done.append((review_id, action, said))
        states = {"approve": "approved", "edit": "edited", "reject": "rejected"}
        review = self.one(review_id)
        review["state"] = states.get(action, review["state"])
        return {"values": {"[EMAIL_abcdef]": "ann@example.com"}} if action == "reveal" else review

    def stops(self) -> list[Json]:
        """List what is stopped."""
        return [{"automation": name, "by": "usr_1", "at": 1_790_000_000} for name in self.stopped]

    def stop(self, automation: str) -> None:
        """Stop."""
        self.stopped.append(automation)

    def start(self, automation: str) -> None:
        """Start."""
        self.stopped.remove(automation)
