"""What is to be done in one text: worked out from what was found in it, kept beside that for when it comes again."""

from collections.abc import Sequence
from typing import NamedTuple

from redaction import placeholders
from redaction.placeholders import Minter
from redaction.resolve import resolve
from redaction.rules import Rule, RuleBook
from redaction.types import Blocked, Entity, ValueHash


class Place(NamedTuple):
    """A value that is written over; `mark` is its placeholder, unless that is taken, and empty for other operators."""

    entity: Entity
    rule: Rule
    mark: str
    hash: ValueHash


class Plan(NamedTuple):
    """What is done in a text of a site's role. It holds offsets and keyed hashes, never a value."""

    named: tuple[Entity, ...]  # the names that it was worked out with
    places: tuple[Place, ...]
    noted: tuple[tuple[Entity, str], ...]  # all that was found, and the action
    literals: tuple[tuple[int, int], ...]  # where the caller wrote what looks like a placeholder


class Planner:
    """Makes plans by a policy's rules."""

    def __init__(self, book: RuleBook, minter: Minter) -> None:
        self._book = book
        self._minter = minter

    def plan(self, value: str, role: str, found: Sequence[Entity], named: tuple[Entity, ...] = ()) -> Plan:
        """Judge the entities of a text by their rules; raises Blocked for a value that may not pass."""
        acting: list[Entity] = []
        noted: list[tuple[Entity, str]] = []
        literals: list[tuple[int, int]] = []
        allowed = self._book.allowed(value)
        for entity in (*found, *named):
            if entity.kind == placeholders.KIND:
                literals.append((entity.start, entity.end))
            elif not any(start <= entity.start and entity.end <= end for start, end in allowed):
                action = self._action(role, entity)
                if action:
                    noted.append((entity, action))
                else:
                    acting.append(entity)
        places = tuple(self._place(value, role, entity) for entity in resolve(acting, value)) if acting else ()
        noted += ((place.entity, place.rule.operator) for place in places)
        return Plan(named, places, tuple(noted), tuple(literals))

    def _action(self, role: str, entity: Entity) -> str:
        """Give why an entity stays as it is; empty when it is acted on.

        A blocked value refuses the call, also where another label would win the overlap.
        """
        rule = self._book.rule(role, entity.kind)
        if rule is None or rule.operator == "keep" or entity.score < rule.min_score:
            return "keep"
        if rule.observe:
            return "observe"
        if rule.operator == "block":
            raise Blocked(entity.kind, role)
        return ""

    def _place(self, value: str, role: str, entity: Entity) -> Place:
        rule = self._book.rule(role, entity.kind)
        assert rule is not None  # only entities with a rule are acted on, and a merged one has the label of a part
        text = value[entity.start : entity.end]
        mark = self._minter.placeholder(entity.kind, text) if rule.operator == "pseudonym" else ""
        return Place(entity, rule, mark, ValueHash(entity.kind, self._minter.digest(entity.kind, text)))
