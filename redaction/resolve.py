"""One rule for overlaps: all characters of overlapping entities go, under the best of their labels."""

from collections.abc import Iterable

from redaction.scan import SECRETS
from redaction.types import Entity


def resolve(entities: Iterable[Entity]) -> list[Entity]:
    """Merge overlapping entities under the label that `rank` puts first."""
    merged: list[Entity] = []
    for entity in sorted(entities, key=lambda found: (found.start, -found.end)):
        if merged and entity.start < merged[-1].end:
            merged[-1] = _union(merged[-1], entity)
        else:
            merged.append(entity)
    return merged


def rank(entity: Entity) -> tuple[bool, bool, float, int]:
    """Give what decides between labels: secrets, then values of a known form, then the score, then the length.

    A model that guesses names is sure of its guess in its own way; a card number that checks is a card number.
    """
    guessed = entity.recognizer.startswith("names")
    return entity.kind in SECRETS, not guessed, entity.score, entity.end - entity.start


def _union(left: Entity, right: Entity) -> Entity:
    best = max(left, right, key=rank)
    return Entity(best.kind, left.start, max(left.end, right.end), best.score, best.recognizer)
