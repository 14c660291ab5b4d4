"""Which redaction rule stands for a kind: the one answer that redaction, tightening and explanations share."""

from collections.abc import Mapping
from types import MappingProxyType

from policy.blocks_redaction import Redaction, RedactionRule, Rules
from policy.kinds import GROUPS, PROFILES, group_of
from policy.tighten import StricterRedaction
from policy.values import Direction

SITES = ("system", "user", "assistant", "tool", "metadata")
DECLARED_RULES: Mapping[Direction, RedactionRule] = MappingProxyType(
    {
        "request": RedactionRule(operator="pseudonym"),
        "answer": RedactionRule(operator="replace"),
    }
)

# Rules for these kinds of one country act on the general kind that recognizers give.
_ALSO: Mapping[str, str] = MappingProxyType({"PASSPORT": "US_PASSPORT", "DRIVER_LICENSE": "US_DRIVER_LICENSE"})


def rule_for(redaction: Redaction, direction: Direction, kind: str, site: str | None = None) -> RedactionRule | None:
    """Give the rule that stands for a kind; None: the kind is not looked for.

    A site's rules beat the request's, a kind's rule beats its group's, and where no rule speaks of a kind that the
    block declares (by profile, recognizer, deny list or names model) the strict default stands.
    """
    if direction == "request" and site in SITES and (found := in_table(getattr(redaction.sites, site), kind)):
        return found
    table = redaction.request if direction == "request" else redaction.answer
    return in_table(table, kind) or rule_by_declaration(redaction, direction, kind)


def in_table(table: Rules, kind: str) -> RedactionRule | None:
    """Give a table's rule for a kind: its own, else its group's."""
    return table.get(kind) or table.get(_ALSO.get(kind, "")) or table.get(group_of(kind) or "")


def rule_by_declaration(redaction: Redaction, direction: Direction, kind: str) -> RedactionRule | None:
    """Give the rule of a kind that no table speaks of."""
    return DECLARED_RULES[direction] if kind in declared(redaction, direction) else None


def declared(block: Redaction | StricterRedaction, direction: Direction) -> frozenset[str]:
    """List the kinds that a block asks for without a rule."""
    level = block.names if direction == "request" else block.answer_names
    own = (recognizer.kind for recognizer in block.recognizers) if isinstance(block, Redaction) else ()
    names = GROUPS["names"] if level not in (None, "off") else frozenset()
    return names.union(own, block.deny, *(PROFILES[profile] for profile in block.profiles))


def min_score(redaction: Redaction, rule: RedactionRule) -> float:
    """Give the least score at which a rule counts a finding."""
    return redaction.min_score if rule.min_score is None else rule.min_score
