"""One rule for overlaps: all characters of overlapping entities go, under the best of their labels."""

from collections.abc import Iterable

from redaction.scan import SECRETS
from redaction.types import Entity


def resolve(entities: Iterable[Entity]) -> list[Entity]:
    """Merge overlapping entities: secrets first, then the higher score, then the longer one gives kind and score."""
    merged: list[Entity] = []
    for entity in sorted(entities, key=lambda found: (found.start, -found.end)):
        if merged and entity.start < merged[-1].end:
            merged[-1] = _union(merged[-1], entity)
        else:
            merged.append(entity)
    return merged


def rank(entity: Entity) -> tuple[bool, float, int]:
    """Give what decides between labels; greater is better."""
    return entity.kind in SECRETS, entity.score, entity.end - entity.start


def _union(left: Entity, right: Entity) -> Entity:
    best = max(left, right, key=rank)
    return Entity(best.kind, left.start, max(left.end, right.end), best.score, best.recognizer)
