"""Registered prompts: named and versioned texts with placeholders, and which of them may run."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, StringConstraints

from policy.blocks_access import Prompts
from policy.model import FormatVersion, Policy
from policy.problems import KeyPath, Problem, Source, near
from policy.values import Block, Positive, Text

_REFERENCE = re.compile(r"(?P<name>[^@]+)(@(?P<least>>=)?(?P<version>\d+))?")

VERIFIED = ("question", "answer")  # what the prompt of a verifier may speak of

PromptName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=100)]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=60)]


class PromptHead(Block):
    """What stands between the two `---` lines of a prompt file."""

    id: PromptName = Field(description="Name; equals the folder's name.")
    version: Positive = Field(description="Version; equals the file's number.")
    schema_: FormatVersion = Field(
        default=1, validation_alias="schema", serialization_alias="schema", description="Format version."
    )
    owner: Text = Field(description="Who is asked about it.")
    variables: tuple[Variable, ...] = Field(default=(), description="Names of the placeholders in the text.")
    output_schema: dict[str, Any] | None = Field(default=None, description="JSON Schema of the answer.")


class Prompt(PromptHead):
    """One version of a prompt."""

    text: str
    sha256: str


class Key(NamedTuple):
    """How a prompt is named in records and references: `name@version`."""

    name: str
    version: int


def decide_prompt(
    block: Prompts | None, key: Key | None, registered: Iterable[Key]
) -> Literal["allow", "flag", "block"]:
    """Decide about the prompt that a call names; None: it names none."""
    if block is None:
        return "allow"
    known = key is not None and key in set(registered)
    if known and key is not None and (not block.allow or any(refers(entry, key) for entry in block.allow)):
        return "allow"
    refused = block.enforce == "on" and (known or block.unregistered == "block")
    return "block" if refused else "flag"


def refers(reference: str, key: Key) -> bool:
    """Say whether `name`, `name@3` or `name@>=3` means a prompt."""
    found = _REFERENCE.fullmatch(reference)
    if found is None or found["name"] != key.name:
        return False
    if found["version"] is None:
        return True
    wanted = int(found["version"])
    return key.version >= wanted if found["least"] else key.version == wanted


def missing(policy: Policy, source: Source, registered: Mapping[Key, Prompt]) -> Iterator[Problem]:
    """List references of a policy to prompts that do not exist."""
    for path, reference in _references(policy):
        if not any(refers(reference, key) for key in registered):
            yield near(source.places, path, "no such prompt in the folder prompts/; add it or correct the reference")
        elif path[0] == "confidence" and (unknown := _unknown(reference, registered)):
            known = " and ".join(VERIFIED)
            yield near(source.places, path, f"its variable `{unknown}` is unknown to verifiers; use {known}")


def _unknown(reference: str, registered: Mapping[Key, Prompt]) -> str | None:
    """Name a variable of a verifier's prompt that it would be rendered without."""
    newest = max((key for key in registered if refers(reference, key)), key=lambda key: key.version)
    return next((name for name in registered[newest].variables if name not in VERIFIED), None)


def _references(policy: Policy) -> Iterator[tuple[KeyPath, str]]:
    for index, entry in enumerate(policy.prompts.allow if policy.prompts else ()):
        yield ("prompts", "allow", index), entry
    for index, scorer in enumerate(policy.confidence.scorers if policy.confidence else ()):
        if scorer.kind == "verifier":
            yield ("confidence", "scorers", index, "prompt"), scorer.prompt
