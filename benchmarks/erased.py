"""What is left of people: every byte of every file, packed and unpacked, and what the keys that are left open."""

import base64
import gzip
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import duckdb
import numpy as np
from numpy.typing import NDArray

from gateway.control import sealed
from gateway.control.database import Database
from gateway.trust.sealed_texts import SealedTexts
from metrics.record.blank import places
from metrics.record.content import ContentGoneError, unseal
from metrics.record.keystore import KeyStore
from metrics.record.master import MasterKey

_PIECE = 4 << 20


@dataclass(frozen=True)
class Person:
    """One seeded subject; every value is found nowhere else."""

    subject: str
    email: str
    phone: str

    @property
    def values(self) -> tuple[str, ...]:
        return self.subject, self.email, self.phone


def needles(value: str) -> Iterator[bytes]:
    """Yield a value as six encodings would show it, and its unsalted hashes."""
    raw = value.encode()
    yield raw
    yield value.encode("utf-16-le")
    yield raw.hex().encode()
    yield "".join(f"\\u{ord(char):04x}" for char in value).encode()
    yield quote(value, safe="").encode()
    for shift in range(3):  # of base64, the edges depend on the neighbours
        yield base64.b64encode(b"\0" * shift + raw)[4 : (shift + len(raw)) // 3 * 4 - 4]
    for digest in (hashlib.sha256(raw), hashlib.md5(raw, usedforsecurity=False)):
        yield digest.digest()
        yield digest.hexdigest().encode()


def texts_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file as it is, and unpacked: gzip, all cells of SQLite and DuckDB files."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        yield path.name, data
        if path.suffix == ".gz":
            yield f"{path.name} unpacked", gzip.decompress(data)
        elif data.startswith(b"SQLite format 3"):
            yield f"{path.name} cells", _sqlite_cells(path)
        elif path.suffix == ".duckdb":
            yield f"{path.name} cells", _duckdb_cells(path)


def _sqlite_cells(path: Path) -> bytes:
    with closing(sqlite3.connect(path)) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = (row for table in tables for row in db.execute(f'SELECT * FROM "{table}"'))
        return b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for row in rows for cell in row)


def _duckdb_cells(path: Path) -> bytes:
    with duckdb.connect(str(path), read_only=True) as db:
        tables = [row[0] for row in db.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        rows = (row for table in tables for row in db.execute(f'SELECT * FROM "{table}"').fetchall())
        return "\n".join(str(row) for row in rows).encode()


def hits(texts: Iterable[tuple[str, bytes]], people: Iterable[Person]) -> list[str]:
    """Name where any value of these people stands, in any encoding."""
    wanted = {needle for person in people for value in person.values for needle in needles(value)}
    rare = np.array(sorted({int.from_bytes(needle[2:10], "little") for needle in wanted}), dtype="<u8")
    return [name for name, data in texts if _holds(data, wanted, rare)]


def _holds(data: bytes, wanted: set[bytes], rare: NDArray[np.uint64]) -> bool:
    """Say whether any of many needles stands in a text: eight bytes of each are looked for at once."""
    for start in range(0, len(data) - 7, _PIECE):
        piece = data[start : start + _PIECE + 7]
        eights = np.ndarray((len(piece) - 7,), dtype="<u8", buffer=piece, strides=(1,))
        for at in np.flatnonzero(np.isin(eights, rare)).tolist():
            around = data[max(start + at - 2, 0) : start + at + 300]
            if any(needle in around for needle in wanted):
                return True
    return False


@dataclass
class Opened:
    """What the keys that are left open: frames by subject reference, and the texts of sealed items."""

    frames: dict[str, int] = field(default_factory=dict)
    items: list[bytes] = field(default_factory=list)


def opened(data: Path, database: Database, keystore: KeyStore, master: MasterKey, tenant: str) -> Opened:
    """Open everything that can be opened."""
    found = Opened()
    for path in (data / "journal" / "content").rglob("*.frames"):
        raw = path.read_bytes()
        for place in places(raw):
            ref = place.header.subject_ref if place.header else None
            if ref and _opens(raw[place.start : place.end], keystore):
                found.frames[ref] = found.frames.get(ref, 0) + 1
    texts = SealedTexts(database, master)
    refs = {item.subject_ref for item in sealed.of_tenant(database, tenant) if item.subject_ref}
    found.items = [json.dumps(text.value).encode() for ref in refs for text in texts.about(tenant, ref)]
    return found


def _opens(payload: bytes, keystore: KeyStore) -> bool:
    try:
        unseal(payload, keystore)
    except ContentGoneError:
        return False
    return True


def in_items(people: Mapping[str, Person], items: list[bytes]) -> int:
    """Count the people whose e-mail address stands in clear in what was opened."""
    whole = b"\n".join(items)
    return sum(person.email.encode() in whole for person in people.values())
