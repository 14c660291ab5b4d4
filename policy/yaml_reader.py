"""A YAML 1.2 reader for files of strangers: bounded, no aliases, no tags, and every value with its place."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from policy.files import MAX_BYTES
from policy.problems import KeyPath, Place, PolicyErrors, Pos, Source, problem

MAX_DEPTH = 32
MAX_NODES = 20_000
MAX_LINES = 20_000
MAX_LINE_CHARS = 20_000
MAX_NUMBER_CHARS = 18

_TAB_INDENT = re.compile(r"^ *\t", re.MULTILINE)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_OTHER_INT = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been read yet."""

    path: KeyPath
    value: dict[str, Any] | list[Any]
    key: str | None = None
    key_pos: Pos | None = None


@dataclass(slots=True)
class _Builder:
    """Build plain values from parser events without recursion, refusing what the format does not need."""

    file: str
    root: Any = None
    places: dict[KeyPath, Place] = field(default_factory=dict)
    stack: list[_Open] = field(default_factory=list)
    nodes: int = 0
    documents: int = 0

    def take(self, event: Event) -> None:
        pos = self._pos(event)
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            self._refuse(pos, "anchors and aliases are not allowed; write the value again")
        if isinstance(event, DocumentStartEvent):
            self._document(event, pos)
        elif isinstance(event, ScalarEvent):
            self._scalar(event, pos)
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            self._start(event, pos)
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            self.stack.pop()

    def _document(self, event: DocumentStartEvent, pos: Pos) -> None:
        self.documents += 1
        if event.version or event.tags:
            self._refuse(pos, "`%` directives are not allowed; remove the line")
        if self.documents > 1:
            self._refuse(pos, "one file holds one document; move what follows `---` to its own file")

    def _scalar(self, event: ScalarEvent, pos: Pos) -> None:
        self._no_tag(event, pos)
        if _SURROGATE.search(event.value):
            self._refuse(pos, "half of a surrogate pair is no character; remove the escape")
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._key(top, str(event.value), pos)
            return
        plain = event.style is None
        self._add(self._resolve(event.value, pos) if plain else event.value, pos)

    def _key(self, top: _Open, key: str, pos: Pos) -> None:
        if key in top.value:
            first = self.places[(*top.path, key)].key
            self._refuse(pos, f"`{key[:80]}` was already given in line {first.line}; keep one of them")
        top.key, top.key_pos = key, pos

    def _start(self, event: MappingStartEvent | SequenceStartEvent, pos: Pos) -> None:
        self._no_tag(event, pos)
        if len(self.stack) >= MAX_DEPTH:
            self._refuse(pos, f"nested deeper than {MAX_DEPTH} levels; flatten it")
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._refuse(pos, "a key must be plain text; write it without brackets")
        value: dict[str, Any] | list[Any] = {} if isinstance(event, MappingStartEvent) else []
        self.stack.append(_Open(self._add(value, pos), value))

    def _add(self, value: Any, pos: Pos) -> KeyPath:
        """Put a value into the collection that is open, and give its path."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self._refuse(pos, f"more than {MAX_NODES} values; split the file")
        if not self.stack:
            self.root = value
            self.places[()] = Place(pos, pos)
            return ()
        top = self.stack[-1]
        if isinstance(top.value, list):
            path: KeyPath = (*top.path, len(top.value))
            top.value.append(value)
            self.places[path] = Place(pos, pos)
            return path
        assert top.key is not None
        assert top.key_pos is not None
        path = (*top.path, top.key)
        top.value[top.key] = value
        self.places[path] = Place(top.key_pos, pos)
        top.key = None
        return path

    def _resolve(self, text: str, pos: Pos) -> bool | int | float | str | None:
        """Read a plain scalar by the core schema of YAML 1.2: `no`, `0777` and `12:30:45` are what they look like."""
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text):
            return int(text)
        if _OTHER_INT.fullmatch(text):
            return int(text[2:], 8 if text[1] == "o" else 16)
        if text.lstrip("+-").lower() in (".inf", ".nan"):
            self._refuse(pos, "infinite numbers are not allowed; write a number")
        if not _FLOAT.fullmatch(text):
            return text
        if len(text) > MAX_NUMBER_CHARS or not math.isfinite(float(text)):
            self._refuse(pos, "this number is too large; write a smaller one, or put text in quotes")
        return float(text)

    def _no_tag(self, event: Any, pos: Pos) -> None:
        if event.tag is not None:
            self._refuse(pos, "tags (`!name`) are not allowed; remove it")

    def _pos(self, event: Event) -> Pos:
        mark = event.start_mark
        return Pos(self.file, mark.line + 1, mark.column + 1)

    def _refuse(self, pos: Pos, message: str) -> None:
        path: KeyPath = ()
        if self.stack:
            top = self.stack[-1]
            path = top.path if top.key is None else (*top.path, top.key)
        raise PolicyErrors([problem(pos, path, message)])


def read_yaml(file: str, raw: bytes) -> Source:
    """Read one file's bytes; `PolicyErrors` says where and what to do."""
    text = _decode(file, raw)
    builder = _Builder(file)
    try:
        for event in _events(text):
            builder.take(event)
    except YAMLError as error:
        raise PolicyErrors([problem(_mark(file, text, error), _open_path(builder), _reason(error))]) from error
    except (ValueError, OverflowError, IndexError, AttributeError) as error:
        # The parser's own slips on malformed escapes; the file is refused like any other malformed file.
        pos = Pos(file, 1, 1)
        raise PolicyErrors([problem(pos, (), "this is not valid YAML; check quotes, escapes and brackets")]) from error
    if not isinstance(builder.root, dict):
        reason = "the file must be a mapping of keys to values, such as `schema: 1`"
        raise PolicyErrors([problem(Pos(file, 1, 1), (), "the file is empty" if builder.root is None else reason)])
    return Source(file, builder.root, builder.places)


