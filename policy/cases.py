"""Unit tests of policies (`tests/NAME.yaml`): given a call, what must come of it."""

from typing import Annotated, Any

from pydantic import Field

from policy.blocks_redaction import Kind
from policy.model import FormatVersion
from policy.values import Amount, Block, Count, Duration, ModelName, Name, Share, Text, Verdict

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


class GivenArm(Block):
    """The arm of a split that grows by itself, and what was counted of its calls since its share last moved."""

    split: Text = Field(description="Name of the split.")
    share: Share | None = Field(default=None, description="Its share now; the declared one when left out.")
    age: Duration | None = Field(default=None, description="How long it has it; `promote.every` when left out.")
    calls: Count = Field(default=0, description="Calls.")
    failed: Count = Field(default=0, description="Calls that failed.")
    slow: Count = Field(default=0, description="Calls that took longer than the bound on latency.")
    runs: Count = Field(default=0, description="Runs.")
    cost_usd: Amount = Field(default=0.0, description="Cost of all runs.")
    cost_sq: Amount = Field(default=0.0, description="Sum of the squares of the runs' costs.")
    known: Count = Field(default=0, description="Runs with an outcome.")
    succeeded: Count = Field(default=0, description="Runs whose outcome is success.")
    seen: Count = Field(default=0, description="Runs of which a person saw an output.")
    overridden: Count = Field(default=0, description="Runs of which a person changed or rejected an output.")


class Given(Block):
    """One call."""

    facts: GivenFacts = Field(default=GivenFacts(), description="Facts of the key.")
    labels: dict[Name, Text] = Field(default_factory=dict, description="Labels of the call.")
    model: ModelName = Field(default="gpt-4o", description="The model the caller asks for.")
    system: Example | None = Field(default=None, description="System message.")
    text: Example = Field(default="Hello.", description="User message.")
    score: Share | None = Field(default=None, description="Confidence of the answer.")
    offers: tuple[Text, ...] = Field(default=(), description="Names of the tools that the call offers.")
    run: Text = Field(default="run", description="Run id: it decides the arm of a split.")
    arm: GivenArm | None = Field(default=None, description="A growing arm, for `share`.")
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
    refused_by: Text | None = Field(
        default=None, description="The tool rule for which the call is refused: `tools.rules[0]` or `tools.default`."
    )
    split_arm: Text | None = Field(default=None, description="The arm of the split that the run falls in.")
    share: Share | None = Field(default=None, description="What becomes of the share of `arm`; 0: it fell back.")
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
