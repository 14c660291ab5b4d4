"""`make bench-export`: a bundle of a million outputs, and one of a tenth: seconds and memory of making and verifying.

The ledger is made up by DuckDB as in `make bench-ledger`, with a leaf of the audit tree for every record, signed. The
bundle is made by the code of the recorder's job in a process of its own, which makes nothing else meanwhile.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import click
import duckdb

from benchmarks.made_ledger import FIRST_US, fill
from benchmarks.servers import ROOT
from benchmarks.stand import Figures, page_option
from metrics.proof.bundle import Job, Maker
from metrics.proof.manifest import Scope
from metrics.proof.pack import verifier
from metrics.proof.signer import Signer
from metrics.proof.store import FILE_LEAVES, TreeStore
from metrics.record.ledger import Ledger
from metrics.record.master import master_key

LIMIT_S, LIMIT_MB = 60, 500
VERIFY_S = (5, 60)  # of the small bundle, of the large one
HEADING = "## make bench-export"
INTRODUCTION = """Bundles of made-up outputs of one tenant among three, made by the code of the recorder's job in a
process of its own, DuckDB limited to 200 MB. The packed verifier runs isolated (`python -I`) in another. Memory is the
most that the process ever had (`ru_maxrss`)."""


@dataclass(frozen=True)
class Spent:
    """What a process took: the wall, its CPU, its memory at most."""

    code: int
    seconds: float
    cpu_s: float
    most_mb: float

    def __str__(self) -> str:
        return f"exit {self.code}, {self.seconds:.1f} s ({self.cpu_s:.1f} s CPU), {self.most_mb:.0f} MB"

    def within(self, seconds: float) -> bool:
        """Say whether it went well, and within the limits."""
        return not self.code and self.seconds < seconds and self.most_mb < LIMIT_MB


# A small process between: a child's `ru_maxrss` begins with what its parent had, and this program is large.
BETWEEN = """import json, resource, subprocess, sys, time
began = time.monotonic()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))"""


def spent(command: list[str], folder: Path) -> Spent:
    """Run a command and account for it."""
    between = [sys.executable, "-I", "-c", BETWEEN, *command]
    return Spent(*json.loads(subprocess.run(between, cwd=folder, capture_output=True, check=True).stdout))


def recorded(folder: Path, calls: int) -> None:
    """Make a ledger, and the signed tree of its records."""
    for _ in fill(folder / "ledger.duckdb", calls):
        pass
    store, signer = TreeStore(folder / "audit"), Signer(master_key(folder, {}))
    with duckdb.connect(str(folder / "ledger.duckdb")) as db:
        # Made-up steps, searches and reviews borrow the numbers of their calls; a leaf has one of its own.
        db.execute("DELETE FROM events WHERE kind NOT IN ('call.begin', 'call.end')")
        for first in range(1, 2 * calls + 1, FILE_LEAVES):
            sql = "SELECT seq, event_id FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq"
            rows = db.execute(sql, [first, first + FILE_LEAVES - 1]).fetchall()
            store.append([{"seq": s, "id": i, "line": sha256(i.encode()).hexdigest()} for s, i in rows])
    store.sync()
    store.add_checkpoint(signer.sign(store.size, store.root(store.size), None, FIRST_US).note, "2026-01-01")


def make(folder: Path) -> None:
    """Make the bundle."""
    ledger = Ledger(folder / "ledger.duckdb", "200MB")
    job = Job(Scope("default", 0, 2**60, (), "soc2", "bench"), ledger.progress().seq or 2**60, 0)
    to = folder / "exports" / "bench"
    to.mkdir(parents=True)
    for _ in Maker(folder, ledger.cursor, Signer(master_key(folder, {}))).steps(job, to):
        pass
    ledger.close()


def measured(folder: Path, rows: int, verify_s: float, figures: Figures) -> None:
    """Record outputs, make a bundle of them, and verify it as an auditor would."""
    folder.mkdir()
    recorded(folder, round(rows / 0.9))  # nine in ten are of the tenant
    module = [sys.executable, "-m", "benchmarks.bench_export", "--child", str(folder)]
    made, size_mb = spent(module, ROOT), (folder / "exports/bench.zip").stat().st_size / 1e6
    (folder / "verify.pyz").write_bytes(verifier())
    key = Signer(master_key(folder, {})).key.text()
    seen = spent([sys.executable, "-I", "verify.pyz", "exports/bench.zip", "--key", key], folder)
    shutil.rmtree(folder)
    limits = f"(limits {LIMIT_S} s, {LIMIT_MB} MB)"
    figures.say(
        f"a bundle of about {rows:,} outputs {limits}", f"{made}; {size_mb:.0f} MB long", well=made.within(LIMIT_S)
    )
    figures.say(f"it is verified (limits {verify_s} s, {LIMIT_MB} MB)", str(seen), well=seen.within(verify_s))


@click.command()
@click.option("--rows", default=1_000_000, show_default=True)
@click.option("--child", type=click.Path(path_type=Path), hidden=True)
@page_option
def main(rows: int, child: Path | None, page: Path | None) -> None:
    """Make and verify; exit 1 when a limit is passed."""
    if child:
        make(child)
        return
    figures = Figures()
    with tempfile.TemporaryDirectory() as place:
        for share, verify_s in zip((10, 1), VERIFY_S, strict=True):
            measured(Path(place) / str(share), rows // share, verify_s, figures)
    figures.end(page, HEADING, INTRODUCTION)


if __name__ == "__main__":
    main()
