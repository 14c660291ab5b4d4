"""`make campaign-trust`, second part: a thousand people, a hundred erased; kill -9 while erasing; 400 days.

The people are seeded through a real product: each calls twice under a subject of its own, once under an
Idempotency-Key, once while the automation is stopped, so that a review keeps its values; each has a run whose payloads
are sealed under the run's key. The keeper of the running product erases.
"""

import http.client
import json
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.clock_days import Lives, killed_days, play
from benchmarks.erased import Person, hits, in_items, needles, opened, texts_of
from benchmarks.servers import ROOT
from benchmarks.stand import KEY, Figures, Stand, page_option, standing
from gateway.control import erasures, stops
from gateway.control.database import Database, open_database
from gateway.control.erasures import DONE
from gateway.control.identity.bootstrap import bootstrap
from gateway.control.identity.roles import local_operator
from gateway.control.migrations import upgrade
from gateway.trust.erasing import Eraser, local_stores
from metrics.proof.erasure import ErasureList, Target
from metrics.proof.offline import verify
from metrics.proof.signer import Signer
from metrics.record.journal import open_keystore
from metrics.record.keystore import KeyStore
from metrics.record.master import MasterKey

HEADING = "## make campaign-trust: erasure and retention"
INTRODUCTION = """A thousand people through a real product (two calls, a review, an idempotency reply, a run's key
each), a hundred erased by its keeper; then every byte of every file is searched for their values, as it stands and
unpacked, in six encodings and as unsalted hashes, and everything is opened that any key still opens. Then erasures are
killed (-9) at random points, and so is retention, while the ledger is copied. Then 400 days pass by a clock that is an
argument: retention each day, with holds."""
TENANT = "default"
BY = local_operator(TENANT)
AUTOMATION = "default"


@dataclass(frozen=True)
class Stores:
    """The stores of a data folder, opened beside the product."""

    data: Path
    database: Database
    keystore: KeyStore
    master: MasterKey

    def eraser(self) -> Eraser:
        return Eraser(
            self.database, local_stores(self.database, self.keystore, self.data), ErasureList(self.data), "bench"
        )


@contextmanager
def stores(data: Path) -> Iterator[Stores]:
    keystore, master = open_keystore(data, {})
    database = open_database(f"sqlite:///{data / 'control.db'}")
    try:
        yield Stores(data, database, keystore, master)
    finally:
        database.close()
        keystore.close()


def people(count: int) -> list[Person]:
    """Make people whose every value is found nowhere else."""
    made = []
    for number in range(count):
        token = secrets.token_hex(5)
        digits = f"{secrets.randbelow(10**8):08d}"
        made.append(Person(f"customer-{number}-{token}", f"p{token}@mail{number}.example.org", f"+49 30 {digits}"))
    return made


