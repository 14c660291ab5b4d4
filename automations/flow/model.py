"""Model calls of a step: by the `openai` client through the gateway, labelled with run, step and prompt."""

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote

from openai import APIStatusError, OpenAI
from openai.types.chat import ChatCompletion
from pydantic import TypeAdapter

from automations.flow.signals import Fatal, Held

Gives = TypeVar("Gives")
HELD_CODE: Final = "held_for_review"


class Labels(NamedTuple):
    """What the gateway is told about a call."""

    run: str
    step: str
    prompt: str | None
    subject: str | None

    def headers(self) -> dict[str, str]:
        """Return them as request headers; what is no header value as it stands goes into W3C `baggage`, quoted."""
        named = {"run-id": self.run, "step": self.step, "prompt": self.prompt, "subject": self.subject}
        plain = {name: value for name, value in named.items() if value and _is_plain(value)}
        quoted = [
            f"sluice.{name.replace('-', '_')}={quote(value, safe='')}"
            for name, value in named.items()
            if value and name not in plain
        ]
        baggage = {"baggage": ",".join(quoted)} if quoted else {}
        return {f"x-sluice-{name}": value for name, value in plain.items()} | baggage


@dataclass(slots=True)
class GatewayModel:
    """Asks through the gateway. One for each try of a step.

    Args:
        released: fetches what became of a held answer: its state, and the answer once there is one.
        once: names this try; the same question under the same name is answered once, even after a crash.
        held: reviews that answers of this step wait for, by the number of the question.
    """

    client_of: Callable[[], OpenAI]
    labels: Labels
    time_left_s: Callable[[], float]
    released: Callable[[str], Mapping[str, Any]]
    once: str
    held: MutableMapping[str, str] = field(default_factory=dict)
    _asked: int = 0

    def text(self, model: str, messages: list[Any], **options: Any) -> str:
        """Return the text of an answer."""
        answer = self._answer(model, messages, options)
        text = answer.choices[0].message.content if answer.choices else None
        if text is None:
            raise ValueError("the model answered without text")
        return text

    def typed(self, shape: type[Gives], model: str, messages: list[Any], **options: Any) -> Gives:
        """Return an answer as an object of a type; what does not fit raises pydantic's `ValidationError`."""
        adapter = TypeAdapter(shape)
        schema = {"name": shape.__name__, "schema": adapter.json_schema()}
        options.setdefault("response_format", {"type": "json_schema", "json_schema": schema})
        return adapter.validate_json(self.text(model, messages, **options))

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        """Return the embeddings of texts."""
        made, headers = self.client_of().embeddings, self.labels.headers()
        found = made.create(model=model, input=texts, extra_headers=headers, timeout=self.time_left_s())
        return [each.embedding for each in found.data]

    def _answer(self, model: str, messages: list[Any], options: dict[str, Any]) -> ChatCompletion:
        number = str(self._asked)
        self._asked += 1
        if number in self.held:
            return self._released(self.held[number])
        headers = {**self.labels.headers(), "idempotency-key": quote(f"{self.once}.{number}")}
        options.setdefault("timeout", self.time_left_s())
        try:
            answer: ChatCompletion = self.client_of().chat.completions.create(
                model=model, messages=messages, stream=False, extra_headers=headers, **options
            )
        except APIStatusError as error:
            review = error.response.headers.get("x-sluice-review-id")
            if error.code != HELD_CODE or review is None:
                raise
            self.held[number] = review
            raise Held(review) from error
        return answer

    def _released(self, review_id: str) -> ChatCompletion:
        found = self.released(review_id)
        if found["state"] == "open":
            raise Held(review_id)
        if found.get("answer") is None:
            raise Fatal(f"a reviewer let nothing out ({found['state']})")
        return ChatCompletion.model_validate(found["answer"])


def _is_plain(value: str) -> bool:
    return value.isascii() and value.isprintable() and value == value.strip()
