"""The redactor: rewrites requests before they leave and screens answers before they are shown."""

from typing import Any

from policy.blocks_redaction import Redaction
from redaction import placeholders
from redaction.answers import answer_engine
from redaction.clearing import Clearing
from redaction.custom import own_recognizers
from redaction.detect import Detector
from redaction.find import Finder
from redaction.placeholders import Minter
from redaction.recognizers.catalogue import BUILT_IN
from redaction.rules import ANSWER, RuleBook
from redaction.screen import Screen
from redaction.types import Blocked, Clean, Cleared, Vault
from redaction.walk import Walk
from redaction.writer import Shared

_JSON_FORMATS = frozenset({"json_object", "json_schema"})


class Redactor:
    """Compiled once per redaction block and tenant key; immutable and shared by calls."""

    def __init__(self, rules: Redaction, tenant_key: bytes, detector: Detector | None = None) -> None:
        self._block = rules
        self._book = RuleBook(rules)
        self._minter = Minter(tenant_key)
        recognizers = (*own_recognizers(rules), *BUILT_IN)
        self._finder = Finder(recognizers, tenant_key, rules.allow)
        self._answers = answer_engine(tuple(r for r in recognizers if self._acts_on(r.kind)))
        self._detector = detector if rules.names != "off" or rules.presidio else None

    async def clear(self, body: dict[str, Any], endpoint: str) -> Cleared:
        """Rewrite every string of a request as the policy says.

        Raises Blocked when a rule refuses a value, RedactionFailed when something cannot be looked at.
        """
        clearing, cleared = self._pass(body, frozenset())
        if clearing.literals & set(clearing.vault.values):
            clearing, cleared = self._pass(body, frozenset(clearing.literals))
        clearing.vault.json_mode = _asks_for_json(body)
        return Cleared(cleared, tuple(clearing.findings), clearing.vault, clearing.chars, tuple(clearing.media_parts))

    def screen(self, vault: Vault, endpoint: str) -> Screen:
        """Give the screen for the answer to the request that filled `vault`; one per call."""
        index = {placeholders.canonical(mark): mark for mark in vault.values}
        restores = self._block.restore == "caller"
        return Screen(self._answers, Shared(vault, self._book, self._minter, restores, index))

    def clear_label(self, text: str) -> Clean:
        """Rewrite a label, model name or run id; a value that a rule would block is replaced by its kind."""
        try:
            return Clean(Clearing(self._finder, self._book, self._minter).text(text, "metadata", ""))
        except Blocked as blocked:
            return Clean(f"<{blocked.kind}>")

    def _acts_on(self, kind: str) -> bool:
        rule = self._book.rule(ANSWER, kind)
        return rule is not None and rule.operator != "keep"

    def _pass(self, body: dict[str, Any], avoid: frozenset[str]) -> tuple[Clearing, dict[str, Any]]:
        clearing = Clearing(self._finder, self._book, self._minter, avoid)
        return clearing, Walk(clearing).request(body)


def _asks_for_json(body: dict[str, Any]) -> bool:
    wanted = body.get("response_format") or (body.get("text") or {})
    kind = wanted.get("type") or (wanted.get("format") or {}).get("type") if isinstance(wanted, dict) else None
    return kind in _JSON_FORMATS
