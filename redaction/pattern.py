"""Take a regular expression apart: how wide its matches are, and which texts are the beginning of a match.

The beginning of a match is what a stream must hold back. Deriving it from the pattern itself means that no recognizer,
built in or written by a user, can be forgotten in streams.
"""

import importlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from redaction.linear import PatternError

# The standard library's own parser of patterns; it has no public name.
_parser: Any = importlib.import_module("re._parser")
_UNBOUNDED = 64
MAX_WIDTH = 62  # one match and the character after it fit into what a stream may hold


_ASCII = frozenset(range(128))
_CATEGORIES = {
    name: frozenset(code for code in _ASCII if re.match(escape, chr(code)))
    for name, escape in {
        "CATEGORY_DIGIT": r"\d",
        "CATEGORY_WORD": r"\w",
        "CATEGORY_SPACE": r"\s",
        "CATEGORY_NOT_DIGIT": r"\D",
        "CATEGORY_NOT_WORD": r"\W",
        "CATEGORY_NOT_SPACE": r"\S",
    }.items()
}


@dataclass(frozen=True, slots=True)
class Parts:
    """A pattern's least and greatest match width, and the pattern of its beginnings."""

    least: int
    most: int
    begins: str


@lru_cache(maxsize=512)
def _parse(pattern: str) -> Any:
    return _parser.parse(pattern)


def forget() -> None:
    """Forget parsed patterns: they are asked for many times while engines are compiled, and take 2 MB after that."""
    _parse.cache_clear()


def analyse(pattern: str, ignore_case: bool = False) -> Parts:
    """Take `pattern` apart; raises PatternError for what a linear-time engine or a stream cannot do."""
    try:
        tree = _parse(pattern)
        least, most = tree.getwidth()
        begins = _begins(list(tree))
    except (_parser.error, RecursionError) as error:
        raise PatternError(f"the pattern cannot be read: {error}") from error
    return Parts(least, min(most, 1_000_000), f"{'(?i)' if ignore_case else ''}{begins}")


def lead_of(pattern: str) -> str:
    """Give the part of a pattern that leads to its group 1, made lazy: it ends where the value can first begin."""
    items = list(_parse(pattern))
    place = next((n for n, item in enumerate(items) if str(item[0]) == "SUBPATTERN" and item[1][0] == 1), None)
    if place is None:
        raise PatternError("the pattern's group 1 must not stand inside another group")
    return _write_all(_lazy(items[:place]))


def characters(pattern: str) -> frozenset[int]:
    """Give the codes of the ASCII characters that can stand in a match."""
    return frozenset(_codes(_parse(pattern)))


def needs_one_of(pattern: str, codes: frozenset[int]) -> bool:
    """Say whether every match of a pattern holds one of these characters."""
    return _needs(_parse(pattern), codes)


def width(pattern: str) -> int:
    """Give the most characters that a match of a pattern has; a pattern may use what a linear-time engine has not."""
    most: int = _parse(pattern).getwidth()[1]
    return most


def _needs(items: Iterable[Any], codes: frozenset[int]) -> bool:
    return any(_item_needs(str(item[0]), item[1], codes) for item in items)


def _item_needs(name: str, arg: Any, codes: frozenset[int]) -> bool:
    if name == "LITERAL":
        return arg in codes
    if name == "IN":
        return codes.issuperset(_class_codes(arg))
    if name in {"MAX_REPEAT", "MIN_REPEAT"}:
        return arg[0] > 0 and _needs(arg[2], codes)
    if name == "SUBPATTERN":
        return _needs(arg[3], codes)
    return name == "BRANCH" and all(_needs(branch, codes) for branch in arg[1])


def _codes(items: Iterable[Any]) -> Iterator[int]:
    for item in items:
        name, arg = str(item[0]), item[1]
        if name == "LITERAL":
            yield arg
        elif name == "IN":
            yield from _class_codes(arg)
        elif name in {"NOT_LITERAL", "ANY"}:
            yield from _ASCII
        elif name in {"MAX_REPEAT", "MIN_REPEAT"}:
            yield from _codes(arg[2])
        elif name == "SUBPATTERN":
            yield from _codes(arg[3])
        elif name == "BRANCH":
            for branch in arg[1]:
                yield from _codes(branch)


def _member_codes(name: str, arg: Any) -> frozenset[int]:
    if name == "LITERAL":
        return frozenset((arg,))
    return frozenset(range(arg[0], arg[1] + 1)) if name == "RANGE" else _CATEGORIES[str(arg)]


def _class_codes(members: list[Any]) -> Iterator[int]:
    negated = str(members[0][0]) == "NEGATE"
    inside: set[int] = set()
    for kind, arg in members[1:] if negated else members:
        inside |= _member_codes(str(kind), arg)
    yield from _ASCII - inside if negated else inside


