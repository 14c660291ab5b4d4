"""`make bench-export`: a bundle of a million outputs: seconds and memory of making it; a tenth of it verified offline.

The ledger is made up by DuckDB as in `make bench-ledger`, with a leaf of the audit tree for every record, signed. The
bundle is made by the code of the recorder's job in a process of its own, which makes nothing else meanwhile.
"""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

import click
import duckdb

from benchmarks.bench_ledger import FIRST_US, fill
from benchmarks.servers import ROOT
from benchmarks.stand import Figures, write_page
from metrics.proof.bundle import Job, Maker
from metrics.proof.manifest import Scope
from metrics.proof.pack import verifier
from metrics.proof.signer import Signer
from metrics.proof.store import FILE_LEAVES, TreeStore
from metrics.record.ledger import Ledger
from metrics.record.master import master_key

LIMIT_S, LIMIT_MB, VERIFY_S = 60, 500, 5
PAGE = ROOT / "docs/reference/campaigns.md"
HEADING = "## make bench-export"
INTRODUCTION = """A bundle of made-up outputs of one tenant among three, made by the code of the recorder's job in a
process of its own. The packed verifier runs isolated (`python -I`) on a bundle of a tenth of them."""


def recorded(folder: Path, calls: int) -> None:
    """Make a ledger, and the signed tree of its records."""
    for _ in fill(folder / "ledger.duckdb", calls):
        pass
    store, signer = TreeStore(folder / "audit"), Signer(master_key(folder, {}))
    with duckdb.connect(str(folder / "ledger.duckdb"), read_only=True) as db:
        for first in range(1, 2 * calls + 1, FILE_LEAVES):
            sql = "SELECT seq, event_id FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq"
            rows = db.execute(sql, [first, first + FILE_LEAVES - 1]).fetchall()
            store.append([{"seq": s, "id": i, "line": sha256(i.encode()).hexdigest()} for s, i in rows])
    store.sync()
    store.add_checkpoint(signer.sign(store.size, store.root(store.size), None, FIRST_US).note, "2026-01-01")


def make(folder: Path) -> dict[str, float]:
    """Make the bundle; return rows, seconds and the most memory that this process ever had."""
    ledger = Ledger(folder / "ledger.duckdb", "200MB")
    scope, began = Scope("default", 0, 2**60, (), "soc2", "bench"), time.monotonic()
    job, to = Job(scope, ledger.progress().seq or 2**60, 0), folder / "exports" / "bench"
    to.mkdir(parents=True)
    for _ in Maker(folder, ledger.cursor, Signer(master_key(folder, {}))).steps(job, to):
        pass
    seconds = time.monotonic() - began
    ledger.close()
    most_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": job.done_rows, "seconds": seconds, "most_mb": most_mb, "bundle_mb": (job.bytes or 0) / 1e6}


def made(folder: Path, calls: int) -> dict[str, float]:
    """Record and make a bundle in a child process."""
    recorded(folder, calls)
    command = [sys.executable, "-m", "benchmarks.bench_export", "--child", str(folder)]
    found: dict[str, float] = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    return found


def verified(folder: Path) -> tuple[int, float]:
    """Verify a bundle as an auditor would; return the exit code and seconds."""
    (folder / "verify.pyz").write_bytes(verifier())
    key, began = Signer(master_key(folder, {})).key.text(), time.monotonic()
    command = [sys.executable, "-I", "verify.pyz", "exports/bench.zip", "--key", key]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return done.returncode, time.monotonic() - began


@click.command()
@click.option("--rows", default=1_000_000, show_default=True)
@click.option("--child", type=click.Path(path_type=Path), hidden=True)
def main(rows: int, child: Path | None) -> None:
    """Make and verify; exit 1 when a limit is passed."""
    if child:
        click.echo(json.dumps(make(child)))
        return
    figures, calls = Figures(), round(rows / 0.9)  # nine in ten are of the tenant
    with tempfile.TemporaryDirectory() as place:
        big, small = Path(place) / "big", Path(place) / "small"
        small.mkdir()
        one = made(small, calls // 10)
        code, seconds = verified(small)
        shutil.rmtree(small)
        big.mkdir()
        two = made(big, calls)
    shown = f"{two['rows']:,.0f} outputs"
    said = f"{two['seconds']:.1f} s, {two['bundle_mb']:.0f} MB"
    figures.say(f"a bundle of {shown} (limit {LIMIT_S} s)", said, well=two["seconds"] < LIMIT_S)
    figures.say(f"memory (limit {LIMIT_MB} MB)", f"{two['most_mb']:.0f} MB", well=two["most_mb"] < LIMIT_MB)
    said = f"exit {code}, {seconds:.1f} s"
    figures.say(f"{one['rows']:,.0f} outputs verified (limit {VERIFY_S} s)", said, well=not code and seconds < VERIFY_S)
    write_page(PAGE, HEADING, INTRODUCTION, figures.lines)
    sys.exit(1 if figures.bad else 0)


if __name__ == "__main__":
    main()
