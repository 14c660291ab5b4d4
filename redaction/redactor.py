"""The redactor: rewrites requests before they leave and screens answers before they are shown."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from policy.blocks_redaction import Redaction
from policy.rules import SITES
from redaction import placeholders
from redaction.ahead import Hinted, ShortTexts
from redaction.answers import answer_engine
from redaction.aside import Aside, is_long, within
from redaction.clearing import Clearing
from redaction.custom import own_recognizers
from redaction.detect import Detector
from redaction.find import Finder
from redaction.named import Collector, NameFinder
from redaction.placeholders import Minter
from redaction.recognizers.catalogue import BUILT_IN, OPTIONAL
from redaction.rules import ANSWER, REQUEST, RuleBook
from redaction.screen import Screen
from redaction.types import Blocked, Clean, Cleared, Entity, Vault
from redaction.walk import Walk
from redaction.windows import WHOLE_CHARS, AnswerNames
from redaction.writer import Shared

_NOTHING: Mapping[str, str] = MappingProxyType({})
_JSON_FORMATS = frozenset({"json_object", "json_schema"})


class Redactor:
    """Compiled once per redaction block and tenant key; immutable and shared by calls."""

    def __init__(self, rules: Redaction, tenant_key: bytes, detector: Detector | None = None) -> None:
        self._block = rules
        self._book = RuleBook(rules)
        self._minter = Minter(tenant_key)
        self._allow = frozenset(value.casefold() for value in rules.allow)
        optional = (r for r in OPTIONAL if any(self._book.rule(site, r.kind) for site in (REQUEST, ANSWER, *SITES)))
        recognizers = (*own_recognizers(rules), *optional, *BUILT_IN)
        self._finder = Finder(recognizers, tenant_key)
        self._answers = answer_engine(tuple(r for r in recognizers if self._acts_on(r.kind)))
        self._aside = Aside()
        self._names = self._answer_names = None
        if detector is not None and (rules.names != "off" or rules.presidio):
            self._names = NameFinder(detector, rules, rules.names, tenant_key)
        if detector is not None and rules.answer_names != "off":
            self._answer_names = NameFinder(detector, rules, rules.answer_names, tenant_key)

    async def clear(self, body: dict[str, Any], endpoint: str, stored: Mapping[str, str] = _NOTHING) -> Cleared:
        """Rewrite every string of a request as the policy says.

        `stored` holds placeholders and values of the conversation that the request goes on with; they are restored too.
        Raises Blocked when a rule refuses a value, RedactionFailed when something cannot be looked at.
        """
        if is_long(body):
            named = await self._names.find(await self._aside.run(lambda: _texts(body))) if self._names else {}
            limit_s = self._block.timeout_ms / 1000
            finder = self._finder.until(limit_s)
            clearing, cleared = await self._aside.run(
                lambda: within(limit_s, lambda: self._passes(finder.ahead(_short(body)), body, stored, named))
            )
        else:
            named = await self._names.find(_texts(body)) if self._names else {}
            clearing, cleared = self._passes(self._finder, body, stored, named)
        clearing.vault.values.update(stored)
        clearing.vault.json_mode = _asks_for_json(body)
        return Cleared(cleared, tuple(clearing.findings), clearing.vault, clearing.chars, tuple(clearing.media_parts))

    async def clear_text(self, text: str, site: str = "user") -> Cleared:
        """Rewrite one text, read as it stands, not as JSON; `body` is `{"text": ...}`.

        Raises as `clear` does.
        """
        named = {} if self._names is None else await self._names.find([text])
        clearing = Clearing(self._finder, self._book, self._minter, named=named)
        new = clearing.text(text, site, "")
        if clearing.literals & set(clearing.vault.values):
            clearing = Clearing(self._finder, self._book, self._minter, frozenset(clearing.literals), named)
            new = clearing.text(text, site, "")
        return Cleared({"text": new}, tuple(clearing.findings), clearing.vault, len(text))

    def screen(self, vault: Vault, endpoint: str, *, again: bool = False) -> Screen:
        """Give the screen for the answer to the request that filled `vault`; one per call.

        `again` says that the answer was screened before: names are not looked for in it once more.
        """
        index = {placeholders.canonical(mark): mark for mark in vault.values}
        shared = Shared(vault, self._book, self._minter, self._restores, index, self._allow)
        names = None
        if self._answer_names is not None and not again:
            names = AnswerNames(self._answer_names, self._block.window_chars or WHOLE_CHARS)
        return Screen(self._answers, shared, names, self._aside, self._block.timeout_ms / 1000)

    def clear_label(self, text: str) -> Clean:
        """Rewrite a label, model name or run id; a value that a rule would block is replaced by its kind."""
        try:
            return Clean(Clearing(self._finder, self._book, self._minter).text(text, "metadata", ""))
        except Blocked as blocked:
            return Clean(f"<{blocked.kind}>")

    def _restores(self, part: str) -> bool:
        """Say whether a part of an answer gets the caller's values back."""
        return (getattr(self._block.restore_at, part) or self._block.restore) == "caller"

    def _acts_on(self, kind: str) -> bool:
        rule = self._book.rule(ANSWER, kind)
        return rule is not None and rule.operator != "keep"

    def _passes(
        self, finder: Finder, body: dict[str, Any], stored: Mapping[str, str], named: Mapping[str, tuple[Entity, ...]]
    ) -> tuple[Clearing, dict[str, Any]]:
        """Rewrite a request, and once more where the caller wrote what would be a placeholder of ours."""
        clearing = Clearing(finder, self._book, self._minter, frozenset(), named)
        cleared = Walk(clearing).request(body)
        if clearing.literals & set(clearing.vault.values) - set(stored):
            clearing = Clearing(finder, self._book, self._minter, frozenset(clearing.literals - set(stored)), named)
            cleared = Walk(clearing).request(body)
        return clearing, cleared


def _texts(body: dict[str, Any]) -> list[str]:
    """Give the texts of a request in which names may stand."""
    collector = Collector()
    Walk(collector).request(body)
    return list(collector.texts)


def _short(body: dict[str, Any]) -> Iterable[Hinted]:
    """Give the short texts of a request, with the names of their fields."""
    collector = ShortTexts()
    Walk(collector).request(body)
    return collector.short


def _asks_for_json(body: dict[str, Any]) -> bool:
    wanted = body.get("response_format") or body.get("text")
    kind = None
    while kind is None and isinstance(wanted, dict):
        kind, wanted = wanted.get("type"), wanted.get("format")
    return isinstance(kind, str) and kind in _JSON_FORMATS