def _begins(items: list[Any]) -> str:
    """Write the pattern of all beginnings of a sequence, the empty and the whole one included."""
    rest = ""
    for item in reversed(items):
        rest = _begin_one(item, rest, leading=item is items[0])
    return rest


def _begin_one(item: Any, rest: str, leading: bool) -> str:
    name, arg = str(item[0]), item[1]
    if name == "AT":
        return f"{_write(item)}{rest}" if leading else rest
    if _is_single(name):
        return f"(?:{_write(item)}{rest})?"
    if name in {"MAX_REPEAT", "MIN_REPEAT"}:
        return _begin_repeat(arg, item, rest)
    if name == "SUBPATTERN":
        inner = _scoped(arg, _begins(list(arg[3])))
    elif name == "BRANCH":
        inner = f"(?:{'|'.join(_begins(list(branch)) for branch in arg[1])})"
    else:
        raise PatternError(f"the pattern uses {name.lower()}, which a linear-time engine does not have")
    return f"(?:{_write(item)}{rest}|{inner})" if rest else inner


def _begin_repeat(arg: Any, item: Any, rest: str) -> str:
    least, most, body = int(arg[0]), min(int(arg[1]), _UNBOUNDED), list(arg[2])
    if len(body) == 1 and _is_single(str(body[0][0])):
        inner = f"{_write(body[0])}{{0,{most}}}"
    else:
        inner = f"(?:{_write_all(body)}){{0,{max(most - 1, 0)}}}{_begins(body)}"
    return f"(?:{_write_all(body, group=True)}{{{least},{most}}}{rest}|{inner})" if rest else f"(?:{inner})"


def _is_single(name: str) -> bool:
    return name in {"LITERAL", "NOT_LITERAL", "IN", "ANY"}


def _write_all(items: Iterable[Any], group: bool = False) -> str:
    text = "".join(map(_write, items))
    return f"(?:{text})" if group else text


def _write(item: Any) -> str:
    name, arg = str(item[0]), item[1]
    writers: dict[str, Callable[[], str]] = {
        "LITERAL": lambda: _char(arg),
        "NOT_LITERAL": lambda: f"[^{_char(arg)}]",
        "ANY": lambda: "[^\\n]",
        "IN": lambda: _write_class(arg),
        "BRANCH": lambda: f"(?:{'|'.join(_write_all(branch) for branch in arg[1])})",
        "SUBPATTERN": lambda: _scoped(arg, _write_all(arg[3])),
        "MAX_REPEAT": lambda: f"{_write_all(arg[2], group=True)}{{{int(arg[0])},{min(int(arg[1]), _UNBOUNDED)}}}",
        "MIN_REPEAT": lambda: f"{_write_all(arg[2], group=True)}{{{int(arg[0])},{min(int(arg[1]), _UNBOUNDED)}}}?",
        "AT": lambda: _write_place(str(arg)),
    }
    if name not in writers:
        raise PatternError(f"the pattern uses {name.lower()}, which a linear-time engine does not have")
    return writers[name]()


def _lazy(items: Iterable[Any]) -> list[tuple[str, Any]]:
    """Let every repeat take as little as it can."""
    out: list[tuple[str, Any]] = []
    for item in items:
        name, arg = str(item[0]), item[1]
        if name == "MAX_REPEAT":
            out.append(("MIN_REPEAT", (arg[0], arg[1], _lazy(arg[2]))))
        elif name == "SUBPATTERN":
            out.append((name, (*arg[:3], _lazy(arg[3]))))
        elif name == "BRANCH":
            out.append((name, (arg[0], [_lazy(branch) for branch in arg[1]])))
        else:
            out.append((name, arg))
    return out


def _scoped(arg: Any, inner: str) -> str:
    return f"(?i:{inner})" if arg[1] & 2 else f"(?:{inner})"


def _write_place(place: str) -> str:
    if place == "AT_BOUNDARY":
        return r"\b"
    raise PatternError("the pattern may use \\b, but no other anchor: it runs on pieces of text")


def _write_class(members: Iterable[Any]) -> str:
    return f"[{''.join(_members(members))}]"


def _members(members: Iterable[Any]) -> Iterator[str]:
    for kind, arg in members:
        name = str(kind)
        if name == "NEGATE":
            yield "^"
        elif name == "LITERAL":
            yield _char(arg)
        elif name == "RANGE":
            yield f"{_char(arg[0])}-{_char(arg[1])}"
        else:
            yield {
                "CATEGORY_DIGIT": r"\d",
                "CATEGORY_WORD": r"\w",
                "CATEGORY_SPACE": r"\s",
                "CATEGORY_NOT_DIGIT": r"\D",
                "CATEGORY_NOT_WORD": r"\W",
                "CATEGORY_NOT_SPACE": r"\S",
            }[str(arg)]


def _char(code: int) -> str:
    char = chr(code)
    return char if char.isalnum() and code < 128 else f"\\x{code:02x}" if code < 128 else f"\\x{{{code:x}}}"
