"""The blocks about what may be shown: `confidence` and `hold`."""

import itertools
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from policy.blocks_access import PromptRef
from policy.values import (
    AnswerCondition,
    Block,
    Contradiction,
    Duration,
    Enforce,
    EnvName,
    Flag,
    ModelName,
    Name,
    Positive,
    ScoreExpression,
    Share,
    Text,
    Verdict,
    Where,
)

Template = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*(@[1-9][0-9]{0,5})?$", max_length=120)]
OpenShare = Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)]


class _Scorer(Block):
    # Part of every certificate's key: raise it in a kind of scorer whose code gives other scores than before.
    code: ClassVar[int] = 1
    weight: Share = Field(default=1.0, description="Weight under `combine: mean`.")


class LogprobScorer(_Scorer):
    kind: Literal["logprob"]
    measure: Literal["mean", "weakest_span", "margin"] = Field(
        default="mean", description="What is read from the log-probabilities."
    )


class SchemaScorer(_Scorer):
    kind: Literal["schema"]
    rules: tuple[AnswerCondition, ...] = Field(
        default=(), description="CEL over `answer` that must be true beside the JSON schema."
    )


class SelfConsistencyScorer(_Scorer):
    code: ClassVar[int] = 2
    kind: Literal["self_consistency"]
    samples: Annotated[int, Field(strict=True, ge=2, le=20)] = Field(default=3, description="Answers compared.")
    agreement: Literal["text", "fields"] = Field(default="text", description="What must agree.")
    fields: tuple[Name, ...] = Field(default=(), description="Fields compared; empty: all.")


class GroundingScorer(_Scorer):
    kind: Literal["grounding"]


class VerifierScorer(_Scorer):
    code: ClassVar[int] = 2
    kind: Literal["verifier"]
    model: ModelName = Field(description="The second model.")
    prompt: PromptRef = Field(description="A registered prompt.")


class ExpressionScorer(_Scorer):
    kind: Literal["expression"]
    expression: ScoreExpression = Field(description="CEL over `answer` that gives a share.")


Scorer = Annotated[
    LogprobScorer | SchemaScorer | SelfConsistencyScorer | GroundingScorer | VerifierScorer | ExpressionScorer,
    Field(discriminator="kind"),
]


class Band(Block):
    """One step of the ladder from a score to a verdict."""

    at_least: Share | Literal["certified"] = Field(description="Least score of the band, or `certified`.")
    verdict: Verdict = Field(description="What happens to the output.")
    template: Template | None = Field(default=None, description="For `fallback`: a template's name.")
    queue: Name | None = Field(default=None, description="For `hold`; the hold block's queue when left out.")
    deadline: Duration | None = Field(default=None, description="For `hold`; the hold block's deadline when left out.")
    enforce: Enforce = Field(default="on", description="`observe` passes the output and records the verdict.")

    @model_validator(mode="after")
    def _options_fit_verdict(self) -> Self:
        if self.template is not None and self.verdict != "fallback":
            raise Contradiction(
                "`template` belongs to `verdict: fallback`; remove it or change the verdict", "template"
            )
        if (self.queue or self.deadline) and self.verdict != "hold":
            raise Contradiction(
                "`queue` and `deadline` belong to `verdict: hold`; remove them or change the verdict",
                "queue" if self.queue else "deadline",
            )
        if self.at_least == "certified" and self.verdict != "pass":
            raise Contradiction("a certificate says what may pass; use `verdict: pass`", "verdict")
        return self


class Certified(Block):
    """The guarantee asked of a certificate."""

    alpha: OpenShare = Field(description="Largest error rate among passed outputs.")
    delta: OpenShare = Field(default=0.1, description="Probability that the guarantee may fail.")
    audit_rate: OpenShare = Field(default=0.1, description="Share of outputs audited at random once certified.")
    audit_deadline: Duration = Field(description="An audit unanswered by then counts as an error.")
    looks: tuple[Positive, ...] = Field(
        default=(100, 300, 1000, 3000), description="Outcome counts at which it is fitted."
    )


