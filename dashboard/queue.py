"""What the page of runs asks of the automations' worker, for one signed-in user."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from dashboard.gateway import Gateway, Refused

Json = dict[str, Any]


class Queue(Protocol):
    """The queue of automations. Roles are enforced by the worker, never here."""

    def now(self) -> Json:
        """Return how the queue stands."""
        ...

    def runs(self, **filters: str) -> list[Json]:
        """List runs, the newest first."""
        ...

    def one(self, run_id: str) -> Json:
        """Return a run, its steps and its actions."""
        ...

    def content(self, run_id: str) -> Json:
        """Return what a run was given and what its steps gave; it is recorded that somebody read it."""
        ...

    def act(self, run_id: str, what: str, **said: Any) -> Json:
        """Replay, discard, cancel, approve, reject or resolve."""
        ...

    def replay_all(self, automation: str | None, cause: str | None) -> Json:
        """Begin many dead letters again."""
        ...


@dataclass(frozen=True, slots=True)
class LiveQueue:
    """Asks the worker over HTTP."""

    worker: Gateway
    session: str

    def now(self) -> Json:
        """Return how the queue stands."""
        return self.worker.ask("GET", "/queue", self.session)

    def runs(self, **filters: str) -> list[Json]:
        """List runs."""
        return list(self.worker.ask("GET", "/runs", self.session, query=filters)["data"])

    def one(self, run_id: str) -> Json:
        """Return a run."""
        return self.worker.ask("GET", f"/runs/{run_id}", self.session)

    def content(self, run_id: str) -> Json:
        """Return a run's texts."""
        return self.worker.ask("GET", f"/runs/{run_id}/content", self.session)

    def act(self, run_id: str, what: str, **said: Any) -> Json:
        """Do something with a run."""
        return self.worker.ask("POST", f"/runs/{run_id}/{what}", self.session, body=said)

    def replay_all(self, automation: str | None, cause: str | None) -> Json:
        """Begin many dead letters again."""
        return self.worker.ask("POST", "/replays", self.session, body={"automation": automation, "cause": cause})


@dataclass
class MemoryQueue:
    """Runs in memory, and what was done with them: for tests and previews."""

    found: list[Json]
    done: list[tuple[str, str, Json]] = field(default_factory=list)

    def now(self) -> Json:
        """Count the runs."""
        states: dict[str, dict[str, int]] = {}
        for run in self.found:
            of = states.setdefault(run["automation"], {})
            of[run["state"]] = of.get(run["state"], 0) + 1
        numbers = {state: sum(of.get(state, 0) for of in states.values()) for state in ("dead", "held")}
        told: Json = {"open": len(self.found) - numbers["dead"], "oldest_s": 75.0, "busy": 1, "events_waiting": 0}
        ended = [{"automation": "triage", "state": "done", "minute_us": 1_790_000_000_000_000, "runs": 4}]
        return {**numbers, **told, "events_refused": 0, "automations": states, "ended": ended, "sources": []}

    def runs(self, **filters: str) -> list[Json]:
        """List the runs."""
        return [each for each in self.found if all(each.get(name) == value for name, value in filters.items())]

    def one(self, run_id: str) -> Json:
        """Return one."""
        found = next((each for each in self.found if each["run_id"] == run_id), None)
        if found is None:
            raise Refused(f"There is no run {run_id}.")
        return found

    def content(self, run_id: str) -> Json:
        """Return its texts."""
        self.done.append((run_id, "content", {}))
        return {"input": {"text": "Hello."}, "outputs": {"read": "Hello."}, "detail": "ValueError: no"}

    def act(self, run_id: str, what: str, **said: Any) -> Json:
        """Remember it."""
        self.done.append((run_id, what, said))
        return self.one(run_id)

    def replay_all(self, automation: str | None, cause: str | None) -> Json:
        """Remember it."""
        self.done.append(("", "replays", {"automation": automation, "cause": cause}))
        return {"replayed": [], "refused": {}}
