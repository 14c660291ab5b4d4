"""What a run has behind it: the input and what its steps gave, sealed in the queue and typed in memory."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from automations.flow.automation import Automation, Step
from automations.queue.sealing import RunKey
from automations.queue.store import Lease


class Given(NamedTuple):
    """What a step gave: typed, and as it is stored."""

    output: Any
    raw: Any


def checked(step: Step, output: Any) -> Given:
    """Check what a step gave against its type, and that it can be stored."""
    typed = step.gives.validate_python(output)
    return Given(typed, orjson.loads(step.gives.dump_json(typed)))


@dataclass(slots=True)
class Progress:
    """The open texts of a run.

    `held` names reviews that answers of the present step wait for.
    """

    input: Any
    subject: str | None
    outputs: dict[str, Any]
    raw: dict[str, Any] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)

    @classmethod
    def opened(cls, key: RunKey, lease: Lease, automation: Automation) -> "Progress":
        """Open what the queue keeps of a run."""
        given = automation.input_type.validate_json(key.open("input", lease.input_sealed))
        kept = key.open("progress", lease.progress_sealed) or {"raw": {}, "held": {}}
        types = {step.name: step.gives for step in automation.steps}
        outputs = {name: types[name].validate_python(raw) for name, raw in kept["raw"].items() if name in types}
        subject = automation.subject(given)
        return cls(given, subject if subject and subject.strip() else None, outputs, kept["raw"], kept["held"])

    def add(self, step: Step, given: Given) -> None:
        """Remember what a step gave."""
        self.outputs[step.name], self.raw[step.name] = given
        self.held = {}

    def before(self, steps: list[Step], at: int) -> Any:
        """Return what the step at a place takes."""
        return self.outputs[steps[at - 1].name] if at else self.input

    def sealed(self, key: RunKey) -> bytes:
        """Seal it for the queue."""
        return key.seal("progress", {"raw": self.raw, "held": self.held})
