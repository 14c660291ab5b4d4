"""What one group commit costs on this disk: one fdatasync on each of two files, as the journal does it."""

import os
import statistics
import tempfile
import time
from pathlib import Path


def group_commit_ms(folder: Path | None = None, *, rounds: int = 200, bytes_each: int = 2_000) -> float:
    """Return the median of `rounds` commits of two appended files, in milliseconds."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        files = [os.open(Path(name) / part, os.O_CREAT | os.O_WRONLY | os.O_APPEND) for part in ("content", "meta")]
        data, taken = b"x" * bytes_each, []
        for _ in range(rounds):
            start = time.perf_counter()
            for file in files:
                os.write(file, data)
                os.fdatasync(file)
            taken.append((time.perf_counter() - start) * 1e3)
        for file in files:
            os.close(file)
    return statistics.median(taken)
