"""A policy's redaction rules, worked out for every kind and site."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from policy.blocks_redaction import Operator, Redaction, RedactionRule
from policy.kinds import PROFILES, group_of

REQUEST = "request"
ANSWER = "answer"
SITES = ("system", "user", "assistant", "tool", "metadata")


# Rules for these kinds of one country act on the general kind that recognizers give.
_ALSO = {"PASSPORT": "US_PASSPORT", "DRIVER_LICENSE": "US_DRIVER_LICENSE"}


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

    def _find(self, site: str, kind: str) -> Rule | None:
        for rules in self._layers(site):
            rule = rules.get(kind) or rules.get(_ALSO.get(kind, "")) or rules.get(group_of(kind) or "")
            if rule is not None:
                return self._compiled(rule)
        if kind in self._declared():
            return self._compiled(RedactionRule(operator="replace" if site == ANSWER else "pseudonym"))
        return None

    def _layers(self, site: str) -> tuple[Mapping[str, RedactionRule], ...]:
        if site == ANSWER:
            return (self.block.answer,)
        return (getattr(self.block.sites, site), self.block.request) if site in SITES else (self.block.request,)

    def _declared(self) -> set[str]:
        """Give the kinds that a policy asks for without a rule: profiles, custom recognizers, deny lists, names."""
        kinds = {recognizer.kind for recognizer in self.block.recognizers} | set(self.block.deny)
        for profile in self.block.profiles:
            kinds |= PROFILES[profile]
        return kinds if self.block.names == "off" else kinds | {"PERSON", "LOCATION", "ORGANIZATION"}

    def _compiled(self, rule: RedactionRule) -> Rule:
        least = self.block.min_score if rule.min_score is None else rule.min_score
        return Rule(rule.operator, rule.enforce == "observe", least, rule.replacement, rule.keep_last)
