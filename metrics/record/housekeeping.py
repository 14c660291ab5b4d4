"""Compresses meta segments of past days; they are what the ledger is made from again, so they stay."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from metrics.record.fileops import sync_folder
from metrics.record.segments import META, SegmentName, day_of


def compress_finished(journal: Path, positions: Mapping[str, tuple[int, bool]], now_us: int) -> int:
    """Compress the meta segments of past days that were read to the end; return how many."""
    today = day_of(now_us)
    done = 0
    for segment, (_, finished) in positions.items():
        name = SegmentName.parse(segment)
        if finished and name and name.family == META and name.day < today and (journal / segment).exists():
            _compress(journal / segment)
            done += 1
    return done


def _compress(path: Path) -> None:
    packed = path.with_name(path.name + ".gz")
    hidden = path.with_name(f".{packed.name}.new")
    with path.open("rb") as source, hidden.open("wb") as target:
        with gzip.GzipFile(filename="", fileobj=target, mode="wb", mtime=0) as archive:
            shutil.copyfileobj(source, archive)
        target.flush()
        os.fsync(target.fileno())
    hidden.rename(packed)
    sync_folder(path.parent)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
