"""Ways to tamper with a data folder, each as careful as somebody who knows the formats and may write every file.

Every kind changes one random thing in a copy of a whole, closed folder. Checksums, offsets and leaves are made to
fit again; only the signing key is out of reach, except where a kind says so.
"""

import random
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson

from metrics.proof.signer import Signer
from metrics.proof.tree import Frontier, leaf_hash
from metrics.record.events import checksummed
from metrics.record.frames import frame, scan
from metrics.record.master import MasterKey


@dataclass
class Told:
    """The records of a folder in their order, with their leaves and the checkpoints, as plain values."""

    data: Path
    rng: random.Random
    signer: Signer
    lines: list[bytes] = field(default_factory=list)
    leaves: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @staticmethod
    def read(data: Path, rng: random.Random, signer: Signer) -> "Told":
        told = Told(data, rng, signer)
        journal = data / "journal"
        for entry in _json_lines(sorted((journal / "order").glob("*.jsonl"))):
            _, _, segment, start, end, _ = entry["entry"]
            told.lines.extend((journal / segment).read_bytes()[start:end].splitlines(keepends=True))
        told.leaves = list(_json_lines(sorted((data / "audit" / "leaves").glob("*.jsonl"))))
        told.notes = [line["note"] for line in _json_lines(sorted((data / "audit" / "checkpoints").glob("*.jsonl")))]
        return told

    def write(self) -> None:
        """Write one segment, one order file, leaves numbered anew, and the notes, all fitting each other."""
        journal, audit = self.data / "journal", self.data / "audit"
        for folder in (journal / "meta", journal / "order", audit / "leaves", audit / "hashes", audit / "checkpoints"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        segment = "meta/2026-01-01/forged-000001.jsonl"
        (journal / segment).parent.mkdir()
        (journal / segment).write_bytes(b"".join(self.lines))
        size = sum(map(len, self.lines))
        entry = {"entry": [1, len(self.lines), segment, 0, size, 0], "skipped": []}
        (journal / "order" / "2026-01-01.jsonl").write_bytes(checksummed(orjson.dumps(entry)))
        leaves = [orjson.dumps(leaf | {"seq": seq}) + b"\n" for seq, leaf in enumerate(self.leaves, 1)]
        (audit / "leaves" / "000000000001.jsonl").write_bytes(b"".join(leaves))
        notes = [orjson.dumps({"note": note}) + b"\n" for note in self.notes]
        (audit / "checkpoints" / "2026-01-01.jsonl").write_bytes(b"".join(notes))

    def forge(self, at: int, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the event at a place, with checksum and leaf."""
        event = orjson.loads(self.lines[at])
        event.pop("crc")
        change(event)
        self.lines[at] = checksummed(orjson.dumps(event))
        self.leaves[at] = self.leaves[at] | {"id": event["event_id"], "line": sha256(self.lines[at]).hexdigest()}

    def sign_again(self, signer: Signer) -> None:
        """Sign the tree as it is now, at the sizes at which it was signed before."""
        tree, last = Frontier(), None
        sizes = {int(note.split("\n")[1]) for note in self.notes}
        notes: list[str] = []
        for seq, leaf in enumerate(self.leaves, 1):
            tree.add(leaf_hash(orjson.dumps(leaf | {"seq": seq})))
            if seq in sizes:
                last = signer.sign(seq, tree.root(), last, 1_790_000_000_000_000)
                notes.append(last.note)
        self.notes = notes

    def anywhere(self) -> int:
        """Return a random place."""
        return self.rng.randrange(len(self.lines))


def flip_a_bit(told: Told) -> None:
    at = told.anywhere()
    line = bytearray(told.lines[at])
    line[told.rng.randrange(len(line))] ^= 1 << told.rng.randrange(8)
    told.lines[at] = bytes(line)
    told.write()


def delete_a_record(told: Told) -> None:
    at = told.anywhere()
    del told.lines[at], told.leaves[at]
    told.write()


def swap_two_records(told: Told) -> None:
    one, two = told.rng.sample(range(len(told.lines)), 2)
    told.lines[one], told.lines[two] = told.lines[two], told.lines[one]
    told.leaves[one], told.leaves[two] = told.leaves[two], told.leaves[one]
    told.write()


def repeat_a_record(told: Told) -> None:
    at, to = told.anywhere(), told.anywhere()
    told.lines.insert(to, told.lines[at])
    told.leaves.insert(to, told.leaves[at])
    told.write()


def add_a_record(told: Told) -> None:
    at = told.anywhere()
    told.lines.insert(at, told.lines[at])
    told.leaves.insert(at, told.leaves[at])
    told.forge(at, lambda event: event.update(event_id="call_forged.e"))
    told.write()


def backdate_a_record(told: Told) -> None:
    told.forge(told.anywhere(), lambda event: event.update(ts_us=event["ts_us"] - told.rng.randrange(1, 10**12)))
    told.write()


def change_what_a_record_says(told: Told) -> None:
    told.forge(told.anywhere(), lambda event: event["body"].update(cost_usd=told.rng.random()))
    told.write()


def cut_off_the_end_of_the_log(told: Told) -> None:
    keep = told.rng.randrange(1, len(told.lines))
    del told.lines[keep:], told.leaves[keep:]
    told.write()


def change_sealed_content(told: Told) -> None:
    path, frames = _frames(told)
    at = told.rng.randrange(len(frames))
    changed = bytearray(frames[at])
    place = told.rng.randrange(len(changed) // 2, len(changed))
    changed[place] ^= 1 << told.rng.randrange(8)
    frames[at] = bytes(changed)
    path.write_bytes(b"".join(map(frame, frames)))


def drop_sealed_content(told: Told) -> None:
    path, frames = _frames(told)
    del frames[told.rng.randrange(len(frames))]
    path.write_bytes(b"".join(map(frame, frames)))


def change_a_leaf(told: Told) -> None:
    leaf = told.leaves[told.anywhere()]
    leaf["line"] = sha256(told.rng.randbytes(8)).hexdigest()
    told.write()


def change_a_checkpoint(told: Told) -> None:
    at = told.rng.randrange(len(told.notes))
    note = told.notes[at]
    place = told.rng.randrange(len(note) - 2)
    told.notes[at] = note[:place] + chr(ord(note[place]) ^ 1) + note[place + 1 :]
    told.write()


def drop_a_checkpoint(told: Told) -> None:
    del told.notes[told.rng.randrange(len(told.notes))]
    told.write()


def cut_off_log_and_checkpoints(told: Told) -> None:
    keep = told.rng.randrange(1, len(told.notes))
    del told.notes[keep:]
    size = int(told.notes[-1].split("\n")[1])
    del told.lines[size:], told.leaves[size:]
    told.write()


def write_all_anew_with_another_key(told: Told) -> None:
    told.forge(told.anywhere(), lambda event: event["body"].update(cost_usd=0.0))
    told.sign_again(Signer(MasterKey(told.rng.randbytes(32))))
    told.write()


def write_all_anew_with_the_real_key(told: Told) -> None:
    told.forge(told.anywhere(), lambda event: event["body"].update(cost_usd=0.0))
    told.sign_again(told.signer)
    told.write()


KINDS: Final[tuple[Callable[[Told], None], ...]] = (
    flip_a_bit,
    delete_a_record,
    swap_two_records,
    repeat_a_record,
    add_a_record,
    backdate_a_record,
    change_what_a_record_says,
    cut_off_the_end_of_the_log,
    change_sealed_content,
    drop_sealed_content,
    change_a_leaf,
    change_a_checkpoint,
    drop_a_checkpoint,
    cut_off_log_and_checkpoints,
    write_all_anew_with_another_key,
    write_all_anew_with_the_real_key,
)
ONLY_WITH_AN_ANCHOR: Final = (cut_off_log_and_checkpoints, write_all_anew_with_the_real_key)


def _frames(told: Told) -> tuple[Path, list[bytes]]:
    path = told.rng.choice(sorted((told.data / "journal" / "content").glob("*/*.frames")))
    return path, [found.payload for found in scan(path.read_bytes(), final=True) if found.payload]


def _json_lines(paths: Iterable[Path]) -> Iterable[dict[str, Any]]:
    for path in paths:
        for line in path.read_bytes().splitlines():
            yield orjson.loads(line)
