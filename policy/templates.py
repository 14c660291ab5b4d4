"""Fallback templates (`templates/NAME/vN.yaml`): what is said in the place of an answer, by language and channel."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from policy.model import FormatVersion
from policy.prompts import Key, PromptName, refers
from policy.render import render
from policy.values import Block, Contradiction, Name, Positive, Text


class Wording(Block):
    """What is said in one language on one channel; left out: on any."""

    language: Name | None = Field(default=None, description="Label `language` of the call, such as `de`.")
    channel: Name | None = Field(default=None, description="Label `channel` of the call, such as `email`.")
    text: Text = Field(description="What is said, with `{{ variables }}`.")
    fields: dict[str, Any] | None = Field(
        default=None, description="What is said to a caller that asked for JSON; its texts are templates too."
    )


class Template(Block):
    """One version of a template."""

    template: PromptName = Field(description="Name; equals the folder's name.")
    version: Positive = Field(description="Version; equals the file's number.")
    schema_: FormatVersion = Field(
        validation_alias="schema", serialization_alias="schema", description="Format version."
    )
    owner: Text = Field(description="Who is asked about it.")
    wordings: tuple[Wording, ...] = Field(min_length=1, description="The first that fits the call is used.")

    @model_validator(mode="after")
    def _for_everybody(self) -> Self:
        last = self.wordings[-1]
        if last.language is not None or last.channel is not None:
            where = ("wordings", len(self.wordings) - 1, "language" if last.language is not None else "channel")
            message = "the last wording must fit every call; leave out its `language` and `channel`"
            raise Contradiction(message, *where)
        return self

    def wording(self, language: str | None, channel: str | None) -> Wording:
        """Give the wording for a call: the first that names nothing else than the call's labels."""
        return next(w for w in self.wordings if _fits(w.language, language) and _fits(w.channel, channel))


def find_template(reference: str, templates: Mapping[Key, Template]) -> Template | None:
    """Give the template that `name@2` means, or the newest of `name`."""
    return max((t for key, t in templates.items() if refers(reference, key)), key=lambda t: t.version, default=None)


def rendered(value: Any, variables: Mapping[str, str]) -> Any:
    """Render every text of a value.

    Raises:
        Unrenderable: a text is no template.
    """
    if isinstance(value, str):
        return render(value, variables)
    if isinstance(value, dict):
        return {name: rendered(inner, variables) for name, inner in value.items()}
    return [rendered(inner, variables) for inner in value] if isinstance(value, list) else value


def _fits(wanted: str | None, said: str | None) -> bool:
    return wanted is None or (said is not None and said.strip().casefold() == wanted.casefold())
