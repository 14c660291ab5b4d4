"""What is wrong with a policy tree: one sentence per problem, with the place and what to do."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError

from policy.values import Contradiction

KeyPath = tuple[str | int, ...]


class Pos(NamedTuple):
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int


class Place(NamedTuple):
    """Where one entry of a file stands: its key, and its value."""

    key: Pos
    value: Pos


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: "
        return f"{where}{self.path}: {self.message}" if self.path else f"{where}{self.message}"


@dataclass(slots=True)
class Source:
    """One file as plain values, and where each of them stands."""

    file: str
    data: dict[str, Any]
    places: dict[KeyPath, Place]


class PolicyErrors(Exception):
    """A policy tree that cannot be used; `problems` lists every reason."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


def problem(pos: Pos, path: KeyPath, message: str) -> Problem:
    """Make a problem at a place."""
    return Problem(pos.file, pos.line, pos.column, dotted(path), message)


def near(places: Mapping[KeyPath, Place], path: KeyPath, message: str) -> Problem:
    """Make a problem at an entry, or at the nearest block around it that the file has."""
    shown = path
    while shown not in places:
        shown = shown[:-1]
    return problem(places[shown].value if shown else places[()].key, path, message)


def dotted(path: KeyPath) -> str:
    """Write a path as people do: `tighten[0].redaction.names`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


_SENTENCES = {
    "missing": "this key is required; add it",
    "string_type": "this must be text; put it in quotes",
    "bool_type": "this must be true or false",
    "int_type": "this must be a whole number",
    "float_type": "this must be a number",
    "tuple_type": "this must be a list",
    "dict_type": "this must be a mapping of keys to values",
    "model_type": "this must be a mapping of keys to values",
    "model_attributes_type": "this must be a mapping of keys to values",
    "too_short": "this must not be empty; fill it or remove the key",
    "string_too_short": "this must not be empty; fill it or remove the key",
}


def from_validation(error: ValidationError, places: Mapping[KeyPath, Place], names: Iterable[str]) -> list[Problem]:
    """Turn pydantic's errors into problems; `names` are the keys of the format, for suggestions."""
    found: dict[tuple[KeyPath, Pos], list[str]] = {}
    known = sorted(set(names))
    errors = error.errors(include_url=False, include_context=True)
    for each in errors:
        if each["type"] == "too_short" and any(_within(other["loc"], each["loc"]) for other in errors):
            continue  # entries that are wrong in themselves were not counted
        cause = each.get("ctx", {}).get("error")
        if isinstance(cause, Contradiction):
            path, pos = _conflicting([(*each["loc"], *path) for path in cause.paths], places)
        else:
            path, pos = _locate(each["type"], each["loc"], places)
        sentence = _sentence(each, path, known)
        messages = found.setdefault((path, pos), [])
        if sentence not in messages:
            messages.append(sentence)
    return [problem(pos, path, " (or: ".join(m) + ")" * (len(m) - 1)) for (path, pos), m in found.items()]


def _conflicting(locs: Iterable[KeyPath], places: Mapping[KeyPath, Place]) -> tuple[KeyPath, Pos]:
    """Give the longest written key that this file itself says; what comes from the defaults suits other files."""
    own = places[()].key.file
    followed = [_follow(loc, places) for loc in locs]
    paths = [path[:length] for path in followed for length in range(len(path) + 1)]
    path = max((path for path in paths if places[path].key.file == own), key=len)
    return path, places[path].key


def _within(loc: KeyPath, outer: KeyPath) -> bool:
    return len(loc) > len(outer) and loc[: len(outer)] == outer


def _locate(kind: str, loc: KeyPath, places: Mapping[KeyPath, Place]) -> tuple[KeyPath, Pos]:
    path = _follow(loc, places)
    place = places[path]
    if kind == "missing":
        return (*path, loc[-1]), place.key
    return path, place.key if kind == "extra_forbidden" or loc[-1:] == ("[key]",) else place.value


def _follow(loc: KeyPath, places: Mapping[KeyPath, Place]) -> KeyPath:
    """Follow a pydantic location through the file; names of union members stand in no file and are skipped."""
    path: KeyPath = ()
    for part in loc:
        if (*path, part) in places:
            path = (*path, part)
    return path


def _sentence(error: Any, path: KeyPath, known: list[str]) -> str:
    kind: str = error["type"]
    if kind == "extra_forbidden":
        others = [name for name in known if name != path[-1]]  # it is a key of another block
        close = difflib.get_close_matches(str(path[-1]), others, 1, 0.75)
        return f"unknown key; did you mean `{close[0]}`?" if close else "unknown key; remove it"
    if kind == "literal_error":
        return f"this must be {error['ctx']['expected']}"
    if kind == "union_tag_invalid":
        return f"this must be one of {error['ctx']['expected_tags']}"
    if kind == "string_pattern_mismatch":
        return f"this is not written as expected; it must match {error['ctx']['pattern']}"
    message: str = error["msg"]
    return _SENTENCES.get(kind, message.removeprefix("Value error, "))
