"""What people read of a run, and what they do that needs its key."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from automations.flow.automation import Automation
from automations.flow.engine import Engine, typed_input
from automations.queue.actions import APPROVED, INTENT, UNKNOWN
from automations.queue.desk import SHOWN, Desk, NoRun, NotPossible, Who, Wish
from automations.queue.sealing import RunKey
from automations.queue.store import Event, post

_EFFECT: Final = ("action_key", "name", "state", "decided_by", "created_us", "changed_us")


@dataclass(frozen=True, slots=True)
class Reading:
    """Opens runs with their keys; nothing that it reads is kept."""

    engine: Engine

    def shown(self, tenant: str, run_id: str) -> dict[str, Any]:
        """Return a run and its effects, without anybody's words."""
        row, effects = self._desk.one(tenant, run_id)
        told = [{name: each[name] for name in _EFFECT} | {"state": _word_of(each)} for each in effects]
        return {"object": "run", **{name: row[name] for name in SHOWN}, "steps": self._steps(row), "actions": told}

    def opened(self, by: Who, run_id: str) -> dict[str, Any]:
        """Return what a run was given and what its steps gave, and leave an event that it was read.

        Raises:
            NoRun, Erased, GatewayAway: see there.
        """
        row, _ = self._desk.one(by.tenant, run_id)
        key = self._key(row)
        progress = key.open("progress", row["progress_sealed"]) or {"raw": {}}
        given = key.open("input", row["input_sealed"])
        found = {"input": orjson.loads(given) if given else None, "outputs": progress["raw"]}
        self._tell(row, "run.opened", by)
        return {"object": "run.content", "run_id": run_id, **found, "detail": key.open("detail", row["detail_sealed"])}

    def replay(self, by: Who, run_id: str, given: Any) -> None:
        """Begin a dead letter again, with another input where one is given.

        Raises:
            pydantic.ValidationError: the input does not fit.
            NotPossible: it would be another business case; that is a new run.
        """
        row, _ = self._desk.one(by.tenant, run_id)
        automation = self.engine.automation(row["automation"])
        sealed = None
        if given is not None:
            key, (checked, text) = self._key(row), typed_input(automation, given)
            before = automation.input_type.validate_json(key.open("input", row["input_sealed"]))
            if automation.key(checked) != automation.key(before):
                raise NotPossible("The edited input has another business key; start a new run for it.")
            sealed = key.seal("input", text)
        self._desk.replay(by, run_id, automation.limits.deadline_s, sealed)

    def replay_many(self, by: Who, ids: Sequence[str], wish: Wish) -> dict[str, Any]:
        """Begin many dead letters again; tell which, and why not the others."""
        chosen = list(ids) or [str(row["run_id"]) for row in self._desk.listed(by.tenant, wish)]
        replayed, refused = [], {}
        for run_id in chosen:
            try:
                self.replay(by, run_id, None)
                replayed.append(run_id)
            except (NotPossible, NoRun) as error:
                refused[run_id] = str(error)
        return {"object": "replay", "replayed": replayed, "refused": refused}

    def discard(self, by: Who, run_id: str, reason: str) -> None:
        """Put a dead letter away; the reason is sealed into the event."""
        row, _ = self._desk.one(by.tenant, run_id)
        event_id = f"{run_id}.{row['token']}.discarded"
        self._desk.discard(by, run_id, self._key(row).seal(event_id, {"reason": reason}), event_id)

    def resolve(self, by: Who, run_id: str, *, happened: bool, output: Any = None) -> None:
        """Say whether an effect happened; where steps follow that need what it gave, `output` is that.

        Raises:
            pydantic.ValidationError: the output does not fit the step.
            NotPossible: steps follow, and there is no output.
        """
        row, effects = self._desk.one(by.tenant, run_id)
        if not any(each["state"] == UNKNOWN for each in effects):
            raise NotPossible("This cannot be done: none of its actions is unknown.")
        automation = self.engine.automation(row["automation"])
        on = self._behind(row, automation, output) if happened and row["step"] + 1 < len(automation.steps) else {}
        self._desk.resolve(by, run_id, happened=happened, on=on)

    def _behind(self, row: dict[str, Any], automation: Automation, output: Any) -> dict[str, Any]:
        """Return where a run goes on behind its step, which gave this."""
        if output is None:
            raise NotPossible("Later steps need what the action gave; send it as 'output'.")
        key, step = self._key(row), automation.steps[row["step"]]
        progress = key.open("progress", row["progress_sealed"]) or {"raw": {}}
        raw = progress["raw"] | {step.name: orjson.loads(step.gives.dump_json(step.gives.validate_python(output)))}
        return {"step": row["step"] + 1, "progress_sealed": key.seal("progress", {"raw": raw, "held": {}})}

    @property
    def _desk(self) -> Desk:
        return Desk(self.engine.store)

    def _key(self, row: dict[str, Any]) -> RunKey:
        opened = self.engine.gateway.open_key(row["automation"], row["run_id"], row["wrapped"])
        return RunKey(row["run_id"], opened)

    def _steps(self, row: dict[str, Any]) -> list[dict[str, str]]:
        automation = self.engine.automations.get(row["automation"])
        return [{"name": step.name, "kind": step.kind} for step in automation.steps] if automation else []

    def _tell(self, row: dict[str, Any], kind: str, by: Who) -> None:
        now_us = self.engine.store.clock_us()
        event = Event(f"{row['run_id']}.{secrets.token_hex(6)}", row["run_id"], None, kind, {"by": by.id})
        with self.engine.store.database.write() as conn:
            post(conn, row["automation"], [event], now_us)


def _word_of(effect: dict[str, Any]) -> str:
    """Say how an effect stands: one that may be begun again has not happened, unless a person allowed it."""
    if effect["state"] == APPROVED and effect["decided_by"] is None:
        return "not_done"
    return "begun" if effect["state"] == INTENT else str(effect["state"])
