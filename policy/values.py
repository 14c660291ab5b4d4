"""The small value types that every block of a policy file is built from."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from policy.conditions import condition

Where = tuple[str | int, ...]


class Contradiction(ValueError):
    """Keys that are right one by one but not together; names the one to look at, below the block that says so.

    `other` is the key it conflicts with: it is shown when the first comes from the shared defaults.
    """

    def __init__(self, message: str, *path: str | int, other: Where = ()) -> None:
        super().__init__(message)
        self.paths: tuple[Where, ...] = (path, other) if other else (path,)


class Block(BaseModel):
    """One mapping of a policy file: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d{1,7})([smhd])")


def parse_duration(value: object) -> object:
    """Turn `30d`, `12h`, `5m` or `45s` into a timedelta; refuse anything else."""
    if isinstance(value, timedelta):
        return value
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("write a whole number with its unit: 45s, 5m, 12h or 30d")
    return timedelta(seconds=int(found[1]) * _UNITS_S[found[2]])


def seconds_of(text: str) -> int:
    """Read a duration such as 7d in seconds. Raises `ValueError`."""
    value = parse_duration(text)
    assert isinstance(value, timedelta)
    return int(value.total_seconds())


def whole_days(value: timedelta) -> timedelta:
    """Refuse what is no whole number of days: stored data expires by the day."""
    if value < timedelta(days=1) or value % timedelta(days=1):
        raise ValueError("write whole days, at least 1d; data expires by the day")
    return value


def format_duration(value: timedelta) -> str:
    """Write a duration in the largest unit that divides it."""
    seconds = int(value.total_seconds())
    unit = next(u for u in "dhms" if seconds % _UNITS_S[u] == 0)
    return f"{seconds // _UNITS_S[unit]}{unit}"


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _checked(vocabulary: str) -> Callable[[str], str]:
    def check(source: str) -> str:
        condition(source, vocabulary)
        return source

    return check


Enforce = Literal["on", "observe"]
Direction = Literal["request", "answer"]
Verdict = Literal["pass", "fallback", "hold", "block", "escalate"]

Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,7}[smhd]$"}),
]
Days = Annotated[
    Duration, AfterValidator(whole_days), WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,7}[smhd]$"})
]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$", max_length=120)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]*$", max_length=120)]
Flag = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=0, le=2**53)]
Positive = Annotated[int, Field(strict=True, ge=1, le=2**53)]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Amount = Annotated[float, Field(strict=True, ge=0, le=1e12, allow_inf_nan=False)]
RoutingCondition = Annotated[str, AfterValidator(_checked("routing"))]
ToolCondition = Annotated[str, AfterValidator(_checked("tools"))]
AnswerCondition = Annotated[str, AfterValidator(_checked("answer"))]
ScoreExpression = Annotated[str, AfterValidator(_checked("score"))]

# A list that may be written as one bare string.
OneOrMore = Annotated[
    tuple[Text, ...],
    BeforeValidator(_listed),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
ModelName = Annotated[str, StringConstraints(pattern=r"^[^\s/]\S*$", max_length=200)]


def canonical(value: Any) -> bytes:
    """Write JSON in the one form that is hashed: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def hash12(value: Any) -> str:
    """Give the first 12 digits of the SHA-256 of a JSON value."""
    return hashlib.sha256(canonical(value)).hexdigest()[:12]


def dump(block: Block) -> dict[str, Any]:
    """Give a block as plain JSON values under the names used in files."""
    return block.model_dump(mode="json", by_alias=True)
