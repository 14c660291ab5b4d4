"""What was found in texts seen before; a conversation brings its texts again with each turn."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import orjson

from redaction.plans import Plan
from redaction.types import Entity


class Seen(NamedTuple):
    """What is known of a text: its entities, and what was planned for it by the role of its site."""

    entities: Sequence[Entity]
    plans: dict[str, Plan]


class Memory:
    """What was found in texts: bounded, keyed by a keyed hash, and holding offsets only.

    The texts used last are kept as they are used, with their plans, at some 600 bytes an entity. What is older is
    folded to a tenth of that; should it come back, it is planned again, and only not looked through. Threads may
    share it.
    """

    def __init__(
        self, key: bytes, texts: int = 4096, recent: int = 512, entities: int = 8192, folded_chars: int = 3 << 20
    ) -> None:
        self._key = hashlib.sha256(b"sluice memory" + key).digest()
        self._texts, self._most_recent = texts, recent
        self._recent: OrderedDict[bytes, Seen] = OrderedDict()
        self._older: OrderedDict[bytes, str] = OrderedDict()
        self._entities_left, self._chars_left = entities, folded_chars
        self._putting = threading.Lock()

    def key(self, text: str, hint: str) -> bytes:
        """Give the key of a text."""
        data = f"{hint}\0{text}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=16, key=self._key).digest()

    def get(self, key: bytes) -> Seen | None:
        """Give what was found, or None."""
        seen = self._recent.get(key)
        if seen is not None:
            with suppress(KeyError):  # another thread may have folded it
                self._recent.move_to_end(key)
            return seen
        folded = self._older.get(key)
        return None if folded is None else self.put(key, _unfolded(folded))

    def put(self, key: bytes, entities: Sequence[Entity]) -> Seen:
        """Keep what was found, forgetting the oldest."""
        seen = Seen(entities, {})
        with self._putting:
            self._drop(key)
            self._recent[key] = seen
            self._entities_left -= len(entities)
            while len(self._recent) > self._most_recent or (self._entities_left < 0 and len(self._recent) > 1):
                self._fold()
            while self._older and (self._chars_left < 0 or len(self._recent) + len(self._older) > self._texts):
                self._chars_left += len(self._older.popitem(last=False)[1])
        return seen

    def _drop(self, key: bytes) -> None:
        if (seen := self._recent.pop(key, None)) is not None:
            self._entities_left += len(seen.entities)
        if (folded := self._older.pop(key, None)) is not None:
            self._chars_left += len(folded)

    def _fold(self) -> None:
        key, seen = self._recent.popitem(last=False)
        self._entities_left += len(seen.entities)
        self._older[key] = folded = _folded(seen.entities)
        self._chars_left -= len(folded)


def _folded(entities: Sequence[Entity]) -> str:
    # Bytes as orjson makes them hold on to the 4 kB that they were written into; a text is as long as it is.
    return orjson.dumps([tuple(entity) for entity in entities]).decode()


def _unfolded(folded: str) -> list[Entity]:
    return [Entity(*values) for values in orjson.loads(folded)]
