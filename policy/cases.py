"""Unit tests of policies (`tests/NAME.yaml`): given a call, what must come of it."""

from typing import Annotated, Any

from pydantic import Field

from policy.blocks_redaction import Kind
from policy.model import FormatVersion
from policy.values import Amount, Block, Count, ModelName, Name, Share, Text, Verdict

Example = Annotated[str, Field(max_length=100_000)]


class GivenFacts(Block):
    """What is bound to the key of the call."""

    tenant: Text = Field(default="default", description="Tenant of the key.")
    team: Text | None = Field(default=None, description="Team of the key.")
    automation: Text | None = Field(default=None, description="Automation of the key.")
    environment: Text | None = Field(default=None, description="Environment of the key.")
    data_class: Text | None = Field(default=None, description="Data class of the key.")


class GivenCall(Block):
    """A tool that the model calls."""

    tool: Text = Field(description="Name of the tool.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="Its arguments.")


class Given(Block):
    """One call."""

    facts: GivenFacts = Field(default=GivenFacts(), description="Facts of the key.")
    labels: dict[Name, Text] = Field(default_factory=dict, description="Labels of the call.")
    model: ModelName = Field(default="gpt-4o", description="The model the caller asks for.")
    system: Example | None = Field(default=None, description="System message.")
    text: Example = Field(default="Hello.", description="User message.")
    score: Share | None = Field(default=None, description="Confidence of the answer.")
    calls: tuple[GivenCall, ...] = Field(default=(), description="Tools that the model calls in its answer.")
    input_tokens: Count = Field(default=0, description="For `max_cost_usd`.")
    output_tokens: Count = Field(default=0, description="For `max_cost_usd`.")


class Expect(Block):
    """What must come of it; only what is written is looked at."""

    policy: Name | None = Field(default=None, description="The policy that governs; `none`: the call is refused.")
    tightened: tuple[Count, ...] | None = Field(default=None, description="Indexes of the active `tighten` blocks.")
    redacted: tuple[Kind, ...] | None = Field(default=None, description="Exactly the kinds changed in the request.")
    observed: tuple[Kind, ...] | None = Field(default=None, description="Exactly the kinds that rules only observe.")
    absent: tuple[Text, ...] = Field(default=(), description="Texts that must not leave.")
    present: tuple[Text, ...] = Field(default=(), description="Texts that must leave unchanged.")
    blocked: Kind | None = Field(default=None, description="The kind for which the call is refused.")
    models: tuple[ModelName, ...] | None = Field(default=None, description="Models tried, in order.")
    verdict: Verdict | None = Field(default=None, description="Verdict for `score` and `calls`.")
    decided_by: Text | None = Field(
        default=None, description="What decides: `bands[1]`, `unscored`, `tools.rules[0]` or `tools.default`."
    )
    max_cost_usd: Amount | None = Field(default=None, description="Most the given tokens may cost at the first model.")


class Case(Block):
    name: Text = Field(description="What is tested, in a sentence.")
    given: Given = Field(default=Given(), description="The call.")
    expect: Expect = Field(description="What must come of it.")


class CaseFile(Block):
    """One file of tests."""

    schema_: FormatVersion = Field(
        validation_alias="schema", serialization_alias="schema", description="Format version."
    )
    tests: tuple[Case, ...] = Field(min_length=1, description="The tests.")
