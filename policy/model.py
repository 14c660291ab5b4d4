"""A policy as a typed, immutable value: who it governs, and every rule in the order of a call."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from policy.blocks_access import Budget, Limits, Prompts, Tools
from policy.blocks_data import Cache, Failure, Logging, Minimise, Retention
from policy.blocks_output import Confidence, Hold, Outcomes
from policy.blocks_redaction import Redaction
from policy.blocks_routing import Routing
from policy.tighten import Tighten
from policy.values import Block, Contradiction, Name, OneOrMore, Text, dump, hash12

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from policy.blocks_redaction import RedactionRule
    from policy.values import Where

FACT_NAMES = ("tenant", "team", "automation", "environment", "data_class")
FormatVersion = Annotated[int, Field(strict=True, ge=1, le=1)]


class Ungoverned(Exception):
    """No policy governs these facts; the call is refused."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is bound to an API key; the only thing that selects a policy."""

    tenant: str = "default"
    team: str | None = None
    automation: str | None = None
    environment: str | None = None
    data_class: str | None = None


class AppliesTo(Block):
    """Whom a policy governs; a fact left out may have any value."""

    tenant: OneOrMore | None = Field(default=None, description="Tenant of the key.")
    team: OneOrMore | None = Field(default=None, description="Team of the key.")
    automation: OneOrMore | None = Field(default=None, description="Automation of the key.")
    environment: OneOrMore | None = Field(default=None, description="Environment of the key.")
    data_class: OneOrMore | None = Field(default=None, description="Data class of the key.")

    def named(self) -> "Mapping[str, frozenset[str]]":
        """Give the facts this selector names, with the values it accepts."""
        return {name: frozenset(values) for name in FACT_NAMES if (values := getattr(self, name)) is not None}


class Blocks(Block):
    """The blocks of rules; keys stand in the order in which a call meets them."""

    limits: Limits | None = Field(default=None, description="Ceilings on pace.")
    budget: Budget | None = Field(default=None, description="Ceilings on spending.")
    minimise: Minimise | None = Field(default=None, description="Fields that do not travel.")
    redaction: Redaction = Field(default=Redaction(), description="What must not leave, nor come back.")
    prompts: Prompts | None = Field(default=None, description="Which prompts may run.")
    tools: Tools | None = Field(default=None, description="Which tools may be offered and called.")
    routing: Routing = Field(default=Routing(), description="Which model answers.")
    cache: Cache = Field(default=Cache(), description="Reuse of answers.")
    confidence: Confidence | None = Field(default=None, description="How sure an output must be.")
    hold: Hold | None = Field(default=None, description="How a held output waits.")
    outcomes: Outcomes | None = Field(default=None, description="What may be reported about outputs.")
    delivery: Literal["live", "buffered"] = Field(
        default="live", description="Whether a stream is shown before it is judged."
    )
    failure: Failure = Field(default=Failure(), description="When the gateway itself fails.")
    retention: Retention = Field(default=Retention(), description="How long data is kept.")
    logging: Logging = Field(default=Logging(), description="Which content records keep.")


class Defaults(Blocks):
    """The file `_defaults.yaml`: blocks for every policy that does not write the same key itself."""

    schema_: FormatVersion = Field(
        validation_alias="schema", serialization_alias="schema", description="Version of the file format."
    )


class Head(Block):
    """What stands at the top of a policy file: a name, and whom it governs."""

    policy: Name = Field(description="Unique name; stands in every record.")
    schema_: FormatVersion = Field(
        validation_alias="schema", serialization_alias="schema", description="Version of the file format."
    )
    owner: Text = Field(description="Who is asked about this policy.")
    description: Text | None = Field(default=None, description="What it is for, in a sentence.")
    applies_to: AppliesTo = Field(default=AppliesTo(), description="Whom it governs.")
    tighten: tuple[Tighten, ...] = Field(default=(), description="Changes that labels may activate; they only tighten.")


