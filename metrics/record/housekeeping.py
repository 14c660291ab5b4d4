"""Packs meta segments of past days, which the ledger is made from again, and drops what nobody needs any more."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from metrics.record.fileops import sync_folder
from metrics.record.segments import META, SegmentName, day_of

# What is left lying about, and for how many days: old ledgers, for a look at what happened to them; what a restore
# replaced; halves of files.
_LEFTOVERS: Mapping[str, int] = {
    "ledger*.set-aside": 7,
    "before-*": 7,
    "journal/meta/*/.*.new": 1,
    "journal/content/*/.*.new": 1,
    "ledger.spill/*": 1,
    "ledger.duckdb.new*": 1,
}
_DAY_US = 86_400_000_000


def drop_leftovers(data: Path, now_us: int) -> int:
    """Remove what was set aside a week ago, and files that a crash left half written; return how many."""
    old = [
        path
        for pattern, days in _LEFTOVERS.items()
        for path in data.glob(pattern)
        if path.stat().st_mtime_ns // 1000 < now_us - days * _DAY_US
    ]
    for path in old:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)  # what cannot be removed stops no retention
        else:
            path.unlink(missing_ok=True)
    return len(old)


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
