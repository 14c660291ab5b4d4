"""The blocks about what may be used and how much: `prompts`, `tools`, `budget`, `limits`."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from policy.values import Amount, Block, Contradiction, Enforce, OneOrMore, Positive, Share, ToolCondition, Where

PromptRef = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]*(@(>=)?[1-9][0-9]{0,5})?$")]
Scope = Literal["key", "automation", "team", "tenant"]


class Prompts(Block):
    """Which registered prompts may run."""

    allow: tuple[PromptRef, ...] = Field(
        default=(), description="`name`, `name@3` or `name@>=3`; empty: every registered one."
    )
    unregistered: Literal["block", "flag"] = Field(
        default="block", description="A call that names no registered prompt."
    )
    enforce: Enforce = Field(default="on", description="`observe` only counts refusals.")


class ToolRule(Block):
    """One decision about tools; the first rule that matches a tool decides."""

    tool: OneOrMore = Field(description="Tool names; `*` stands for any run of characters.")
    at: Literal["offered", "called", "both"] = Field(
        default="both", description="What the client offers, or what the model calls."
    )
    action: Literal["allow", "deny", "hold"] = Field(description="`hold` sends the model's call to review first.")
    when: ToolCondition | None = Field(
        default=None, description="CEL over `tool` and `arguments`; only for `at: called`."
    )
    enforce: Enforce = Field(default="on", description="`observe` only counts what it would have done.")

    @model_validator(mode="after")
    def _fits_its_place(self) -> Self:
        if self.when is not None and self.at != "called":
            raise Contradiction("`when` reads the arguments of a call; add `at: called`", "when")
        if self.action == "hold" and self.at != "called":
            raise Contradiction("only a call can be held; add `at: called`", "action")
        return self


class Tools(Block):
    """Which tools a client may offer and a model may call."""

    rules: tuple[ToolRule, ...] = Field(default=(), description="Tried in order; the first match decides.")
    default: Literal["allow", "deny"] = Field(default="deny", description="A tool that no rule matches.")
    enforce: Enforce = Field(default="on", description="Whether `default` acts or is only counted.")

    def withholds(self) -> Where | None:
        """Name the first enforced rule that can stop or hold something the model calls, if any."""
        for at, rule in enumerate(self.rules):
            if rule.enforce == "on" and rule.action != "allow" and rule.at != "offered":
                return ("rules", at, "action")
        return ("default",) if self.default == "deny" and self.enforce == "on" else None


class BudgetRule(Block):
    """One ceiling on spending."""

    scope: Scope = Field(default="automation", description="Who shares the ceiling.")
    period: Literal["day", "week", "month"] = Field(description="Calendar period in UTC; weeks begin on Monday.")
    usd: Amount | None = Field(default=None, description="Most dollars in the period.")
    tokens: Positive | None = Field(default=None, description="Most tokens in the period, all buckets together.")
    enforce: Enforce = Field(default="on", description="`observe` only alerts.")

    @model_validator(mode="after")
    def _has_a_ceiling(self) -> Self:
        if self.usd is None and self.tokens is None:
            raise ValueError("give `usd`, `tokens` or both")
        return self


class Budget(Block):
    """Ceilings on spending; a call that would pass one is refused."""

    rules: tuple[BudgetRule, ...] = Field(min_length=1, description="All of them hold at once.")
    alerts: tuple[Share, ...] = Field(default=(0.5, 0.8, 1.0), description="Shares of a ceiling that raise an alert.")
    answer_tokens: Positive | None = Field(
        default=None, description="Largest answer of a call that names no maximum: sent along, and set aside."
    )


class Limits(Block):
    """Ceilings on pace."""

    scope: Scope = Field(default="key", description="Who shares the ceilings.")
    requests_per_minute: Positive | None = Field(default=None, description="Most calls begun in a minute.")
    tokens_per_minute: Positive | None = Field(default=None, description="Most tokens in a minute.")
    concurrent_calls: Positive | None = Field(default=None, description="Most calls under way at once.")
    enforce: Enforce = Field(default="on", description="`observe` only counts what it would have refused.")
