"""Find entities in a view: one linear scan says which recognizers can match, and those look closer."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from policy.kinds import GROUPS
from redaction import placeholders
from redaction.linear import Linear, LinearSet
from redaction.recognizers.base import Recognizer
from redaction.types import Entity

SECRETS = GROUPS["secrets"]
ENCODED = "ENCODED"  # no kind of its own: a piece that is looked into
_ABOVE_ALL = SECRETS | {placeholders.KIND, ENCODED}
_COLON = ord(":")
FLOOR = 0.2  # findings below this score are nothing at all
AFTER = 30  # how far behind a match context is looked for, in requests
_STEP = 256  # long texts are looked at in steps, so that each recognizer reads only where it can match
_OVERLAP = 160  # no match but a long one is wider
CAP = 64  # answers: a match still undecided after so many characters is masked to the end of its run


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A recognizer with its compiled patterns.

    `needs` is the place in the scan of a context
    without which it finds nothing, or -1; `level` is the
    best score it can give, in hundredths, above all for secrets, placeholders and encoded pieces.
    """

    recognizer: Recognizer
    search: Linear
    confirm: Linear | None
    until: Linear | None
    run: Linear | None
    is_long: bool
    context: re.Pattern[bytes] | None
    needs: int
    joints: frozenset[int]
    level: int


@dataclass(slots=True)
class Match:
    """A pattern's match before it is judged: the value in [start, end), the whole match in [began, stop)."""

    compiled: Compiled
    began: int
    start: int
    end: int
    stop: int


class Scanner:
    """Compiled recognizers, strongest first; immutable."""

    def __init__(self, recognizers: Iterable[Recognizer]) -> None:
        found = sorted(recognizers, key=_strength)
        contexts = tuple(dict.fromkeys(r.context for r in found if r.context))
        self.compiled = tuple(_compile(r, len(found) + contexts.index(r.context) if r.context else -1) for r in found)
        self._count = len(found)
        self._set = LinearSet([r.source() for r in found] + [f"(?i){context}" for context in contexts])

    def entities(self, data: bytes) -> list[Entity]:
        """Give the entities of a complete text; a weaker one inside the characters of stronger ones is left out."""
        hits = self._set.hits(data)
        if not hits:
            return []
        seen = frozenset(hits)
        found: list[Entity] = []
        covered = bytearray(len(data))
        resume: dict[Compiled, int] = {}
        for start in range(0, len(data), _STEP) if len(data) > _STEP + _OVERLAP else (0,):
            end = min(start + _STEP, len(data)) if len(data) > _STEP + _OVERLAP else len(data)
            here = hits if end - start == len(data) else self._set.hits(data[max(0, start - 1) : end + _OVERLAP])
            for compiled in self._able(here, seen):
                for match in _uncovered(compiled, data, max(start, resume.get(compiled, 0)), end, covered, resume):
                    entity = _judge_whole(match, data)
                    if entity is not None:
                        found.append(entity)
                        level = 255 if compiled.level == 255 and entity.score > FLOOR else int(entity.score * 100)
                        covered[entity.start : entity.end] = bytes((level,)) * (entity.end - entity.start)
        return found

    def candidates(self, data: bytes) -> list[Compiled]:
        """Give the recognizers that match somewhere, whatever stands around."""
        return [self.compiled[index] for index in sorted(self._set.hits(data)) if index < self._count]

    def _able(self, hits: Sequence[int], seen: frozenset[int]) -> list[Compiled]:
        own = (self.compiled[index] for index in sorted(hits) if index < self._count)
        return [c for c in own if c.needs < 0 or c.needs in seen]


def _best(recognizer: Recognizer) -> int:
    return int(max(recognizer.score, recognizer.near) * 100)


def _strength(recognizer: Recognizer) -> tuple[bool, bool, float]:
    return recognizer.kind != placeholders.KIND, recognizer.kind not in SECRETS, -max(recognizer.score, recognizer.near)