def _events(text: str) -> Iterator[Event]:
    # The pure parser: the C one takes the process down on deep nesting.
    yield from YAML(typ="safe", pure=True).parse(text)


def _decode(file: str, raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise PolicyErrors([problem(Pos(file, 1, 1), (), f"larger than {MAX_BYTES} bytes; split the file")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        raise PolicyErrors(
            [problem(_at(file, before, len(before)), (), "not UTF-8 text; save the file as UTF-8")]
        ) from error
    _bounded_lines(file, text)
    if tab := _TAB_INDENT.search(text):
        pos = _at(file, text, tab.end() - 1)
        raise PolicyErrors([problem(pos, (), "a tab indents this line; use spaces")])
    return text


def _bounded_lines(file: str, text: str) -> None:
    """Refuse what would cost the parser quadratic time, before it starts."""
    lines = text.split("\n")
    if len(lines) > MAX_LINES:
        raise PolicyErrors([problem(Pos(file, MAX_LINES, 1), (), f"more than {MAX_LINES} lines; split the file")])
    number = next((n for n, line in enumerate(lines, 1) if len(line) > MAX_LINE_CHARS), None)
    if number is not None:
        pos = Pos(file, number, MAX_LINE_CHARS)
        raise PolicyErrors([problem(pos, (), f"this line is longer than {MAX_LINE_CHARS} characters; break it up")])


def _at(file: str, text: str, index: int) -> Pos:
    before = text[:index]
    return Pos(file, before.count("\n") + 1, index - before.rfind("\n"))


def _mark(file: str, text: str, error: YAMLError) -> Pos:
    if isinstance(error, MarkedYAMLError):
        mark: StringMark | None = error.problem_mark or error.context_mark
        return Pos(file, mark.line + 1, mark.column + 1) if mark else Pos(file, 1, 1)
    return _at(file, text, getattr(error, "position", 0))


def _reason(error: YAMLError) -> str:
    detail = getattr(error, "problem", None) or getattr(error, "reason", None) or "malformed"
    return f"this is not valid YAML: {str(detail)[:200]}; complete or correct the line"


def _open_path(builder: _Builder) -> KeyPath:
    return builder.stack[-1].path if builder.stack else ()
