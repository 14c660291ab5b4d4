"""`make campaign-bundles`: tamper with evidence bundles and with the ledger, a thousand times each.

Calls of five automations and two tenants are recorded through the journal, and a bundle of one tenant is made of them.
Each trial changes a fresh copy in a random place. Whoever tampers with a bundle may write all its files and, every
second time, makes the manifest's hashes fit, but has no key. Whoever tampers with the ledger may write its file.
"""

import asyncio
import hashlib
import json
import random
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import duckdb
from rich.console import Console
from rich.progress import Progress

from benchmarks.stand import Figures, page_option
from metrics.proof.auditor import Auditor
from metrics.proof.bundle import Job, Maker
from metrics.proof.ledger_check import compared, ledger_problems
from metrics.proof.manifest import Scope
from metrics.proof.offline import verify_bundle
from metrics.proof.signer import Signer
from metrics.record.events import Event
from metrics.record.ids import utc_us
from metrics.record.journal import FileJournal, open_keystore
from metrics.record.ledger import Ledger
from metrics.record.recorder import Recorder

CALLS: Final = 200
HEADING = "## make campaign-bundles"
INTRODUCTION = """A bundle, and the ledger, are changed in one random place each time. Whoever tampers with a bundle may
write all its files and, every second time, makes the hashes in the manifest fit, but cannot sign it. *Named* means
that the record, or the file where it holds no rows, stands in what the verifier says. A bundle holds one tenant; its
slices are automations."""

Files = dict[str, bytes]
Change = Callable[[Files, random.Random], str]  # returns what the verifier must name


async def _write(folder: Path) -> None:
    keystore, _ = open_keystore(folder, {})
    journal = FileJournal(folder, "bench", keystore)
    for number in range(CALLS):
        call, automation = f"call_{number:06d}", f"automation-{number % 5}"
        tenant = "other" if number % 4 == 3 else "default"
        body = {"call_id": call, "outcome": "ok", "policy": "p", "cost_usd": number / 1000, "verdict": "pass"}
        body |= {"entities": {"request": {"EMAIL_ADDRESS": 1}}, "attempts": [{"n": 1, "model": "m", "cost_usd": 0.1}]}
        journal.write(Event(f"{call}.b", "call.begin", utc_us(), tenant, automation, body={"call_id": call}))
        await journal.commit(Event(f"{call}.e", "call.end", utc_us(), tenant, automation, run=call, body=body))
        if number % 5 == 0:
            said = {"call_id": call, "metric": "success", "value": True, "source": "human"}
            await journal.commit(Event(f"{call}.o", "outcome", utc_us(), tenant, automation, body=said))
    await journal.close()
    keystore.close()


def recorded(folder: Path) -> Signer:
    """Record calls; return who signed them. The ledger is complete, and every record is under a checkpoint."""
    asyncio.run(_write(folder))
    recorder = Recorder(folder, {}, audit=lambda master: Auditor(folder, Signer(master), utc_us))
    recorder.start()
    while not recorder.status()["caught_up"] or recorder.status()["audit"]["records"] < 2 * CALLS:
        time.sleep(0.1)
    recorder.close()
    return Signer(recorder.master)


def bundled(folder: Path, signer: Signer) -> Path:
    """Make a bundle of the whole range."""
    ledger, to = Ledger(folder / "ledger.duckdb"), folder / "exports" / "campaign"
    to.mkdir(parents=True)
    job = Job(Scope("default", 0, 2**60, (), "soc2", "campaign"), ledger.progress().seq, 0)
    for _ in Maker(folder, ledger.cursor, signer).steps(job, to):
        pass
    ledger.close()
    return to.with_suffix(".zip")


def _lines(files: Files, name: str) -> list[bytes]:
    return files[name].splitlines(keepends=True)


def _seq(line: bytes) -> str:
    return str(json.loads(line)["seq"])


def _drop(files: Files, seqs: set[str], formats: tuple[str, ...]) -> None:
    """Take the rows of some records out of the files of these formats, and out of the leaves if asked."""
    for name in list(files):
        if name.endswith(".jsonl") and name.split("/")[0] in formats:
            files[name] = b"".join(line for line in _lines(files, name) if _seq(line) not in seqs)
        elif name.endswith(".csv") and "csv" in formats:
            head, *rows = _lines(files, name)
            files[name] = head + b"".join(row for row in rows if row.split(b",")[0].decode() not in seqs)


def _any_row(files: Files, rng: random.Random) -> tuple[str, bytes]:
    name = rng.choice([name for name in files if name.endswith(".jsonl") and not name.startswith("leaves/")])
    return name, rng.choice(_lines(files, name))


def remove_a_row_from_json_lines(files: Files, rng: random.Random) -> str:
    seq = _seq(_any_row(files, rng)[1])
    _drop(files, {seq}, ("evidence", "events"))
    return seq


def remove_a_row_from_csv(files: Files, rng: random.Random) -> str:
    seq = _seq(_any_row(files, rng)[1])
    _drop(files, {seq}, ("csv",))
    return seq


def remove_a_row_everywhere(files: Files, rng: random.Random) -> str:
    seq = _seq(_any_row(files, rng)[1])
    _drop(files, {seq}, ("evidence", "events", "csv"))
    return seq


