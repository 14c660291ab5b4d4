"""Takes in content segments: where each event's frame stands, and which values were found in it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from metrics.record.audited import Facts
from metrics.record.commitments import Sealed, frame_hash, sealed
from metrics.record.content import ContentGoneError, FrameHeader, Keys, read_header, unseal
from metrics.record.frames import Found
from metrics.record.keystore import KeyStore
from metrics.record.reader import read_frames
from metrics.record.rows import Row
from metrics.record.segment_list import Tail
from metrics.record.value_index import IndexRow

_READ_BYTES = 8 << 20
_Seen = tuple[FrameHeader, Sequence[Sequence[str]], Sealed]


class OnceRead:
    """Keys of a key store, each fetched and unwrapped once. Kept for one round: what is destroyed stays destroyed."""

    def __init__(self, keys: Keys) -> None:
        self.key = cache(keys.key)


class ContentIntake:
    """Fills the value index of the key store; `damaged` lists what could not be read."""

    def __init__(self, journal: Path, keystore: KeyStore) -> None:
        self._journal, self._keystore = journal, keystore
        self.damaged: list[tuple[str, Found]] = []
        self.facts = Facts()

    def take(self, tails: Sequence[Tail]) -> tuple[list[Row], dict[str, tuple[int, bool]]]:
        """Read what is new; return rows for `contents` and how far each segment was read."""
        rows: list[Row] = []
        index: list[IndexRow] = []
        moved: dict[str, tuple[int, bool]] = {}
        keys = OnceRead(self._keystore)
        for tail in tails:
            segment = tail.name.relative
            for piece in self._read(tail):
                tail.read_to = piece.end
                moved[segment] = (piece.end, False)
                opened = _opened(piece.payload, keys)
                if opened is None:
                    if piece.payload is None or any(piece.payload):  # else it was erased
                        self.damaged.append((segment, piece))
                    continue
                header, found, seen = opened
                self.facts.saw(header.event_id, seen)
                rows.append((header.event_id, header.tenant, segment, piece.start))
                about = (header.event_id, header.subject_key_id, header.day_key_id)
                index.extend([IndexRow(value, kind, *about) for kind, value in found])
        self._keystore.index(index)  # before the positions are committed; twice is harmless
        return rows, moved

    def _read(self, tail: Tail) -> list[Found]:
        if not tail.behind:
            return []
        try:
            return read_frames(self._journal, tail.name.relative, tail.read_to, _READ_BYTES, tail.gone)
        except FileNotFoundError:
            return []


def _opened(payload: bytes | None, keys: Keys) -> _Seen | None:
    """Return a frame's header, the values found in it and its commitments; none of these once its key is destroyed."""
    if payload is None:
        return None
    try:
        opened = unseal(payload, keys)
        return opened.header, opened.index, sealed(payload, opened)
    except ContentGoneError:
        return _closed(payload)


def _closed(payload: bytes) -> _Seen | None:
    try:
        header = read_header(payload)
        return header, (), Sealed(frame_hash(payload), key=header.day_key_id)
    except ContentGoneError:
        return None
