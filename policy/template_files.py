"""Reading fallback templates of a policy folder, and what is wrong with them or with those who refer to them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from policy.files import read_below, read_each
from policy.model import Policy
from policy.problems import KeyPath, Problem, Source, near
from policy.prompts import Key
from policy.render import Unrenderable, placeholders
from policy.templates import Template, find_template
from policy.validation import validated
from policy.yaml_reader import read_yaml

FOLDER: Final = "templates"
# What a template may speak of: labels and facts of the call, and the redacted words of the caller.
VARIABLES: Final = frozenset({"automation", "run", "step", "prompt", "model", "question"})
_FILE = re.compile(r"v([1-9][0-9]{0,5})\.yaml")


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