class Caller:
    """One connection that calls as the automation."""

    def __init__(self, stand: Stand) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", stand.port, timeout=60)

    def ask(self, path: str, body: dict[str, Any], **more: str) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"} | {
            name.replace("_", "-"): value for name, value in more.items()
        }
        self._connection.request("POST", path, json.dumps(body), headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def chat(self, person: Person, **more: str) -> int:
        said = f"I am {person.email}, call me at {person.phone}."
        body = {"model": "bench-model", "messages": [{"role": "user", "content": said}]}
        return self.ask("/v1/chat/completions", body, x_sluice_subject=person.subject, **more)[0]

    def close(self) -> None:
        self._connection.close()


def seed(stand: Stand, house: Stores, everybody: list[Person]) -> dict[str, str]:
    """Record two calls of each person, one of them held; return each one's wrapped run key."""
    wrapped: dict[str, str] = {}
    with closing(Caller(stand)) as caller:
        for person in everybody:
            assert caller.chat(person, idempotency_key=person.subject) == 200
            run = {"run": f"run-{person.subject}", "subject": person.subject}
            status, made = caller.ask("/v1/run-keys", {"runs": [run]})
            assert status == 200, made
            wrapped[person.subject] = made["data"][0]["wrapped"]
        stops.stop(house.database, BY, AUTOMATION)
        time.sleep(1.5)
        assert {caller.chat(person) for person in everybody} == {423}
    return wrapped


def run_keys_left(stand: Stand, wrapped: dict[str, str], everybody: list[Person]) -> int:
    """Count the people whose queued payloads can still be opened."""
    with closing(Caller(stand)) as caller:
        asked = (
            caller.ask("/v1/run-keys/open", {"run": f"run-{each.subject}", "wrapped": wrapped[each.subject]})[0]
            for each in everybody
        )
        return sum(status == 200 for status in asked)


def erase(house: Stores, gone: list[Person]) -> float:
    """Ask for erasures and wait until the product's keeper has done them; return the seconds."""
    began = time.monotonic()
    asked = [erasures.request(house.database, BY, _target(house, person), "gdpr-17") for person in gone]
    waiting = {each.erasure_id for each in asked}
    while waiting & {each.erasure_id for each in erasures.unfinished(house.database)}:
        time.sleep(0.2)
    return time.monotonic() - began


def _target(house: Stores, person: Person) -> Target:
    ref = house.keystore.find_subject(TENANT, person.subject)
    return Target(TENANT, (ref,) if ref else ())


def erasing(folder: Path, count: int, share: int, figures: Figures) -> None:
    """Seed people, erase some of them, and look for what is left."""
    everybody = people(count)
    gone, others = everybody[:: count // share], [p for n, p in enumerate(everybody) if n % (count // share)]
    with standing(at=folder) as stand, stores(stand.data) as house:
        wrapped = seed(stand, house, everybody)
        time.sleep(3)
        known = {person.subject: person for person in everybody}
        before = opened(stand.data, house.database, house.keystore, house.master, TENANT)
        figures.say("people whose address was opened before", in_items(known, before.items))
        refs = {person.subject: house.keystore.find_subject(TENANT, person.subject) for person in everybody}
        seconds = erase(house, gone)
        figures.say(f"seconds to erase {len(gone)} of {count} (limit 60)", round(seconds, 1), well=seconds < 60)
        after = opened(stand.data, house.database, house.keystore, house.master, TENANT)
        lost = sum(after.frames.get(refs[p.subject] or "") != before.frames.get(refs[p.subject] or "?") for p in others)
        left = sum(bool(after.frames.get(refs[person.subject] or "")) for person in gone)
        figures.say("erased people of whom a key still opens a text", left, well=not left)
        figures.say("others of whom a text is lost", lost, well=not lost)
        kept = in_items({person.subject: person for person in others}, after.items)
        figures.say(f"others whose review still opens, of {len(others)}", kept, well=kept == len(others))
        found = in_items({person.subject: person for person in gone}, after.items)
        figures.say("erased people whose address is in any item", found, well=not found)
        runs = run_keys_left(stand, wrapped, gone), run_keys_left(stand, wrapped, others)
        figures.say("erased and other people whose queued payloads open", f"{runs[0]} and {runs[1]}",
                    well=runs == (0, len(others)))  # fmt: skip
        signer = Signer(house.master)
    files = list(texts_of(folder))
    planted = [(str(place), b"x" * place + needle) for place, needle in enumerate(needles(others[0].email))]
    seen = len(hits(planted, others[:1]))
    figures.say("values planted for the search, found", f"{seen} of {len(planted)}", well=seen == len(planted))
    found_in = hits(files, gone)
    size = sum(len(data) for _, data in files)
    figures.say(
        f"hits of erased values in {size / 1e6:.0f} MB of files and their contents", len(found_in), well=not found_in
    )
    problems = verify(folder / "data", signer.key).problems
    figures.say("problems found by the verifier afterwards", len(problems), well=not problems)


def killed(folder: Path, kills: int, figures: Figures) -> None:
    """Kill a process that erases, again and again; the next one finishes."""
    data = folder / "data"
    with stores(data) as house:
        upgrade(house.database)
        bootstrap(house.database, None)
        for number in range(20 * kills):
            house.keystore.subject_key(TENANT, f"subject-{number}")
    rng, halves, unfinished = random.Random("kill"), 0, 0
    for _ in range(kills):
        worker = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.campaign_erasure", "--worker", str(data)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        assert worker.stdout
        worker.stdout.readline()
        time.sleep(rng.uniform(0, 0.4))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
        with stores(data) as house:
            unfinished += len(erasures.unfinished(house.database))
            house.eraser().work()
            halves += len(erasures.unfinished(house.database))
            halves += _halves(house)
    figures.say(f"kill -9 while erasing: {kills} kills, erasures they interrupted", unfinished, well=unfinished > 0)
    figures.say("erasures left half done after the next start", halves, well=not halves)


def _halves(house: Stores) -> int:
    """Count the erasures that say they are done and of whose subject something is left, or that are not on the list."""
    listed = {each.erasure_id for each in ErasureList(house.data).entries()}
    done = erasures.listed(house.database, BY)
    refs = house.keystore.subjects_before(2**62)
    return sum(
        each.state != DONE or each.erasure_id not in listed or bool(refs & set(each.target.subject_refs))
        for each in done
    )


def work(data: Path) -> None:
    """Erase one subject after the other until killed."""
    with stores(data) as house:
        eraser, refs = house.eraser(), sorted(house.keystore.subjects_before(2**62))
        click.echo("ready")
        for ref in refs:
            erasures.request(house.database, BY, Target(TENANT, (ref,)), "other")
            eraser.work()


def days(folder: Path, figures: Figures) -> None:
    """Let 400 days pass, with records on each fourth and a run on each."""
    lives = Lives(content=30, longer=90, metadata=183, health=250, audit=300)
    verdict = play(folder, range(0, 400, 4), lives, lift_at=330, until=401)
    destroyed = sum(sum(outcome.keys.values()) for outcome in verdict.outcomes)
    records = sum(outcome.records for outcome in verdict.outcomes)
    figures.say("400 days: runs, keys destroyed, records taken out", f"{len(verdict.outcomes)}, {destroyed}, {records}")
    figures.say(
        "looks at single records; of which kept by holds alone", f"{verdict.looks:,}; {verdict.kept_by_holds:,}"
    )
    wrong = dict(verdict.wrong) or "none"
    figures.say("gone early, late by a day, or though held", wrong, well=not verdict.wrong)
    with stores(folder) as house:
        problems = verify(folder, Signer(house.master).key).problems
    figures.say("problems found by the verifier after 400 days", len(problems), well=not problems)


@click.command()
@click.option("--people", "count", default=1000, show_default=True)
@click.option("--kills", default=50, show_default=True)
@click.option("--days/--no-days", "with_days", default=True)
@click.option("--worker", type=click.Path(path_type=Path), hidden=True)
@page_option
def main(count: int, kills: int, with_days: bool, worker: Path | None, page: Path | None) -> None:
    """Seed, erase, search; kill; let time pass; exit 1 when a figure is missed."""
    if worker:
        work(worker)
        return
    figures, began = Figures(), time.monotonic()
    place = Path(tempfile.mkdtemp(prefix="sluice-erasure-"))
    try:
        erasing(place / "house", count, count // 10, figures)
        killed(place / "killed", kills, figures)
        wrong, problems = killed_days(place / "killed-days", kills)
        said = f"kill -9 while retention runs: {kills} kills, records early, late or lost"
        figures.say(said, wrong or "none", well=not wrong)
        figures.say("problems found by the verifier after them", problems, well=not problems)
        if with_days:
            days(place / "days", figures)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    figures.say("seconds", round(time.monotonic() - began))
    figures.end(page, HEADING, INTRODUCTION)


if __name__ == "__main__":
    main()
