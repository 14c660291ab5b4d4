"""Conditions in policy files: small CEL expressions, checked when a policy is loaded and cheap to evaluate."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from policy.cel_engine import CEL, Program

MAX_CHARS = 2000
MAX_DEPTH = 16

_STRING = re.compile(r"""[rRbB]{0,2}('''.*?'''|\"\"\".*?\"\"\"|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", re.DOTALL)
_MACRO = re.compile(r"\.(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")
_MEMBER = re.compile(r"\b([A-Za-z_]\w*)\s*\.\s*([A-Za-z_]\w*)\b(?!\s*\()")
_FAILURES = (TypeError, ValueError, KeyError, RuntimeError, OverflowError, ZeroDivisionError)
_FUNCTIONS = frozenset({
    "abs", "all", "bool", "contains", "double", "duration", "endsWith", "exists", "exists_one", "filter", "has", "int",
    "map", "matches", "max", "min", "size", "startsWith", "string", "timestamp", "uint",
})  # fmt: skip


class ConditionError(ValueError):
    """An expression that a policy must not contain; the text says what to do."""


class Undecided(Exception):
    """A condition could not be evaluated for this call, for example because a label is missing."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a condition may speak about: variables with an example of every member.

    `open_maps` are variables whose members are not known beforehand, such as labels and tool arguments.
    """

    examples: Mapping[str, Any]
    open_maps: frozenset[str] = frozenset()
    result: type = bool


_REQUEST = MappingProxyType({
    "model": "gpt-5", "endpoint": "chat.completions", "stream": True, "input_tokens": 1000, "max_output_tokens": 500,
    "has_images": False, "has_audio": False, "has_tools": True, "json_schema": False, "messages": 3,
})  # fmt: skip
_FACTS = MappingProxyType({"tenant": "t", "team": "t", "automation": "a", "environment": "e", "data_class": "d"})

ROUTING = Vocabulary({"request": _REQUEST, "facts": _FACTS})
TOOLS = Vocabulary({"tool": "issue_refund", "arguments": {}, "facts": _FACTS}, frozenset({"arguments"}))
ANSWER = Vocabulary({"answer": {}, "text": "", "request": _REQUEST}, frozenset({"answer"}))
SCORE = Vocabulary(ANSWER.examples, ANSWER.open_maps, float)


def mentioned(sources: Iterable[str], name: str) -> frozenset[str]:
    """List the members of a variable that conditions speak of; all of them where it is used in another way.

    Handing a value over costs as much as a small condition.
    """
    members: set[str] = set()
    for source in sources:
        bare = _STRING.sub("''", source)
        named = [member for each, member in _MEMBER.findall(bare) if each == name]
        if len(named) != len(re.findall(rf"\b{name}\b", bare)):
            return frozenset(ROUTING.examples[name])
        members.update(named)
    return frozenset(members)


class Values:
    """The variables of one call, converted once and used by all its conditions."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        """Convert the variables; `Undecided` when a value has no counterpart in CEL, such as a huge number."""
        try:
            self._context = CEL.Context({name: _plain(value) for name, value in variables.items()})
        except _FAILURES as error:
            raise Undecided(type(error).__name__) from error

    def run(self, program: Program) -> Any:
        """Evaluate a program over these variables."""
        return program.execute(self._context)


class Condition:
    """One compiled expression."""

    def __init__(self, source: str, vocabulary: Vocabulary) -> None:
        """Compile and check an expression; `ConditionError` says what is wrong with it."""
        self.source = source
        _bounded(source)
        try:
            self._program = CEL.compile(source)
        except (*_FAILURES, UnicodeError) as error:
            raise ConditionError(f"this is not a CEL expression: {_short(error)}") from error
        self._result = vocabulary.result
        _known_names(source, self._program, vocabulary)
        self._try_out(vocabulary)

    def holds(self, values: Values) -> bool:
        """Say whether the condition is met; `Undecided` when it cannot be evaluated."""
        return bool(self.value(values))

    def value(self, values: Values) -> bool | float:
        """Give what the expression evaluates to; `Undecided` when it cannot be evaluated."""
        try:
            found = values.run(self._program)
        except _FAILURES as error:
            raise Undecided(type(error).__name__) from error
        if self._result is bool and isinstance(found, bool):
            return found
        if self._result is float and isinstance(found, (int, float)) and not isinstance(found, bool):
            return float(found)
        raise Undecided("the expression gave another type than declared")

    def _try_out(self, vocabulary: Vocabulary) -> None:
        """Evaluate over examples, so that a wrong type is found when the policy is loaded."""
        try:
            found = Values(vocabulary.examples).run(self._program)
        except TypeError as error:
            raise ConditionError(f"the types do not fit: {_short(error)}") from error
        except _FAILURES as error:
            if vocabulary.open_maps & set(self._program.variables()):
                return
            raise ConditionError(f"this cannot be evaluated: {_short(error)}") from error
        fits = isinstance(found, bool) if self._result is bool else type(found) in (int, float)
        if not fits:
            wanted = "true or false" if self._result is bool else "a number"
            raise ConditionError(f"this gives {type(found).__name__}; it must give {wanted}")


@lru_cache(maxsize=4096)
def _compiled(source: str, name: str) -> Condition:
    return Condition(source, VOCABULARIES[name])


VOCABULARIES: Mapping[str, Vocabulary] = MappingProxyType(
    {"routing": ROUTING, "tools": TOOLS, "answer": ANSWER, "score": SCORE}
)


def condition(source: str, vocabulary: str) -> Condition:
    """Give the compiled condition; equal expressions are compiled once."""
    return _compiled(source, vocabulary)


def _bounded(source: str) -> None:
    if len(source) > MAX_CHARS:
        raise ConditionError(f"longer than {MAX_CHARS} characters; split the rule")
    bare = _STRING.sub("''", source)
    depth = deepest = 0
    for character in bare:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    operators = max((len(run) for run in re.findall(r"[!\-]+", re.sub(r"\s", "", bare))), default=0)
    if max(deepest, operators) > MAX_DEPTH or bare.count("?") > MAX_DEPTH:
        raise ConditionError(f"nested deeper than {MAX_DEPTH} levels; split the rule")
    _no_nested_macro(bare)


def _no_nested_macro(bare: str) -> None:
    """Refuse a loop inside a loop: its cost grows with the square of what a caller sends."""
    for found in _MACRO.finditer(bare):
        depth, end = 1, found.end()
        while end < len(bare) and depth:
            depth += (bare[end] == "(") - (bare[end] == ")")
            end += 1
        if _MACRO.search(bare, found.end(), end):
            raise ConditionError("a loop inside a loop may cost too much; write it as two rules")


def _known_names(source: str, program: Program, vocabulary: Vocabulary) -> None:
    bare = _STRING.sub("''", source)
    bound = set(_MACRO.findall(bare))
    unknown = sorted(set(program.variables()) - set(vocabulary.examples) - bound)
    if unknown:
        raise ConditionError(f"`{unknown[0][:80]}` is unknown here; use {', '.join(sorted(vocabulary.examples))}")
    strange = sorted(name for name in program.functions() if name.isidentifier() and name not in _FUNCTIONS)
    if strange:
        raise ConditionError(f"`{strange[0][:80]}()` is no function of these conditions; remove it")
    for name, member in _MEMBER.findall(bare):
        members = vocabulary.examples.get(name)
        if not isinstance(members, Mapping) or name in vocabulary.open_maps | bound:
            continue
        if member not in members:
            raise ConditionError(f"`{name}.{member}` is unknown; use one of {', '.join(sorted(members))}")


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, MappingProxyType) else value


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