class Confidence(Block):
    """How sure an output must be before it is shown."""

    scorers: tuple[Scorer, ...] = Field(min_length=1, description="Where the score comes from.")
    combine: Literal["min", "mean", "product"] = Field(default="min", description="How several scores become one.")
    bands: tuple[Band, ...] = Field(min_length=1, description="The first band reached decides; the last ends at 0.")
    unscored: Verdict = Field(default="hold", description="When no score could be computed.")
    template: Template | None = Field(default=None, description="For `fallback` where a band names none.")
    certified: Certified | None = Field(default=None, description="The guarantee of a `certified` band.")
    enforce: Enforce = Field(default="on", description="`observe` passes every output and records the verdicts.")

    @model_validator(mode="after")
    def _ladder(self) -> Self:
        _certified_comes_first(self)
        floors = [(at, band.at_least) for at, band in enumerate(self.bands) if band.at_least != "certified"]
        for (_, high), (at, low) in itertools.pairwise(floors):
            if low >= high:
                message = "bands must fall; order them from the highest `at_least` to 0"
                raise Contradiction(message, "bands", at, "at_least")
        if not floors or floors[-1][1] != 0:
            last = len(self.bands) - 1
            raise Contradiction("the last band must be `at_least: 0`; add one", "bands", last, "at_least")
        return self

    @model_validator(mode="after")
    def _fallbacks_have_templates(self) -> Self:
        bands = (("bands", at, "verdict") for at, band in enumerate(self.bands) if _wants_template(band))
        lacking = next(bands, ("unscored",) if self.unscored == "fallback" else None)
        if lacking and self.template is None:
            raise Contradiction("a fallback needs a template; add `template` to the band or to the block", *lacking)
        return self

    def acting(self) -> Iterator[tuple[Verdict, Where]]:
        """Give the verdicts that can act on an output, each with the key that says so."""
        if self.enforce == "observe":
            return
        for at, band in enumerate(self.bands):
            if band.enforce == "on":
                yield band.verdict, ("bands", at, "verdict")
        yield self.unscored, ("unscored",)


def _wants_template(band: Band) -> bool:
    return band.verdict == "fallback" and not band.template


def _certified_comes_first(block: Confidence) -> None:
    at = [index for index, band in enumerate(block.bands) if band.at_least == "certified"]
    if at and at != [0]:
        raise Contradiction("at most one band is `certified`, and it comes first", "bands", at[-1], "at_least")
    if bool(at) != (block.certified is not None):
        where: Where = ("bands", 0, "at_least") if at else ("certified",)
        raise Contradiction("a `certified` band and the `certified` block need each other; add the missing one", *where)


class Webhook(Block):
    url_env: EnvName = Field(description="Environment variable with the address.")
    secret_env: EnvName = Field(description="Environment variable with the signing secret.")


class Hold(Block):
    """How a held output waits for a reviewer, and what its caller sees."""

    reply: Literal["error", "fallback", "wait", "background"] = Field(
        default="error", description="What the caller gets at once."
    )
    queue: Name | None = Field(default=None, description="Review queue.")
    deadline: Duration = Field(description="Time for a reviewer.")
    at_deadline: Literal["reject", "fallback", "release"] = Field(
        default="reject", description="When nobody answered in time."
    )
    template: Template | None = Field(default=None, description="For `reply: fallback` and `at_deadline: fallback`.")
    wait: Duration | None = Field(default=None, description="For `reply: wait`: how long the caller is kept.")
    self_approval: Flag = Field(default=False, description="Whether the caller's owner may approve.")
    webhook: Webhook | None = Field(default=None, description="Told when the output is released.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if "fallback" in (self.reply, self.at_deadline) and self.template is None:
            where = "reply" if self.reply == "fallback" else "at_deadline"
            raise Contradiction("a fallback needs a template; add `template`", where)
        if (self.reply == "wait") != (self.wait is not None):
            where = "wait" if self.wait is not None else "reply"
            raise Contradiction("`reply: wait` and `wait` need each other; add the missing one", where)
        return self


class Metric(Block):
    kind: Literal["boolean", "number", "category", "text"] = Field(description="What its values are.")
    description: Text | None = Field(default=None, description="What it says, in a sentence.")


class Outcomes(Block):
    """What may be reported about outputs."""

    metrics: dict[Name, Metric] = Field(
        min_length=1, description="Metrics by name; `success` and `override` need no declaration."
    )
