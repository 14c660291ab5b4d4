"""The blocks about data that is kept or dropped: `retention`, `minimise`, `cache`, `failure`, `logging`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from policy.values import Block, Contradiction, Days, Duration, Enforce, Flag, Text

DataPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_$][\w$-]*(\.([\w$-]+|\*)|\[\*\])*$", max_length=200)]


def _days(count: int) -> timedelta:
    return timedelta(days=count)


StoredClass = Literal["content", "metadata", "audit", "review", "automation"]
RetentionProfile = Literal["eu_ai_act", "gdpr", "hipaa", "soc2"]
# Least days, and what asks for them. `eu_ai_act` binds everybody; the others bind policies that name them.
FLOORS: Final[Mapping[str, Mapping[str, int]]] = {
    "eu_ai_act": {"metadata": 183, "audit": 183},  # six months: Articles 19 and 26(6)
    "hipaa": {"metadata": 2192, "audit": 2192, "review": 2192},  # six years: 45 CFR 164.316(b)(2), read safely
    "soc2": {"metadata": 365, "audit": 365, "review": 365},  # a year, as most audits of type II look back
}
CEILINGS: Final[Mapping[str, Mapping[str, int]]] = {
    "gdpr": {"content": 90, "automation": 90},  # Article 5(1)(e) names no number; this is ours
}


class Retention(Block):
    """How long each class of data is kept."""

    content: Days = Field(default=_days(30), description="Redacted requests and answers, sealed.")
    metadata: Days = Field(default=_days(400), description="Numbers, verdicts, versions and labels of calls.")
    audit: Days = Field(
        default=_days(2192), description="Records of what people did: sign-ins, keys, policies, erasures."
    )
    review: Days = Field(default=_days(365), description="Held outputs, edits and reviewers' notes.")
    automation: Days = Field(default=_days(30), description="Inputs and steps of automations.")
    legal_hold: Flag = Field(default=False, description="While true nothing is deleted.")
    profiles: tuple[RetentionProfile, ...] = Field(
        default=(), description="Sets of least and most times that hold, too."
    )
    outside: dict[StoredClass, Text] = Field(
        default_factory=dict, description="Classes kept shorter or longer than a profile says, each with the reason."
    )

    @model_validator(mode="after")
    def _within_the_law(self) -> Self:
        for profile in dict.fromkeys(("eu_ai_act", *self.profiles)):
            for name, least in FLOORS.get(profile, {}).items():
                if getattr(self, name) < _days(least) and name not in self.outside:
                    raise Contradiction(_sentence(profile, name, "at least", least), name)
            for name, most in CEILINGS.get(profile, {}).items():
                if getattr(self, name) > _days(most) and name not in self.outside:
                    raise Contradiction(_sentence(profile, name, "at most", most), name)
        return self


def _sentence(profile: str, name: str, how: str, days: int) -> str:
    return (
        f"the profile `{profile}` keeps `{name}` {how} {days}d; change it, or say why this policy does not in "
        f"`retention.outside: {{{name}: ...}}`"
    )


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
