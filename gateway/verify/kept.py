"""What a product wrote to its data folder since a moment, by place."""

import gzip
import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from metrics.record.content import ContentGoneError, unseal
from metrics.record.frames import scan
from metrics.record.journal import open_keystore

_PLACES = {"journal": "journal/**/*", "ledger": "ledger*", "control": "control*", "logs": "logs/**/*"}
_BLOCK = 4 << 20  # bytes read at once; a value on the border of two blocks stands in both
_OVERLAP = 4096
_GZIP = b"\x1f\x8b"


def kept(data: Path, since_s: float) -> Iterator[tuple[str, list[bytes]]]:
    """Give what files hold that changed since then (seconds since 1970), in portions; sealed content is opened too."""
    for place, pieces in groupby(_pieces(data, since_s), itemgetter(0)):
        portion: list[bytes] = []
        size = 0
        for _, piece in pieces:
            portion.append(piece)
            size += len(piece)
            if size > _BLOCK:
                yield place, portion
                portion, size = [], 0
        yield place, portion


def _pieces(data: Path, since_s: float) -> Iterator[tuple[str, bytes]]:
    for place, pattern in _PLACES.items():
        for path in _changed(data, pattern, since_s):
            for block in _blocks(_read(path)):
                yield place, block
    keystore, _ = open_keystore(data, os.environ)
    try:
        for path in _changed(data, "journal/content/**/*", since_s):
            for found in scan(_read(path), final=True):
                with suppress(ContentGoneError):
                    fields = unseal(found.payload, keystore).fields.values() if found.payload else ()
                    yield "content, opened", b"\n".join(f if isinstance(f, bytes) else f.encode() for f in fields)
    finally:
        keystore.close()


def _changed(data: Path, pattern: str, since_s: float) -> list[Path]:
    return [path for path in sorted(data.glob(pattern)) if path.is_file() and path.stat().st_mtime >= since_s]


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if data.startswith(_GZIP) else data


def _blocks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _BLOCK):
        yield data[max(0, start - _OVERLAP) : start + _BLOCK]
