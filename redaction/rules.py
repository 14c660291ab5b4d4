"""A policy's redaction rules, worked out for every kind and site."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from policy.blocks_redaction import Operator, Redaction
from policy.rules import min_score, rule_for

REQUEST = "request"
ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do with one kind at one site."""

    operator: Operator
    observe: bool
    min_score: float
    text: str | None
    keep_last: int


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Finds the rule of a kind at a site; keeps what it found."""

    block: Redaction
    _known: dict[tuple[str, str], Rule | None] = field(default_factory=dict)

    def rule(self, site: str, kind: str) -> Rule | None:
        """Give the rule for a kind at `request`, `answer` or one of SITES; None when no rule speaks of it."""
        key = (site, kind)
        if key not in self._known:
            self._known[key] = self._find(site, kind)
        return self._known[key]

    def allowed(self, text: str) -> Sequence[tuple[int, int]]:
        """Give where values of the allow list stand in a text; what is found inside of one is left alone."""
        values = self.block.allow
        return [found.span() for found in _allowed(values).finditer(text)] if values else ()

    def _find(self, site: str, kind: str) -> Rule | None:
        found = rule_for(self.block, "answer" if site == ANSWER else "request", kind, site)
        if found is None:
            return None
        least = min_score(self.block, found)
        return Rule(found.operator, found.enforce == "observe", least, found.replacement, found.keep_last)


@lru_cache(maxsize=64)
def _allowed(values: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = "|".join(map(re.escape, sorted(values, key=len, reverse=True)))
    return re.compile(rf"(?<![^\W_])(?:{longest_first})(?![^\W_])", re.IGNORECASE)
