"""Fallback templates (`templates/NAME/vN.yaml`): what is said in the place of an answer, by language and channel."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field, model_validator

from policy.files import read_below, read_each
from policy.model import FormatVersion, Policy
from policy.problems import KeyPath, Problem, Source, near
from policy.prompts import Key, PromptName, refers
from policy.render import Unrenderable, placeholders, render
from policy.validation import validated
from policy.values import Block, Contradiction, Name, Positive, Text
from policy.yaml_reader import read_yaml

FOLDER: Final = "templates"
# What a template may speak of: labels and facts of the call, and the redacted words of the caller.
VARIABLES: Final = frozenset({"automation", "run", "step", "prompt", "model", "question"})
_FILE = re.compile(r"v([1-9][0-9]{0,5})\.yaml")


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


def read_templates(directory: Path) -> tuple[dict[Key, Template], list[Problem]]:
    """Read the templates of a policy folder."""
    templates: dict[Key, Template] = {}
    files, problems = read_below(directory, FOLDER, ".yaml")
    for source in read_each(files, problems, lambda file: read_yaml(file.name, file.raw)):
        template, wrong = validated(source, Template, Template)
        problems.extend(wrong)
        if template is not None:
            problems.extend(_misplaced(template, source))
            templates[Key(template.template, template.version)] = template
    return templates, problems


def missing_templates(policy: Policy, source: Source, known: Mapping[Key, Template]) -> Iterator[Problem]:
    """List references of a policy to templates that do not exist."""
    for path, reference in _references(policy):
        if find_template(reference, known) is None:
            yield near(
                source.places, path, "no such template in the folder templates/; add it or correct the reference"
            )


def _references(policy: Policy) -> Iterator[tuple[KeyPath, str]]:
    named: list[tuple[KeyPath, str | None]] = []
    if policy.confidence is not None:
        named.append((("confidence", "template"), policy.confidence.template))
        named += [(("confidence", "bands", n, "template"), b.template) for n, b in enumerate(policy.confidence.bands)]
    if policy.hold is not None:
        named.append((("hold", "template"), policy.hold.template))
    return ((path, reference) for path, reference in named if reference is not None)


def _misplaced(template: Template, source: Source) -> Iterator[Problem]:
    folder, _, name = source.file.removeprefix(f"{FOLDER}/").rpartition("/")
    number = _FILE.fullmatch(name)
    if folder != template.template:
        yield near(source.places, ("template",), f"the folder is called `{folder}`; call both the same")
    if number is None or int(number[1]) != template.version:
        yield near(source.places, ("version",), f"the file is called `{name}`; call it v{template.version}.yaml")
    for index, wording in enumerate(template.wordings):
        for key, text in (("text", wording.text), *(("fields", each) for each in _texts(wording.fields))):
            if problem := _wrong(text):
                yield near(source.places, ("wordings", index, key), problem)


def _wrong(text: str) -> str | None:
    try:
        unknown = sorted(placeholders(text) - VARIABLES)
    except Unrenderable as error:
        return f"this is no template ({error}); correct it"
    return f"`{unknown[0]}` is unknown; use {', '.join(sorted(VARIABLES))}" if unknown else None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def _fits(wanted: str | None, said: str | None) -> bool:
    return wanted is None or (said is not None and said.strip().casefold() == wanted.casefold())
