"""What the engine needs of the gateway, and a fake of it that keeps everything in memory."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from openai import OpenAI

from automations.flow.failures import GatewayAway

Json = dict[str, Any]


class Erased(Exception):
    """The key of a run was destroyed: what it stored can never be read again."""


class Issued(NamedTuple):
    """A new run's key, open and as it is stored: only the gateway can open the stored form."""

    key: bytes
    wrapped: str
    tenant: str
    expires_us: int


class Permit(NamedTuple):
    """What the policy says about an effect."""

    action: Literal["allow", "deny", "hold"]
    stopped: bool
    rule: str


class Gateway(Protocol):
    """The gateway, as the service layer sees it: one API key for each automation.

    Every method raises `GatewayAway` while the gateway cannot be asked.
    """

    def new_keys(self, automation: str, wanted: Sequence[tuple[str, str | None]]) -> list[Issued]:
        """Return a key for each (run id, subject)."""
        ...

    def tenant_of(self, automation: str) -> str:
        """Return whose automation this is, by the key that its runs are worked on with."""
        ...

    def open_key(self, automation: str, run_id: str, wrapped: str) -> bytes:
        """Return the open key of a run; raise `Erased` once it is destroyed."""
        ...

    def permit(self, automation: str, run_id: str, action: str, arguments: Json | None) -> Permit:
        """Ask whether an effect may happen now."""
        ...

    def hold(self, automation: str, review_id: str) -> Mapping[str, Any]:
        """Return what became of a held answer."""
        ...

    def post(self, automation: str, events: Sequence[Json]) -> list[str | None]:
        """Hand over events; return for each why it is refused for good, None where it is recorded."""
        ...

    def client(self, automation: str) -> OpenAI:
        """Return the OpenAI client with the automation's key."""
        ...


@dataclass(slots=True)
class MemoryGateway:
    """The fake: issues keys, permits what it is told to, and remembers events. `away` makes it unreachable."""

    openai: OpenAI | None = None
    permits: dict[str, Permit] = field(default_factory=dict)
    holds: dict[str, Json] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    erased: set[str] = field(default_factory=set)
    away: bool = False
    tenant: str = "default"
    _keys: dict[str, tuple[str | None, bytes]] = field(default_factory=dict)

    def new_keys(self, automation: str, wanted: Sequence[tuple[str, str | None]]) -> list[Issued]:
        """Make a key for each run."""
        self._reach(automation)
        issued = []
        for run_id, subject in wanted:
            self._keys[run_id] = subject, secrets.token_bytes(32)
            issued.append(Issued(self._keys[run_id][1], f"wrapped:{run_id}", self.tenant, 1 << 62))
        return issued

    def tenant_of(self, automation: str) -> str:
        """Return `tenant`."""
        self._reach(automation)
        return self.tenant

    def open_key(self, automation: str, run_id: str, wrapped: str) -> bytes:
        """Return the key of a run whose subject is not erased."""
        self._reach(automation)
        assert wrapped == f"wrapped:{run_id}"
        subject, key = self._keys[run_id]
        if subject in self.erased:
            raise Erased(run_id)
        return key

    def permit(self, automation: str, run_id: str, action: str, arguments: Json | None) -> Permit:
        """Say what `permits` says about the action; allowed where it says nothing."""
        del run_id, arguments
        self._reach(automation)
        return self.permits.get(action, Permit("allow", stopped=False, rule="default"))

    def hold(self, automation: str, review_id: str) -> Mapping[str, Any]:
        """Return what `holds` says."""
        self._reach(automation)
        return self.holds[review_id]

    def post(self, automation: str, events: Sequence[Json]) -> list[str | None]:
        """Keep events, each id once."""
        self._reach(automation)
        known = {event["id"] for event in self.events}
        self.events += [event for event in events if event["id"] not in known]
        return [None] * len(events)

    def client(self, automation: str) -> OpenAI:
        """Return the client that was given."""
        self._reach(automation)
        assert self.openai is not None, "this test asks a model: give MemoryGateway an OpenAI client"
        return self.openai

    def _reach(self, automation: str) -> None:
        if self.away:
            raise GatewayAway(f"no gateway for {automation}")
