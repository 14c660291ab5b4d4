"""Ask the detector for names in the texts of a request, and look for what it found in all of them."""

import re
from collections.abc import Mapping, Sequence

from policy.blocks_redaction import NamesMode, Redaction
from redaction.aside import too_much
from redaction.detect import Detector, DetectorDown
from redaction.memory import Memory
from redaction.names.spread import occurrences
from redaction.types import Entity, RedactionFailed

_SPREAD = frozenset({"PERSON", "ORGANIZATION"})
_SHORTEST = 4  # characters of a name that is looked for elsewhere
_MOST_NAMES = 500
_MOST_A_SECOND = 500_000  # characters that the processes of a worker look through: whoever brings more is no victim
Names = tuple[Entity, ...]
_LETTER = re.compile(r"[^\W\d_]{2}")


class Collector:
    """A `Visitor` that only notes the texts of a request."""

    def __init__(self) -> None:
        self.texts: dict[str, None] = {}

    def text(self, value: str, site: str, hint: str) -> str:
        """Note a text that has letters."""
        if _LETTER.search(value):
            self.texts[value] = None
        return value

    def word(self, value: str, site: str) -> str:
        """An identifier names nobody."""
        return value

    def parts(self, values: list[str], site: str) -> list[str]:
        """Note each part."""
        return [self.text(value, site, "") for value in values]

    def media(self, value: str, kind: str, site: str) -> None:
        """Media is not read."""


class NameFinder:
    """Finds names with a detector, within the policy's time, remembering texts seen before."""

    def __init__(self, detector: Detector, block: Redaction, level: NamesMode, key: bytes) -> None:
        self._detector = detector
        self._block = block
        self._level = level
        self._memory = Memory(b"names" + key)

    async def one(self, text: str) -> Names:
        """Give the entities of one text by itself; raises as `find` does."""
        return (await self.find([text]))[text]

    async def find(self, texts: Sequence[str]) -> dict[str, Names]:
        """Give the entities of each text; raises RedactionFailed when the policy blocks on failure."""
        keys = {text: self._memory.key(text, "") for text in texts}
        seen = {text: self._memory.get(keys[text]) for text in texts}
        found = {text: tuple(known.entities) for text, known in seen.items() if known is not None}
        missing = [text for text in texts if text not in found]
        if missing:
            for text, entities in zip(missing, await self._ask(missing), strict=True):
                found[text] = tuple(entities)
                self._memory.put(keys[text], found[text])
        return spread(found)

    async def _ask(self, texts: Sequence[str]) -> Sequence[Sequence[Entity]]:
        block = self._block
        try:
            return await self._detector.find(
                [_spaced(text) for text in texts], block.language, self._level, block.timeout_ms / 1000
            )
        except (TimeoutError, DetectorDown, OSError) as error:
            if block.on_failure == "block":
                limit_s = block.timeout_ms / 1000
                if isinstance(error, TimeoutError) and sum(map(len, texts)) > limit_s * _MOST_A_SECOND:
                    raise too_much(limit_s) from error
                raise RedactionFailed("names could not be looked for in time, so nothing may leave") from error
            return [()] * len(texts)


def _spaced(text: str) -> str:
    """Write escaped line ends and tabs as white space of the same length: names begin after them."""
    return text.replace("\\n", " \n").replace("\\r", "  ").replace("\\t", "  ") if "\\" in text else text


def spread(found: Mapping[str, Names]) -> dict[str, Names]:
    """Add, in every text, the places where a name stands that was found in another one."""
    names: dict[str, Entity] = {}
    for text, entities in found.items():
        for entity in entities:
            value = text[entity.start : entity.end]
            if entity.kind in _SPREAD and len(value) >= _SHORTEST and len(names) < _MOST_NAMES:
                names.setdefault(value, entity)
    if not names or len(found) == 1:
        return dict(found)
    longest_first = sorted(names.items(), key=lambda name: -len(name[0]))
    return {text: _elsewhere(text, entities, longest_first) for text, entities in found.items()}


def _elsewhere(text: str, known: Names, names: Sequence[tuple[str, Entity]]) -> Names:
    """Give the entities of a text, and further ones where names stand that none of them covers."""
    exact = {(entity.start, entity.end) for entity in known}
    again: list[Entity] = []
    taken = bytearray()
    for name, entity in names:
        for start, end in occurrences(text, name):
            if (start, end) in exact:
                continue
            taken = taken or _covered(len(text), known)
            if not all(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                again.append(Entity(entity.kind, start, end, entity.score, "names:spread"))
    return (*known, *again) if again else known


def _covered(size: int, known: Names) -> bytearray:
    taken = bytearray(size)
    for entity in known:
        taken[entity.start : entity.end] = b"\1" * (entity.end - entity.start)
    return taken
