"""Find entities in a view: one linear scan says which recognizers can match, and those look closer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from policy.kinds import GROUPS
from redaction import placeholders
from redaction.aside import NEVER, check
from redaction.linear import ANYWHERE, Linear, LinearSet
from redaction.pattern import needs_one_of
from redaction.recognizers.base import Recognizer
from redaction.types import Entity

SECRETS = GROUPS["secrets"]
ENCODED = "ENCODED"  # no kind of its own: a piece that is looked into
_ABOVE_ALL = SECRETS | {placeholders.KIND, ENCODED}
_COLON = ord(":")
FLOOR = 0.2  # findings below this score are nothing at all
AFTER = 30  # how far behind a match context is looked for, in requests
# What nearly every value holds, so that a pattern that needs it is looked for around it only.
_HELD = (b"@", b"0123456789")
_SHOWN = {codes: bytes(0x30 if code in codes else 0x20 for code in range(256)) for codes in _HELD}
_MARKS_BEHIND = frozenset(b" .,:;\n")
_STEP = 2048  # long texts are looked at in steps, so that each recognizer reads only where it can match
_OVERLAP = 160  # no match but a long one is wider
CAP = 64  # answers: a match still undecided after so many characters is masked to the end of its run


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A recognizer with its compiled patterns.

    `needs` is the number of a context without which it finds nothing, or -1; `level` is the best score it can give,
    in hundredths, above all for secrets, placeholders and encoded pieces; every match `holds` one of these characters,
    where there are any.
    """

    recognizer: Recognizer
    search: Linear
    confirm: Linear | None
    until: Linear | None
    run: Linear | None
    is_long: bool
    context: Linear | None
    needs: int
    joints: frozenset[int]
    level: int
    holds: bytes
    is_run: bool
    group: int


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

    def __init__(self, recognizers: Iterable[Recognizer], parts: int = 1) -> None:
        found = sorted(recognizers, key=_strength)
        contexts = tuple(dict.fromkeys(_context_of(r) for r in found if r.context))
        self.compiled = tuple(_compile(r, contexts.index(_context_of(r)) if r.context else -1) for r in found)
        self._reach = max((r.reach for r in found), default=0) + 2
        self._set = LinearSet([r.head() for r in found], parts)
        self._contexts = LinearSet(contexts)

    def entities(self, data: bytes, due: float = NEVER) -> list[Entity]:
        """Give the entities of a complete text; a weaker one inside the characters of stronger ones is left out.

        Raises RedactionFailed when `due` (monotonic seconds) passes.
        """
        if len(data) <= _STEP + _OVERLAP:
            able = self.able(data)
            return _Sweep(data).step(able, 0, len(data)).found if able else []
        sweep = _Sweep(data)
        for start in range(0, len(data), _STEP):
            check(due)
            end = min(start + _STEP, len(data))
            sweep.step(self.able(data[max(0, start - self._reach) : end + _OVERLAP + AFTER]), start, end)
        return sweep.found

    def candidates(self, data: bytes) -> list[Compiled]:
        """Give the recognizers that match somewhere, whatever stands around."""
        return [self.compiled[index] for index in sorted(self._set.hits(data))]

    def able(self, data: bytes) -> list[Compiled]:
        """Give the recognizers that can find something in a text, strongest first."""
        own = self.candidates(data)
        if not any(compiled.needs >= 0 for compiled in own):
            return own
        near = self._contexts.hits(data)
        return [compiled for compiled in own if compiled.needs < 0 or compiled.needs in near]


