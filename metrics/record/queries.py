"""The named questions: SQL files with typed, bound parameters; the tenant is bound from the token, never given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from metrics.record.refusals import QueryError

_FOLDER = Path(__file__).parent / "queries"
_HEAD = re.compile(r"^-- (question|param): *(.+)$", re.MULTILINE)
_PARAM = re.compile(r"(?P<name>\w+) (?P<type>int|text)(?P<needed>!?)(?: = (?P<default>.+))?")
_MAX = 2**63


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value that a question takes; null when it has no default and is not given."""

    name: str
    type: str
    needed: bool
    default: int | str | None

    def check(self, value: object) -> int | str | None:
        """Return the value if it fits."""
        if value is None:
            if self.needed:
                raise QueryError(f"{self.name} is missing")
            return self.default
        if self.type == "int" and isinstance(value, int) and not isinstance(value, bool) and -_MAX <= value < _MAX:
            return value
        if self.type == "text" and isinstance(value, str):
            return value
        raise QueryError(f"{self.name} must be {'a whole number' if self.type == 'int' else 'a text'}")


class Prepared(NamedTuple):
    """One statement and the values bound to it."""

    sql: str
    values: dict[str, object]


class Question(Protocol):
    """What can be asked by name."""

    @property
    def name(self) -> str: ...
    @property
    def question(self) -> str: ...
    @property
    def parameters(self) -> Mapping[str, Parameter]: ...

    def prepare(self, tenant: str, given: Mapping[str, Any]) -> Prepared:
        """Check the given values, bind the tenant. Raises `QueryError` with a sentence."""
        ...


@dataclass(frozen=True, slots=True)
class Query:
    """A question whose SQL is a file."""

    name: str
    question: str
    sql: str
    parameters: Mapping[str, Parameter]

    def prepare(self, tenant: str, given: Mapping[str, Any]) -> Prepared:
        """Check the given values and add the tenant. Raises `QueryError` with a sentence."""
        return Prepared(self.sql, {"tenant": tenant} | check(self.name, self.parameters, given))


def check(name: str, parameters: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every parameter's value, given or not. Raises `QueryError` with a sentence."""
    unknown = sorted(set(given) - set(parameters))
    if unknown:
        raise QueryError(f"{name} does not take {', '.join(unknown)}; it takes {', '.join(parameters)}")
    return {key: parameter.check(given.get(key)) for key, parameter in parameters.items()}


def load_queries(folder: Path = _FOLDER) -> dict[str, Query]:
    """Read the shipped questions."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.sql"))}


def _read(path: Path) -> Query:
    text = path.read_text()
    heads = _HEAD.findall(text)
    question = next(value for key, value in heads if key == "question")
    parameters = [_parameter(value) for key, value in heads if key == "param"]
    return Query(path.stem, question, text, {parameter.name: parameter for parameter in parameters})


def _parameter(text: str) -> Parameter:
    found = _PARAM.fullmatch(text)
    if not found:
        raise ValueError(f"not a parameter: {text}")
    default = found["default"]
    typed = int(default) if default and found["type"] == "int" else default
    return Parameter(found["name"], found["type"], bool(found["needed"]), typed)