def remove_a_row_and_its_leaf(files: Files, rng: random.Random) -> str:
    seq = _seq(_any_row(files, rng)[1])
    _drop(files, {seq}, ("evidence", "events", "csv", "leaves"))
    return seq


def remove_a_slice(files: Files, rng: random.Random) -> str:
    automation = f"automation-{rng.randrange(5)}"
    names = [name for name in files if name.startswith("evidence/") and name.endswith(".jsonl")]
    rows = [json.loads(line) for name in names for line in _lines(files, name)]
    seqs = {str(row["seq"]) for row in rows if row["automation"] == automation}
    _drop(files, seqs, ("evidence", "events", "csv", "leaves"))
    return str(min(map(int, seqs)))


def change_a_cell(files: Files, rng: random.Random) -> str:
    name, line = _any_row(files, rng)
    row = json.loads(line)
    changed = {**row, "ts_us": row["ts_us"] + 1}
    files[name] = files[name].replace(line, json.dumps(changed, separators=(",", ":")).encode() + b"\n")
    return _seq(line)


def remove_a_file(files: Files, rng: random.Random) -> str:
    name = rng.choice([name for name in files if not name.startswith("manifest")])
    del files[name]
    return name


KINDS: Final[tuple[Change, ...]] = (
    remove_a_row_from_json_lines,
    remove_a_row_from_csv,
    remove_a_row_everywhere,
    remove_a_row_and_its_leaf,
    remove_a_slice,
    change_a_cell,
    remove_a_file,
)


def fit(files: Files) -> None:
    """Make the manifest's hashes fit what was left, which is possible without the key."""
    about = json.loads(files["manifest.json"])
    for name, said in about["files"].items():
        said["sha256"] = hashlib.sha256(files[name]).hexdigest()
    files["manifest.json"] = json.dumps(about).encode()


def named(bundle: Path, change: Change, rng: random.Random, signer: Signer, fitted: bool) -> bool:
    """Tamper with a copy of a bundle; tell whether the verifier names what was changed."""
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    wanted = change(files, rng)
    if fitted and wanted.isdigit():
        fit(files)
    forged = bundle.with_name("forged.zip")
    with zipfile.ZipFile(forged, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    problems = verify_bundle(forged, signer.key).problems
    return any(str(seq) == wanted or wanted in sentence for seq, sentence in problems)


LEDGER: Final = {
    "change a figure in the ledger": "UPDATE calls SET cost_usd = cost_usd + 1 WHERE seq = ?",
    "change who did it in the ledger": "UPDATE events SET actor = 'somebody' WHERE seq = ?",
    "delete a call from the ledger": "DELETE FROM calls WHERE seq = ?",
    "delete an event from the ledger": "DELETE FROM events WHERE seq = ?",
    "add a call to the ledger": "INSERT INTO calls SELECT * REPLACE ('forged' AS call_id) FROM calls WHERE seq = ?",
    "delete what was found from the ledger": "DELETE FROM entities WHERE seq = ?",
}


def named_in_ledger(db: duckdb.DuckDBPyConnection, journal: Path, sql: str, seq: int) -> bool:
    """Tamper with the ledger in a transaction that is taken back; tell whether the record is named."""
    db.begin()
    try:
        db.execute(sql, [seq])
        return any(found == seq for found, _ in compared(db, journal))
    finally:
        db.rollback()


@click.command()
@click.option("--trials", default=1000, show_default=True, help="Changes of a bundle, of each kind.")
@click.option("--ledger-trials", default=1000, show_default=True, help="Changes of the ledger, of each kind.")
@page_option
def main(trials: int, ledger_trials: int, page: Path | None) -> None:
    """Tamper, verify, count; exit 1 when anything was not named."""
    figures, began = Figures(), time.monotonic()
    with tempfile.TemporaryDirectory() as place, Progress(console=Console(stderr=True)) as progress:
        folder = Path(place) / "data"
        folder.mkdir()
        signer = recorded(folder)
        bundle = bundled(folder, signer)
        whole = verify_bundle(bundle, signer.key)
        found = list(ledger_problems(folder))
        said = f"{whole.records} rows; {len(whole.problems)} and {len(found)} problems"
        figures.say("bundle and ledger, untouched", said, well=not whole.problems and not found)
        task = progress.add_task("tampering", total=trials * len(KINDS) + ledger_trials * len(LEDGER))
        for kind in KINDS:
            rng, hits = random.Random(kind.__name__), 0
            for trial in range(trials):
                hits += named(bundle, kind, rng, signer, fitted=trial % 2 == 1)
                progress.advance(task)
            figures.say(kind.__name__.replace("_", " "), f"{hits} of {trials} named", well=hits == trials)
        with duckdb.connect(str(folder / "ledger.duckdb")) as db:
            seqs: list[Any] = [row[0] for row in db.execute("SELECT seq FROM calls ORDER BY seq").fetchall()]
            for name, sql in LEDGER.items():
                rng, hits = random.Random(name), 0
                for _ in range(ledger_trials):
                    hits += named_in_ledger(db, folder / "journal", sql, rng.choice(seqs))
                    progress.advance(task)
                figures.say(name, f"{hits} of {ledger_trials} named", well=hits == ledger_trials)
    figures.say("seconds", round(time.monotonic() - began))
    figures.end(page, HEADING, INTRODUCTION)


if __name__ == "__main__":
    main()