class _Sweep:
    """One pass over a text; what was found covers its characters for whatever is weaker."""

    __slots__ = ("_covered", "_data", "_places", "_resume", "found")

    def __init__(self, data: bytes) -> None:
        self._data, self._covered = data, bytearray(len(data))
        self._places: dict[bytes, tuple[int, int]] = {b"": (0, len(data))}
        self._resume: dict[Compiled, int] = {}
        self.found: list[Entity] = []

    def step(self, able: Sequence[Compiled], start: int, until: int) -> "_Sweep":
        """Take the matches that begin in [start, until). Only as much of the text is read as they can need."""
        data, covered, resume = self._data, self._covered, self._resume
        near = min(len(data), until + _OVERLAP)
        for compiled in able:
            first, last = self._places.get(compiled.holds) or self._find(compiled.holds)
            since = max(start, resume.get(compiled, 0), first - _OVERLAP)
            border = len(data) if compiled.is_long else min(near, last + _OVERLAP)
            begins = min(until, last)
            if since >= begins:
                continue
            match, group, level = compiled.search.match, compiled.group, compiled.level
            while since < begins:
                found = match(ANYWHERE, data, since, border)
                began, stop = found[0]
                if not 0 <= began < begins:
                    break
                resume[compiled] = since = stop if stop > began else stop + 1
                at, end = found[group]
                if at < end and min(covered[at:end]) < level:
                    self._take(Match(compiled, began, at, stop if compiled.is_run else end, stop))
        return self

    def _find(self, codes: bytes) -> tuple[int, int]:
        """Give where the first of some characters stands, and where the last one ends."""
        shown = self._data.translate(_SHOWN[codes])
        self._places[codes] = place = max(0, shown.find(b"0")), shown.rfind(b"0") + 1
        return place

    def _take(self, match: Match) -> None:
        end = settle(match, self._data)
        entity = judge(match, end, self._data, AFTER) if end > match.start else None
        if entity is not None:
            _, start, end, score, _ = entity
            level = 255 if match.compiled.level == 255 and score > FLOOR else int(score * 100)
            self._covered[start:end] = bytes((level,)) * (end - start)
            self.found.append(entity)


def _best(recognizer: Recognizer) -> int:
    return int(max(recognizer.score, recognizer.near) * 100)


def _strength(recognizer: Recognizer) -> tuple[bool, bool, float]:
    return recognizer.kind != placeholders.KIND, recognizer.kind not in SECRETS, -max(recognizer.score, recognizer.near)


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
    end, start = match.end, match.start
    while end > start and data[end - 1] in _MARKS_BEHIND:
        end -= 1
    return end


def judge(match: Match, end: int, data: bytes, after: int = 0) -> Entity | None:
    """Score a complete match, or give None when it is not one; `after` is how far context counts behind it."""
    compiled, start = match.compiled, match.start
    recognizer = compiled.recognizer
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


def _is_near(context: Linear, match: Match, end: int, data: bytes, after: int) -> bool:
    # The text ends where the match begins: `card` counts before `4111`, though no word ends there.
    start, search = match.start, context.match
    since = max(0, start - match.compiled.recognizer.reach)
    left = max(0, since - 1)
    if search(ANYWHERE, data[left:start], since - left, start - left)[0][0] >= 0:
        return True
    if after <= 0:
        return False
    behind = data[end - 1 : end + after]
    return bool(search(ANYWHERE, behind, 1, len(behind))[0][0] >= 0)


def joined(data: bytes, start: int, end: int, joints: frozenset[int]) -> bool:
    """Say whether a joint ties the match to a letter or digit on either side; a colon ties digits only."""
    left = start >= 2 and data[start - 1] in joints and _ties(data[start - 1], data[start - 2])
    return left or (end + 1 < len(data) and data[end] in joints and _ties(data[end], data[end + 1]))


def _ties(joint: int, code: int) -> bool:
    return 48 <= code <= 57 or (joint != _COLON and (65 <= code <= 90 or 97 <= code <= 122))


def _context_of(recognizer: Recognizer) -> str:
    """Give the pattern of a recognizer's context; names of fields part their words with other signs."""
    return f"(?i){recognizer.context.replace(' ?', '[ _-]?')}"


def _compile(recognizer: Recognizer, needs: int) -> Compiled:
    flag = "(?i)" if recognizer.ignore_case else ""
    return Compiled(
        recognizer,
        Linear(recognizer.source()),
        Linear(flag + recognizer.confirm) if recognizer.confirm else None,
        Linear(flag + recognizer.until) if recognizer.until else None,
        Linear(f"{flag}{recognizer.run}*") if recognizer.run else None,
        bool(recognizer.run or recognizer.until),
        Linear(_context_of(recognizer)) if recognizer.context else None,
        needs if recognizer.score < FLOOR else -1,
        frozenset(recognizer.joints.encode("ascii")),
        255 if recognizer.kind in _ABOVE_ALL else _best(recognizer),
        next((codes for codes in _HELD if needs_one_of(recognizer.pattern, frozenset(codes))), b""),
        bool(recognizer.run),
        recognizer.group,
    )