def _judge_whole(match: Match, data: bytes) -> Entity | None:
    end = settle(match, data)
    return judge(match, end, data, AFTER) if end > match.start else None


def matches(compiled: Compiled, data: bytes, since: int) -> Iterator[Match]:
    """Give a recognizer's matches from an offset on."""
    group = compiled.recognizer.group
    for began, stop, start, end in compiled.search.spans(data, since, len(data), group):
        yield Match(compiled, began, start, stop if compiled.recognizer.run else end, stop)


def settle(match: Match, data: bytes) -> int:
    """Give the end of a complete match's value, or its start when it is none."""
    compiled = match.compiled
    if compiled.confirm is not None:
        return match.start + max(0, compiled.confirm.here(data[match.start : match.end]))
    end = match.end
    while end > match.start and data[end - 1] in b" .,:;\n":
        end -= 1
    return end


def judge(match: Match, end: int, data: bytes, after: int = 0) -> Entity | None:
    """Score a complete match, or give None when it is not one; `after` is how far context counts behind it."""
    compiled, recognizer = match.compiled, match.compiled.recognizer
    start = match.start
    if recognizer.fit is not None:
        span = recognizer.fit(data[start:end].decode("ascii"))
        if span is None:
            return None
        start, end = start + span[0], start + span[1]
    if compiled.joints and joined(data, start, end, compiled.joints):
        return None
    if recognizer.check is not None and not recognizer.check(data[start:end].decode("ascii")):
        return None
    score = recognizer.score
    if compiled.context is not None and _is_near(compiled.context, match, end, data, after):
        score = recognizer.near
    return Entity(recognizer.kind, start, end, score, recognizer.name) if score >= FLOOR else None


def _is_near(context: re.Pattern[bytes], match: Match, end: int, data: bytes, after: int) -> bool:
    since = max(0, match.start - match.compiled.recognizer.reach)
    if context.search(data, since, match.start) is not None:
        return True
    return after > 0 and context.search(data, end, end + after) is not None


def joined(data: bytes, start: int, end: int, joints: frozenset[int]) -> bool:
    """Say whether a joint ties the match to a letter or digit on either side; a colon ties digits only."""
    left = start >= 2 and data[start - 1] in joints and _ties(data[start - 1], data[start - 2])
    return left or (end + 1 < len(data) and data[end] in joints and _ties(data[end], data[end + 1]))


def _ties(joint: int, code: int) -> bool:
    return 48 <= code <= 57 or (joint != _COLON and (65 <= code <= 90 or 97 <= code <= 122))


def _uncovered(
    compiled: Compiled, data: bytes, since: int, until: int, covered: bytearray, resume: dict[Compiled, int]
) -> Iterator[Match]:
    """Give the matches that begin in [since, until) and are not inside better ones; note where they stop.

    Only as much of the text is read as they can need.
    """
    border = len(data) if compiled.is_long else min(len(data), until + _OVERLAP)
    group, level = compiled.recognizer.group, compiled.level
    for began, stop, start, end in compiled.search.spans(data, since, border, group):
        if began >= until:
            return
        resume[compiled] = stop
        if min(covered[start:end], default=0) < level:
            yield Match(compiled, began, start, stop if compiled.recognizer.run else end, stop)


def _compile(recognizer: Recognizer, needs: int) -> Compiled:
    flag = "(?i)" if recognizer.ignore_case else ""
    return Compiled(
        recognizer,
        Linear(recognizer.source()),
        Linear(flag + recognizer.confirm) if recognizer.confirm else None,
        Linear(flag + recognizer.until) if recognizer.until else None,
        Linear(f"{flag}{recognizer.run}*") if recognizer.run else None,
        bool(recognizer.run or recognizer.until),
        re.compile(recognizer.context.encode("ascii"), re.IGNORECASE) if recognizer.context else None,
        needs if recognizer.score < FLOOR else -1,
        frozenset(recognizer.joints.encode("ascii")),
        255 if recognizer.kind in _ABOVE_ALL else _best(recognizer),
    )
