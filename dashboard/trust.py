"""What the Trust page asks of gateway and recorder, for one signed-in user."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from dashboard.gateway import Gateway, Refused
from metrics.client import RecorderClient, RecorderError

Json = dict[str, Any]
LISTS = {
    "rules": "/retention/plan",
    "runs": "/retention/runs",
    "holds": "/retention/holds",
    "erasures": "/subjects/erasures",
    "findings": "/admin/doctor",
}


class TrustDesk(Protocol):
    """The state of the proof and of what is kept. Roles are enforced by gateway and recorder, never here."""

    def audit(self) -> Json:
        """Return how it stands with the audit tree: records, signed, checkpoint, anchors."""
        ...

    def listed(self, name: str) -> list[Json] | None:
        """List `rules`, `runs`, `holds`, `erasures`, `findings` or `exports`; None: this user may not see them."""
        ...


@dataclass(frozen=True, slots=True)
class LiveTrust:
    """Asks over HTTP."""

    gateway: Gateway
    recorder: RecorderClient
    session: str

    def audit(self) -> Json:
        """Ask the recorder."""
        return dict(self.recorder.status().get("audit") or {})

    def listed(self, name: str) -> list[Json] | None:
        """Ask whoever knows."""
        try:
            if name == "exports":
                return self.recorder.exports()
            answer = self.gateway.ask("GET", LISTS[name], self.session)
        except (Refused, RecorderError):
            return None
        return list(answer["rules" if name == "rules" else "data"])


@dataclass(slots=True)
class MemoryTrust:
    """Answers from given values; what tests and previews use."""

    tree: Json = field(default_factory=dict)
    lists: dict[str, list[Json] | None] = field(default_factory=dict)

    def audit(self) -> Json:
        """Return the given state."""
        return self.tree

    def listed(self, name: str) -> list[Json] | None:
        """Return the given list."""
        return self.lists.get(name, [])
