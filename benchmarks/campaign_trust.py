"""`make campaign-trust`: tamper with a recorded folder in sixteen ways, a thousand times each; count what is noticed.

The folder is that of a real product under a bench upstream, started and stopped five times, its checkpoints anchored
in a folder outside. Each trial changes a fresh copy and verifies it, with the anchor and without. Then a hundred
thousand records are verified by the packed verifier in a process of its own.
"""

import asyncio
import contextlib
import http.client
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from benchmarks.payload import request_body
from benchmarks.stand import KEY, Figures, page_option, standing
from benchmarks.tampering import KINDS, Told
from metrics.proof.auditor import Auditor
from metrics.proof.offline import verify
from metrics.proof.pack import verifier
from metrics.proof.signer import Signer
from metrics.record.content import Content
from metrics.record.events import Event
from metrics.record.ids import utc_us
from metrics.record.journal import FileJournal, open_keystore
from metrics.record.recorder import Recorder

STARTS, CALLS = 5, 20
LIMIT_S = 5
HEADING = "## make campaign-trust"
INTRODUCTION = """The folder of a real product, started and stopped five times, is changed in one random place and
verified, a fresh copy each time. Whoever tampers may write every file and makes checksums, offsets and leaves fit
again; only the last kind has the signing key. Noticed with the anchor, and without one."""


def record(folder: Path) -> Signer:
    """Record calls over several starts, so that there are several checkpoints; return who signed them."""
    for start in range(STARTS):
        with standing(at=folder, SLUICE_ANCHORS=f"folder:{folder / 'anchors'}") as stand:
            for number in range(CALLS):
                _call(stand.port, start * CALLS + number)
            time.sleep(2)
    keystore, master = open_keystore(folder / "data", {})
    keystore.close()
    return Signer(master)


def _call(port: int, number: int) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", request_body(number), headers)
        connection.getresponse().read()


def tamper(
    folder: Path, kind: Callable[[Told], None], trials: int, signer: Signer, tick: Callable[[], None]
) -> list[int]:
    """Return how often a kind was noticed with the anchor, and without."""
    noticed, rng, copy = [0, 0], random.Random(kind.__name__), folder / "copy"
    for _ in range(trials):
        shutil.rmtree(copy, ignore_errors=True)
        for name in ("audit", "journal"):
            shutil.copytree(folder / "data" / name, copy / name)
        kind(Told.read(copy, rng, signer))
        noticed[0] += bool(verify(copy, signer.key, (folder / "anchors",)).problems)
        noticed[1] += bool(verify(copy, signer.key).problems)
        tick()
    return noticed


def many(folder: Path, calls: int) -> Signer:
    """Record many calls through the journal itself, and let the recorder make their tree."""
    asyncio.run(_write(folder, calls))
    recorder = Recorder(folder, {}, audit=lambda master: Auditor(folder, Signer(master), utc_us))
    recorder.start()
    while recorder.status()["audit"]["records"] < 2 * calls:
        time.sleep(0.1)
    recorder.close()
    return Signer(recorder.master)


async def _write(folder: Path, calls: int) -> None:
    keystore, _ = open_keystore(folder, {})
    journal = FileJournal(folder, "bench", keystore)
    for first in range(0, calls, 500):
        events = [f"call_{number:07d}" for number in range(first, min(first + 500, calls))]
        for call in events:
            journal.write(Event(f"{call}.b", "call.begin", utc_us(), "default", body={"call_id": call}))
        ends = [
            Event(f"{call}.e", "call.end", utc_us(), "default", body={"call_id": call, "outcome": "ok"})
            for call in events
        ]
        await asyncio.gather(
            *(journal.commit(end, Content(fields={"request": "a" * 500, "answer": "b" * 300})) for end in ends)
        )
    await journal.close()
    keystore.close()


def verified_by_others(folder: Path, signer: Signer) -> tuple[int, float]:
    """Run the packed verifier as an auditor would; return its exit code and seconds."""
    program = folder / "verify.pyz"
    program.write_bytes(verifier())
    began = time.monotonic()
    command = [sys.executable, "-I", str(program), str(folder), "--key", signer.key.text()]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return done.returncode, time.monotonic() - began


@click.command()
@click.option("--trials", default=1000, show_default=True)
@click.option(
    "--calls", default=50_000, show_default=True, help="Calls of the folder that others verify; two records each."
)
@page_option
def main(trials: int, calls: int, page: Path | None) -> None:
    """Tamper, verify, count; exit 1 when anything passed unnoticed beside the anchor."""
    figures, began = Figures(), time.monotonic()
    with tempfile.TemporaryDirectory() as place, Progress(console=Console(stderr=True)) as progress:
        folder = Path(place)
        signer = record(folder)
        whole = verify(folder / "data", signer.key, (folder / "anchors",))
        size = f"{whole.records} records, {whole.checkpoints} checkpoints"
        figures.say("the folder, untouched", f"{size}, {len(whole.problems)} problems", well=not whole.problems)
        task, total = progress.add_task("tampering", total=trials * len(KINDS)), Counter[str]()
        for kind in KINDS:
            anchored, alone = tamper(folder, kind, trials, signer, lambda: progress.advance(task))
            total.update(anchored=anchored, alone=alone)
            said = f"{anchored} of {trials} noticed; without an anchor {alone}"
            figures.say(kind.__name__.replace("_", " "), said, well=anchored == trials)
        figures.say("all", f"{total['anchored']} of {trials * len(KINDS)}; without an anchor {total['alone']}")
        other = many(folder / "many", calls)
        code, seconds = verified_by_others(folder / "many", other)
        said, well = f"exit {code}, {seconds:.1f} s", not code and seconds <= LIMIT_S
        figures.say(f"{2 * calls:,} records by the packed verifier (limit {LIMIT_S} s)", said, well=well)
    figures.say("seconds", round(time.monotonic() - began))
    figures.end(page, HEADING, INTRODUCTION)


if __name__ == "__main__":
    main()
