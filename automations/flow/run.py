"""What a step sees of its run: the input, earlier outputs, the model through the gateway, and the ledger."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

Input = TypeVar("Input")
Gives = TypeVar("Gives")
Messages = list[Any]


class Asks(Protocol):
    """The model, for one step of one run; `model.GatewayModel` is the real one."""

    def text(self, model: str, messages: Messages, **options: Any) -> str: ...

    def typed(self, shape: type[Gives], model: str, messages: Messages, **options: Any) -> Gives: ...

    def embed(self, model: str, texts: list[str]) -> list[list[float]]: ...


@dataclass(slots=True)
class Run(Generic[Input]):
    """One run, as the step under way sees it.

    Attributes:
        input: what the run was enqueued with.
        id: its id, as it stands in the ledger.
        attempt: which try of this step this is, from 1.
        action_key: in a dispatch step, the key to hand to the target, so that it does nothing twice.
    """

    input: Input
    id: str
    automation: str
    step: str
    attempt: int
    model: Asks
    outputs: Mapping[str, Any]
    time_left: Callable[[], float]
    action_key: str = ""
    subject: str | None = None
    noted: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def of(self, step: Callable[[Any, Any], Gives]) -> Gives:
        """Return what an earlier step gave."""
        found: Gives = self.outputs[step.__name__]
        return found

    def ask(self, model: str, messages: Messages, **options: Any) -> str:
        """Ask a model through the gateway for text; options are those of the OpenAI API."""
        return self.model.text(model, messages, **options)

    def ask_for(self, shape: type[Gives], model: str, messages: Messages, **options: Any) -> Gives:
        """Ask a model for an object of a type, checked; what does not fit is asked for again as a retry of the step."""
        return self.model.typed(shape, model, messages, **options)

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        """Return the embeddings of texts, in order."""
        return self.model.embed(model, texts)

    def note(self, kind: str, **body: Any) -> None:
        """Leave an event in the ledger, such as `retrieval`; it is kept together with the step's output."""
        self.noted.append((kind, body))

    def time_left_s(self) -> float:
        """Return how long this step may still take: hand it to clients as their time-out."""
        return max(0.1, self.time_left())
