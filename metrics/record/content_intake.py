"""Takes in content segments: where each event's frame stands, and which values were found in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from metrics.record.content import ContentGoneError, Opened, read_header, unseal
from metrics.record.frames import Found
from metrics.record.keystore import IndexRow, KeyStore
from metrics.record.reader import read_frames
from metrics.record.rows import Row
from metrics.record.segment_list import Tail

_READ_BYTES = 4 << 20


class ContentIntake:
    """Fills the value index of the key store; `damaged` lists what could not be read."""

    def __init__(self, journal: Path, keystore: KeyStore) -> None:
        self._journal, self._keystore = journal, keystore
        self.damaged: list[tuple[str, Found]] = []

    def take(self, tails: Sequence[Tail]) -> tuple[list[Row], dict[str, tuple[int, bool]]]:
        """Read what is new; return rows for `contents` and how far each segment was read."""
        rows: list[Row] = []
        index: list[IndexRow] = []
        moved: dict[str, tuple[int, bool]] = {}
        for tail in tails:
            for piece in self._read(tail):
                self._add(tail.name.relative, piece, rows, index)
                tail.read_to = piece.end
                moved[tail.name.relative] = (piece.end, False)
        self._keystore.index(index)  # before the positions are committed; twice is harmless
        return rows, moved

    def _read(self, tail: Tail) -> list[Found]:
        if not tail.behind:
            return []
        try:
            return read_frames(self._journal, tail.name.relative, tail.read_to, _READ_BYTES, tail.gone)
        except FileNotFoundError:
            return []

    def _add(self, segment: str, piece: Found, rows: list[Row], index: list[IndexRow]) -> None:
        opened = self._open(piece.payload)
        if opened is None:
            self.damaged.append((segment, piece))
            return
        header = opened.header
        rows.append((header.event_id, header.tenant, segment, piece.start))
        index.extend(
            IndexRow(header.tenant, kind, value, header.event_id, header.subject_ref, header.day_key_id)
            for kind, value in opened.index
        )

    def _open(self, payload: bytes | None) -> Opened | None:
        if payload is None:
            return None
        try:
            return unseal(payload, self._keystore)
        except ContentGoneError:
            return _closed(payload)


def _closed(payload: bytes) -> Opened | None:
    """Read only the open part: a frame whose key is destroyed still has its place."""
    try:
        return Opened(read_header(payload), {}, (), {})
    except ContentGoneError:
        return None
