"""Small real trees: a journal of real segments and frames, its order file, and the audit tree over it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from metrics.proof.auditor import Auditor, Contents
from metrics.proof.signer import Signer
from metrics.record.audited import Numbered
from metrics.record.commitments import Sealed, sealed
from metrics.record.content import Content, FrameKeys, seal, unseal
from metrics.record.events import Event, encode
from metrics.record.fileops import OsFiles
from metrics.record.frames import frame
from metrics.record.keystore import KeyStore
from metrics.record.master import MasterKey
from metrics.record.order import Entry, OrderFile
from metrics.record.segments import CONTENT, META, SegmentWriter

NOW_US = 1_790_000_000_000_000
MASTER = MasterKey(bytes(range(32)))


def take(auditor: Auditor, entries: Iterable[Entry], contents: Contents) -> None:
    """Give the tree what was numbered, to be read again."""
    for entry in entries:
        auditor.take(Numbered(entry), contents)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_us = NOW_US

    def __call__(self) -> int:
        return self.now_us


class Grown:
    """A data folder to which calls can be added."""

    def __init__(self, data: Path, master: MasterKey = MASTER) -> None:
        self.data, self.clock = data, Clock()
        self.keystore = KeyStore(data / "keys" / "keystore.sqlite", master, self.clock, durable=False)
        self.order = OrderFile(data / "journal")
        files = OsFiles()
        self.meta = SegmentWriter(data / "journal", META, "w1", files, self.clock)
        self.content = SegmentWriter(data / "journal", CONTENT, "w1", files, self.clock)
        self.signer = Signer(master)
        self.auditor = Auditor(data, self.signer, self.clock)
        self.count, self._end = 0, 0
        self.facts: dict[str, Sealed] = {}

    def add(self, calls: int, subject: str | None = None) -> list[Entry]:
        """Write calls, with sealed content, and give them their places in the order."""
        start, lines = self._end, []
        for _ in range(calls):
            self.count += 1
            lines.append(encode(self._call(f"call_{self.count}", subject)))
        data = b"".join(lines)
        self.meta.append(data)
        self._end += len(data)
        segment = next((self.data / "journal" / "meta").glob("*/*")).relative_to(self.data / "journal")
        return self.order.append([Entry(0, calls, str(segment), start, self._end, self.clock())])

    def event(self, event: Event) -> list[Entry]:
        """Write one event without content."""
        line, start = encode(event), self._end
        self.meta.append(line)
        self._end += len(line)
        segment = next((self.data / "journal" / "meta").glob("*/*")).relative_to(self.data / "journal")
        return self.order.append([Entry(0, 1, str(segment), start, self._end, self.clock())])

    def grow(self, calls: int, subject: str | None = None) -> None:
        """Add calls and their leaves."""
        take(self.auditor, self.add(calls, subject), self.contents)

    def contents(self, ids: Sequence[str]) -> dict[str, Sealed]:
        """Tell what the recorder knows of the sealed content."""
        return {event_id: self.facts[event_id] for event_id in ids if event_id in self.facts}

    def close(self) -> None:
        """Sign and let go of everything."""
        self.auditor.close()
        self.meta.close()
        self.content.close()
        self.keystore.close()

    def _call(self, call_id: str, subject: str | None) -> Event:
        day = self.keystore.day_key("t1", "content", "2026-09-21")
        ref, key = self.keystore.subject_key("t1", subject) if subject else (None, None)
        fields: dict[str, str | bytes] = {"request": f"request of {call_id}", "answer": b"answer"}
        payload = seal(f"{call_id}.e", "t1", Content(subject, fields=fields), FrameKeys(day, key, ref))
        self.content.append(frame(payload))
        self.facts[f"{call_id}.e"] = sealed(payload, unseal(payload, self.keystore))
        return Event(f"{call_id}.e", "call.end", self.clock(), "t1", subject_ref=ref, body={"call_id": call_id})
