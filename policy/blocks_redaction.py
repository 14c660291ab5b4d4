"""The `redaction` block: what is looked for, and what happens to what is found."""

from typing import Annotated, Literal, Self

import re2
from pydantic import Field, StringConstraints, field_validator, model_validator

from policy.kinds import GROUPS
from policy.values import Block, Contradiction, Count, Enforce, Name, Share, Text

Operator = Literal["pseudonym", "replace", "mask", "hash", "block", "keep"]
NamesMode = Literal["off", "balanced", "strict", "paranoid"]
Media = Literal["pass", "flag", "block"]
Profile = Literal["hipaa_safe_harbor", "gdpr", "pci", "glba", "secrets"]
Restore = Literal["caller", "never"]
Window = Annotated[int, Field(strict=True, ge=40, le=4_000)]
Kind = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{1,63}$")]
Milliseconds = Annotated[int, Field(strict=True, ge=1, le=60_000)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
KindOrGroup = Annotated[str, StringConstraints(pattern=rf"^([A-Z][A-Z0-9_]{{1,63}}|{'|'.join(GROUPS)})$")]


class RedactionRule(Block):
    """What happens to one kind, or to every kind of one group."""

    operator: Operator = Field(description="What happens to a found value.")
    enforce: Enforce = Field(default="on", description="`observe` only counts what it would have done.")
    min_score: Share | None = Field(
        default=None, description="Least detector score; the block's `min_score` when left out."
    )
    replacement: Text | None = Field(
        default=None,
        validation_alias="with",
        serialization_alias="with",
        description="The text written by `replace`; `<KIND>` when left out.",
    )
    keep_last: Count = Field(default=0, description="How many last characters `mask` leaves readable.")

    @model_validator(mode="after")
    def _options_fit_operator(self) -> Self:
        if self.replacement is not None and self.operator != "replace":
            raise Contradiction("`with` belongs to `operator: replace`; remove it or change the operator", "with")
        if self.keep_last and self.operator != "mask":
            raise Contradiction(
                "`keep_last` belongs to `operator: mask`; remove it or change the operator", "keep_last"
            )
        return self


Rules = dict[KindOrGroup, RedactionRule]


_STRUCTURED = ("contact", "identity", "finance", "health", "technical", "secrets")


def _strict_request() -> Rules:
    return {group: RedactionRule(operator="pseudonym") for group in _STRUCTURED}


def _strict_answer() -> Rules:
    return {group: RedactionRule(operator="replace") for group in _STRUCTURED}


class Sites(Block):
    """Rules that replace the request's rules in one part of a request."""

    system: Rules = Field(default_factory=dict, description="System and developer messages, and instructions.")
    user: Rules = Field(default_factory=dict, description="User messages and inputs.")
    assistant: Rules = Field(default_factory=dict, description="Earlier assistant messages.")
    tool: Rules = Field(default_factory=dict, description="Tool definitions, tool calls and tool results.")
    metadata: Rules = Field(default_factory=dict, description="`metadata`, `user` and other identifying fields.")


class RestoreAt(Block):
    """What `restore` says, for one part of an answer."""

    text: Restore | None = Field(default=None, description="Text, refusals and transcripts.")
    reasoning: Restore | None = Field(default=None, description="Reasoning and its summaries.")
    tool_arguments: Restore | None = Field(default=None, description="Arguments and inputs of tool calls.")
    other: Restore | None = Field(default=None, description="Every other field.")


class Examples(Block):
    match: tuple[Text, ...] = Field(min_length=1, description="Texts in which the recognizer must find its kind.")
    no_match: tuple[Text, ...] = Field(min_length=1, description="Texts in which it must find nothing.")


class CustomRecognizer(Block):
    """A pattern of one's own; its examples run in `sluice policy check`."""

    kind: Kind = Field(description="The kind it finds; rules refer to it by this name.")
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=1000)] = Field(
        description="RE2 pattern (linear time)."
    )
    context: tuple[Text, ...] = Field(
        default=(), description="Words that raise the score when they stand near a match."
    )
    validator: Name | None = Field(default=None, description="Name of a built-in check such as `luhn` or `iban`.")
    score: Share = Field(default=0.6, description="Score of a match without context.")
    examples: Examples = Field(description="Texts that prove the pattern.")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        options = re2.Options()
        options.log_errors = False
        try:
            compiled = re2.compile(pattern, options)
        except re2.error as error:
            reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
            raise ValueError(f"RE2 does not take this pattern ({reason[:120]}); correct it") from error
        if compiled.search(""):
            raise ValueError("this pattern matches the empty text; require at least one character")
        return pattern


class Redaction(Block):
    """What must not leave in a request, and what must not come back in an answer."""

    on_failure: Literal["block", "pass"] = Field(
        default="block", description="When a detector fails or runs out of time."
    )
    timeout_ms: Milliseconds = Field(default=2000, description="Time one detection may take.")
    language: Language = Field(default="en", description="Two-letter language.")
    min_score: Share = Field(default=0.45, description="Least detector score that counts as found.")
    names: NamesMode = Field(default="off", description="Names model for requests: people, places, organisations.")
    profiles: tuple[Profile, ...] = Field(
        default=(), description="Named sets of kinds, added where no rule speaks of them."
    )
    request: Rules = Field(
        default_factory=_strict_request, description="Kind or group to rule, before anything is sent."
    )
    answer: Rules = Field(
        default_factory=_strict_answer, description="Kind or group to rule, for what the model wrote."
    )
    answer_names: NamesMode = Field(
        default="off", description="Names model for answers; live answers need `window_chars` too."
    )
    restore: Restore = Field(default="caller", description="Whether callers get their own values back.")
    restore_at: RestoreAt = Field(default=RestoreAt(), description="The same for one part of an answer.")
    media: Media = Field(default="pass", description="Images, audio and files, which are not read.")
    allow: tuple[Text, ...] = Field(default=(), description="Exact values that are never redacted.")
    deny: dict[Kind, tuple[Text, ...]] = Field(
        default_factory=dict, description="Exact values always redacted, by kind."
    )
    sites: Sites = Field(default=Sites(), description="Other rules for one part of a request.")
    recognizers: tuple[CustomRecognizer, ...] = Field(default=(), description="Patterns of one's own.")
    presidio: tuple[Text, ...] = Field(default=(), description="Predefined Presidio recognizers to run as well.")
    window_chars: Window | None = Field(
        default=None,
        description="Most characters of an answer that wait for their names: to the end of a sentence, at most these.",
    )

    @model_validator(mode="after")
    def _no_value_both_ways(self) -> Self:
        both = sorted(kind for kind, values in self.deny.items() if set(values) & set(self.allow))
        if both:
            raise Contradiction(
                f"a value stands in `allow` and in `deny.{both[0]}`; keep one of them",
                "deny",
                both[0],
                other=("allow",),
            )
        return self