class Policy(Blocks, Head):  # in this order the head's keys come first
    """One policy file."""

    @model_validator(mode="after")
    def _holds_are_complete(self) -> Self:
        holding = next(self._holding(), None)
        if holding and self.hold is None:
            message = "a verdict or tool rule holds outputs but there is no `hold` block; add one"
            raise Contradiction(message, *holding)
        lacking = next((where for where in self._holding() if where not in self._own_queues()), None)
        if lacking and self.hold and self.hold.queue is None:
            raise Contradiction("a hold needs a queue; add `hold.queue`, or a `queue` to the band that holds", *lacking)
        return self

    @model_validator(mode="after")
    def _a_sent_token_cannot_be_withheld(self) -> Self:
        if self.delivery == "live" and (found := self.withholds()):
            message = f"`delivery: live` cannot take back what was sent, but {found.reason}; use `delivery: buffered`"
            raise Contradiction(message, *found.path, other=("delivery",))
        return self

    @model_validator(mode="after")
    def _names_of_live_answers_need_a_window(self) -> Self:
        window, live = self.redaction.window_chars, self._live_blocks()
        if window is not None and not _look_for_names((self, *self.tighten)):
            message = "`redaction.window_chars` is for names in answers; set `answer_names`, or remove it"
            raise Contradiction(message, "redaction", "window_chars")
        if self.delivery == "live" and window is None and _look_for_names((self, *live.values())):
            number = next((at for at, block in live.items() if _look_for_names((block,))), 0)
            where = () if _look_for_names((self,)) else ("tighten", number)
            raise Contradiction(
                "names in live answers need a window in which they are looked for; "
                "set `redaction.window_chars`, or use `delivery: buffered`",
                *(*where, "redaction", "answer_names"),
            )
        return self

    @cached_property
    def metered(self) -> bool:
        """Say whether anything about a call is counted against a ceiling."""
        return self.limits is not None or self.budget is not None

    @cached_property
    def shapes(self) -> bool:
        """Say whether anything but redaction may change or refuse a request before it is sent."""
        return self.prompts is not None or self.tools is not None or self.minimise is not None

    @cached_property
    def scorer_hash(self) -> str:
        """Name the version of the scorers: their settings, their code, how they are combined."""
        block = self.confidence
        return hash12([[dump(each), each.code] for each in block.scorers] + [block.combine] if block else [])

    @cached_property
    def output_hash(self) -> str:
        """Name what of this policy shapes the text of an output: what the model is shown, and what is cut from it."""
        shaping = ("redaction", "minimise", "prompts", "tools")
        return hash12({name: dump(block) for name in shaping if (block := getattr(self, name)) is not None})

    def withholds(self) -> "Withholding | None":
        """Name the first enforced rule that can withhold an output, if any."""
        for verdict, where in self.confidence.acting() if self.confidence else ():
            if verdict != "pass":
                return Withholding(f"`confidence` can give the verdict `{verdict}`", ("confidence", *where))
        tables: dict[Where, Mapping[str, RedactionRule]] = {("redaction", "answer"): self.redaction.answer}
        for number, block in self._live_blocks().items():
            tables["tighten", number, "redaction", "answer"] = block.redaction.answer
        for path, rules in tables.items():
            if kind := next((k for k, r in rules.items() if r.operator == "block" and r.enforce == "on"), None):
                return Withholding(f"`redaction.answer.{kind}` blocks answers", (*path, kind))
        if self.tools and (at := self.tools.withholds()):
            return Withholding("`tools` can deny or hold what the model calls", ("tools", *at))
        return None

    def _live_blocks(self) -> dict[int, Tighten]:
        return {at: block for at, block in enumerate(self.tighten) if block.delivery is None}

    def _own_queues(self) -> "Collection[Where]":
        """Name the verdicts that say themselves which queue they hold for."""
        bands = enumerate(self.confidence.bands if self.confidence else ())
        return [("confidence", "bands", at, "verdict") for at, band in bands if band.queue]

    def _holding(self) -> "Iterator[Where]":
        """Name what can hold an output."""
        for verdict, where in self.confidence.acting() if self.confidence else ():
            if verdict == "hold":
                yield ("confidence", *where)
        for at, rule in enumerate(self.tools.rules if self.tools else ()):
            if rule.action == "hold" and rule.enforce == "on":
                yield ("tools", "rules", at, "action")


class Withholding(NamedTuple):
    """Why an output may be withheld, and where that is said."""

    reason: str
    path: "Where"


def _look_for_names(blocks: "Iterable[Policy | Tighten]") -> bool:
    """Say whether any block looks for names in answers."""
    return any(block.redaction.answer_names not in (None, "off") for block in blocks)


@dataclass(frozen=True, slots=True)
class Bound:
    """The policy that governs one call, with the tightenings its labels activated."""

    policy: Policy
    name: str
    hash12: str
    tightened: tuple[str, ...] = ()
