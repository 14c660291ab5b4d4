"""Write one channel's decided text twice: clean for records, and as the reply with the caller's own values back."""

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from redaction import placeholders
from redaction.aside import NEVER
from redaction.operators import substitute
from redaction.placeholders import Minter
from redaction.rules import ANSWER, Rule, RuleBook
from redaction.targets import is_made_up, target_at
from redaction.types import Blocked, Entity, Finding, ValueHash, Vault

_KEPT_FOR_TARGETS = 4096


@dataclass(slots=True)
class Shared:
    """What the channels of one answer share."""

    vault: Vault
    book: RuleBook
    minter: Minter
    restores: Callable[[str], bool]  # whether a part of the answer gets the caller's values back
    index: dict[str, str]  # canonical placeholder -> placeholder
    allow: frozenset[str] = frozenset()
    due: float = NEVER  # when a long piece must have been looked at (monotonic seconds)
    findings: list[Finding] = field(default_factory=list)
    restored: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """An entity as the channel's source has it: where it begins there, and how it reads there and folded."""

    entity: Entity
    start: int
    source: str
    folded: str


@dataclass(slots=True)
class Writer:
    """Collects the output of one channel."""

    shared: Shared
    site: str
    restores: bool = True
    in_json: bool = False  # JSON source: what is written into strings must be escaped, and outside them quoted
    _looks_json: bool = False  # text that begins as JSON: what is written into strings must be escaped
    clean: list[str] = field(default_factory=list)
    reply: list[str] = field(default_factory=list)
    _in_string: bool = False
    _recent: str = ""
    _begun: bool = False
    _noted: int = 0  # source offset up to which findings were noted

    def take(self) -> tuple[str, str]:
        """Give and forget what was written."""
        clean, reply = "".join(self.clean), "".join(self.reply)
        self.clean, self.reply = [], []
        return clean, reply

    def text(self, text: str) -> None:
        """Write text as the model wrote it."""
        if not text:
            return
        self.clean.append(text)
        self.reply.append(text)
        if not self._begun and (start := text.lstrip()):
            self._begun = True
            self._looks_json = self.in_json or start[0] == "{"
        if self._looks_json:
            self._follow_strings(text)
        if self.shared.index:
            self._remember(text)

    def wants(self, found: Found) -> bool:
        """Say whether an entity is to be written over; notes it when it is not."""
        entity = found.entity
        if entity.kind == placeholders.KIND:
            return placeholders.canonical(found.folded) in self.shared.index or placeholders.is_exact(found.folded)
        if found.source.casefold() in self.shared.allow:
            return False
        if self.acts_on(entity):
            return True
        rule = self._rule(entity)
        self._note(found, "observe" if rule and rule.observe and entity.score >= rule.min_score else "keep")
        return False

    def acts_on(self, entity: Entity) -> bool:
        """Say whether the rules write over an entity that is no placeholder."""
        rule = self._rule(entity)
        return rule is not None and rule.operator != "keep" and not rule.observe and entity.score >= rule.min_score

    def entity(self, found: Found) -> None:
        """Write what stands for an entity: the caller's own value for a placeholder, else what its rule says."""
        entity = found.entity
        if entity.kind == placeholders.KIND:
            self._placeholder(found.source, found.folded)
            return
        rule = self._rule(entity)
        if rule is None:
            raise AssertionError("an entity without a rule was not wanted")
        self._note(found, rule.operator)
        if rule.operator == "block":
            raise Blocked(entity.kind, self.site)
        value = json_text(found.source) if self._in_string else found.source
        self.shared.vault.hmacs.append(ValueHash(entity.kind, self.shared.minter.digest(entity.kind, value)))
        mark = self._stand_in(rule, entity.kind, value)
        own = self.shared.vault.values.get(mark) if self.restores else None
        self._write(mark, mark if own is None else own)

    def _stand_in(self, rule: Rule, kind: str, value: str) -> str:
        if rule.operator != "pseudonym":
            return substitute(rule, kind, value, self.shared.minter)
        mark = self.shared.minter.placeholder(kind, value)
        if mark not in self.shared.vault.values:
            self.shared.vault.made[mark] = value
        return mark

    def _placeholder(self, source: str, folded: str) -> None:
        mark = self.shared.index.get(placeholders.canonical(folded))
        if mark is None:
            self.shared.unknown += 1
        if mark is None or not self.restores or self._made_up_target(mark):
            self.clean.append(mark or source)
            self.reply.append(mark or source)
            self._remember(mark or source)
            return
        self.shared.restored += 1
        self._write(mark, self.shared.vault.values[mark], _escape_like(source))

    def _write(self, mark: str, value: str, escape: Callable[[str], str] | None = None) -> None:
        if self._in_string or self.in_json:
            cut = slice(1, -1) if self._in_string else slice(None)
            mark = json.dumps(mark, ensure_ascii=False)[cut]
            value = json.dumps(value, ensure_ascii=False)[cut]
        elif escape is not None:
            value = escape(value)
        self.clean.append(mark)
        self.reply.append(value)
        self._remember(mark)

    def _rule(self, entity: Entity) -> Rule | None:
        return self.shared.book.rule(ANSWER, entity.kind)

    def _note(self, found: Found, action: str) -> None:
        """Note a finding, unless a better one was noted for the same characters."""
        entity, end = found.entity, found.start + len(found.source)
        if action in {"keep", "observe"} and end <= self._noted:
            return
        self._noted = max(self._noted, end)
        self.shared.findings.append(
            Finding(self.site, entity.kind, found.start, end, entity.score, entity.recognizer, action)
        )

    def _follow_strings(self, text: str) -> None:
        quotes = text.count('"') if "\\" not in text else _UNESCAPED.sub("", text).count('"')
        self._in_string ^= quotes % 2 == 1

    def _remember(self, text: str) -> None:
        """Keep the end of what was written, in which the target of a link or an image may have begun."""
        self._recent += text
        if len(self._recent) > 2 * _KEPT_FOR_TARGETS:
            self._recent = self._recent[-_KEPT_FOR_TARGETS:]

    def _made_up_target(self, mark: str) -> bool:
        """Say whether a value would become part of a link or image that the caller did not write."""
        target = target_at(self._recent, bare=not self._looks_json)
        written = target is not None and target + mark in self.shared.vault.links
        return not written and is_made_up(target, self.shared.vault.values[mark])


_UNESCAPED = re.compile(r"\\.", re.DOTALL)


def json_text(source: str) -> str:
    """Give what a piece of JSON string source says, or the source itself when it is not one."""
    try:
        return str(json.loads(f'"{source}"'))
    except ValueError:
        return source


def _escape_like(source: str) -> Callable[[str], str] | None:
    """Give the way in which a value must be written where a placeholder stood in escaped form."""
    if "%5b" in source.lower():
        return lambda value: quote(value, safe="")
    if "&#" in source or "&l" in source:
        return html.escape
    return None
