"""Reads sealed content back, and only what the audit tree committed to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metrics.record.commitments import sealed
from metrics.record.content import ContentGoneError, Keys, Opened, unseal
from metrics.record.ledger_file import Door
from metrics.record.reader import read_frame

Leaf = Callable[[int], Mapping[str, Any] | None]  # of a sequence number; none while there is none


class ContentChangedError(RuntimeError):
    """What is stored is not what was committed to when it was recorded."""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Opened content; `checked`: it is what its leaf in the audit tree says. A fresh record has none yet."""

    opened: Opened
    checked: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """The sealed content of a recorder's journal."""

    door: Door
    journal: Path
    keys: Keys
    leaf: Leaf

    def read(self, tenant: str, event_id: str) -> ReadBack:
        """Open the content of an event. Whether it may be seen is asked before.

        Raises `ContentGoneError` and `ContentChangedError`.
        """
        sql = """SELECT c.segment, c.start, e.seq FROM contents c LEFT JOIN events e USING (tenant, event_id)
                 WHERE c.tenant = ? AND c.event_id = ?"""
        with self.door.cursor() as cursor:
            places = cursor.execute(sql, [tenant, event_id]).fetchall()
        for segment, start, seq in places:
            payload = read_frame(self.journal, segment, start)
            if payload and any(payload):
                return self._checked(payload, seq)
        raise ContentGoneError("there is no content for this event: none was kept, or it was erased")

    def _checked(self, payload: bytes, seq: int | None) -> ReadBack:
        opened = unseal(payload, self.keys)
        leaf = self.leaf(seq) if seq else None
        if leaf is None or "frame" not in leaf:
            return ReadBack(opened, checked=False)
        found = sealed(payload, opened)
        if found.frame != leaf["frame"] or dict(found.commitments) != leaf["c"]:
            raise ContentChangedError("the stored content is not what the audit tree committed to")
        return ReadBack(opened, checked=True)
