"""The blocks about data that is kept or dropped: `retention`, `minimise`, `cache`, `failure`, `logging`."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from policy.values import Block, Contradiction, Days, Duration, Enforce, Flag

DataPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_$][\w$-]*(\.([\w$-]+|\*)|\[\*\])*$", max_length=200)]


def _days(count: int) -> timedelta:
    return timedelta(days=count)


class Retention(Block):
    """How long each class of data is kept."""

    content: Days = Field(default=_days(30), description="Redacted requests and answers, sealed.")
    metadata: Days = Field(default=_days(400), description="Numbers, verdicts, versions and labels of calls.")
    audit: Days = Field(default=_days(2192), description="The audit tree.")
    review: Days = Field(default=_days(365), description="Held outputs, edits and reviewers' notes.")
    automation: Days = Field(default=_days(30), description="Inputs and steps of automations.")
    legal_hold: Flag = Field(default=False, description="While true nothing is deleted.")


class Minimise(Block):
    """Fields of structured content that do not travel, before redaction."""

    keep: tuple[DataPath, ...] = Field(default=(), description="Only these fields stay.")
    drop: tuple[DataPath, ...] = Field(default=(), description="These fields go.")
    enforce: Enforce = Field(default="on", description="`observe` only counts what would have gone.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.keep) == bool(self.drop):
            raise Contradiction("give either `keep` or `drop`, not both and not neither", "drop")
        return self


class Cache(Block):
    """Exact-match reuse of answers within one tenant and policy version."""

    mode: Literal["off", "exact"] = Field(default="off", description="`exact` reuses the answer to an equal request.")
    ttl: Duration = Field(default=timedelta(hours=1), description="How long an answer may be reused.")
    enforce: Enforce = Field(default="on", description="`observe` only counts hits.")


class Failure(Block):
    """What happens when a part of the gateway itself fails."""

    log: Literal["block", "serve"] = Field(default="block", description="When the record cannot be made durable.")


class Logging(Block):
    """Which content a record keeps, sealed and already redacted."""

    request: Literal["sealed", "none"] = Field(default="sealed", description="The redacted request.")
    answer: Literal["sealed", "none"] = Field(default="sealed", description="The redacted answer.")
    provider: Literal["none", "caller"] = Field(
        default="none", description="What the provider may keep; `caller`: what callers ask for with `store: true`."
    )
