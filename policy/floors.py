"""The file `_floors.yaml`: what no team's file can undercut."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pydantic import Field

from policy.model import AppliesTo, FormatVersion, Policy
from policy.problems import KeyPath, Problem, Source, near
from policy.rules import declared
from policy.selection import overlap
from policy.stricter import tightened
from policy.tighten import ShorterRetention, Stricter
from policy.values import Block, Days, Direction, format_duration


class AtLeast(Block):
    content: Days | None = Field(default=None, description="Least time content is kept.")
    metadata: Days | None = Field(default=None, description="Least time metadata is kept.")
    audit: Days | None = Field(default=None, description="Least time the audit tree is kept.")
    review: Days | None = Field(default=None, description="Least time reviews are kept.")
    automation: Days | None = Field(default=None, description="Least time automation inputs are kept.")


class FloorRetention(ShorterRetention):
    at_least: AtLeast = Field(default=AtLeast(), description="Least times.")


class Floor(Stricter):
    """What every policy that governs these facts must be at least as strict as."""

    applies_to: AppliesTo = Field(
        default=AppliesTo(), description="Policies that may govern such calls are bound by it."
    )
    retention: FloorRetention = Field(default=FloorRetention(), description="Most times, and `at_least` least times.")


class Floors(Block):
    schema_: FormatVersion = Field(
        validation_alias="schema", serialization_alias="schema", description="Format version."
    )
    floors: tuple[Floor, ...] = Field(default=(), description="All of them hold.")


def undercut(policy: Policy, source: Source, floors: Floors) -> list[Problem]:
    """List where a policy is looser than a floor that binds it."""
    found: list[Problem] = []
    for index, floor in enumerate(floors.floors):
        if overlap(policy.applies_to, floor.applies_to) is None:
            continue
        asked = f"`_floors.yaml` (floors[{index}])"
        stricter = tightened(policy, floor)
        for path, want in _differences(policy.model_dump(by_alias=True), stricter.model_dump(by_alias=True)):
            if _follows(path, policy, floor):
                continue
            found.append(near(source.places, path, f"{asked} does not allow less than {_words(want)} here; raise it"))
        for path, least in _too_short(policy, floor):
            found.append(near(source.places, path, f"{asked} asks for at least {format_duration(least)}; lengthen it"))
    return found


def _follows(path: KeyPath, policy: Policy, floor: Floor) -> bool:
    """Say whether a rule is lacking only because what declares its kind is; that is reported by itself."""
    if path[:1] != ("redaction",) or len(path) < 3 or path[1] not in ("request", "answer"):
        return False
    direction: Direction = "request" if path[1] == "request" else "answer"
    return path[2] in declared(floor.redaction, direction) and path[2] not in getattr(policy.redaction, direction)


def _too_short(policy: Policy, floor: Floor) -> Iterator[tuple[KeyPath, timedelta]]:
    for name in AtLeast.model_fields:
        least: timedelta | None = getattr(floor.retention.at_least, name)
        if least is not None and getattr(policy.retention, name) < least:
            yield ("retention", name), least


def _differences(have: Any, want: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    if have == want:
        return
    if isinstance(have, dict) and isinstance(want, dict):
        for key in want:
            yield from _differences(have.get(key), want[key], (*path, key))
    else:
        yield path, want


def _words(value: Any) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, dict):
        return f"`{value.get('operator', 'a rule')}`"
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return f"`{value}`"
