"""Plays days of retention by a clock that is an argument; says what went too early, too late, or though it was held."""

import asyncio
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import click

from benchmarks.servers import ROOT
from metrics.proof.auditor import Auditor
from metrics.proof.offline import verify
from metrics.proof.retainer import Retainer
from metrics.proof.retention import LegalHold, Outcome, Rule, Rules
from metrics.proof.signer import Signer
from metrics.record.content import Content, ContentGoneError
from metrics.record.events import Event
from metrics.record.journal import FileJournal, Options
from metrics.record.keystore import KeyStore
from metrics.record.ledger_file import Door, NotReadyError
from metrics.record.master import master_key
from metrics.record.recorder import Pace, Recorder

DAY_US: Final = 86_400_000_000
START_US: Final = 20_500 * DAY_US
TENANT: Final = "acme"
HELD_SUBJECT: Final = "plaintiff"
_PATIENCE_S = 120


class Lives(NamedTuple):
    """Days that each class is kept: content of two automations, records of two data classes, audit records."""

    content: int
    longer: int
    metadata: int
    health: int
    audit: int


KILLED: Final = Lives(content=5, longer=9, metadata=12, health=15, audit=20)


@dataclass(frozen=True)
class Made:
    """One record: the day it was made, how long its content and itself are kept, and by what it may be held."""

    event_id: str
    day: int
    content: int | None
    record: int
    subject: str | None = None
    automation: str | None = None


@dataclass
class Clock:
    """The time, as everything in the play sees it."""

    now_us: int = START_US

    def __call__(self) -> int:
        return self.now_us


@dataclass
class Verdict:
    """What went wrong, by kind, and how many looks there were."""

    looks: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    kept_by_holds: int = 0
    outcomes: list[Outcome] = field(default_factory=list)


def records_of(day: int, lives: Lives) -> Iterator[Made]:
    """List what is recorded on one day."""
    for name, subject, automation, kept, life in (
        ("a", None, "triage", lives.content, lives.metadata),
        ("b", None, "support", lives.longer, lives.metadata),
        ("c", HELD_SUBJECT, "triage", lives.content, lives.metadata),
        ("d", f"person-{day}", "frozen", lives.content, lives.metadata),
        ("h", None, "clinic", lives.content, lives.health),
    ):
        yield Made(f"{name}{day}.e", day, kept, life, subject, automation)
    yield Made(f"key{day}", day, None, lives.audit)


async def write(data: Path, clock: Clock, keystore: KeyStore, made: list[Made]) -> None:
    """Record one day as one writer."""
    journal = FileJournal(data, f"w{clock.now_us}", keystore, Options(clock=clock))
    for each in made:
        if each.content is None:
            await journal.commit(Event(each.event_id, "key.created", clock(), TENANT, actor="usr_1"))
            continue
        call = each.event_id.removesuffix(".e")
        body = {"call_id": call, "outcome": "ok", "data_class": "health" if each.automation == "clinic" else None}
        journal.write(Event(f"{call}.b", "call.begin", clock(), TENANT, each.automation, body={"call_id": call}))
        content = Content(each.subject, f"content:{each.content}d", {"request": f"words of {call}"})
        await journal.commit(Event(each.event_id, "call.end", clock(), TENANT, each.automation, body=body), content)
    await journal.close()


@contextmanager
def recorded(
    data: Path, days: range, lives: Lives, clock: Clock, house_s: float = 60.0
) -> Iterator[tuple[Recorder, list[Made]]]:
    """Record all days, then lend a recorder that has taken them in."""
    master = master_key(data, {})
    keystore = KeyStore(data / "keys" / "keystore.sqlite", master, clock, durable=False)
    made: list[Made] = []
    for day in days:
        clock.now_us = START_US + day * DAY_US + DAY_US // 2
        today = list(records_of(day, lives))
        asyncio.run(write(data, clock, keystore, today))
        made += today
    keystore.close()
    with recording(data, clock, house_s) as recorder:
        yield recorder, made


@contextmanager
def recording(data: Path, clock: Clock, house_s: float) -> Iterator[Recorder]:
    """Lend a recorder that has taken in everything and knows that the writers are gone."""
    pace = Pace(poll_s=0.005, batch_s=0.005, house_s=house_s)
    recorder = Recorder(data, {}, clock, pace, lambda key: Auditor(data, Signer(key), clock))
    recorder.start()
    try:
        until = time.monotonic() + _PATIENCE_S
        while not (recorder.status()["caught_up"] and _settled(recorder.door)):
            if time.monotonic() > until:
                raise TimeoutError(str(recorder.status()))
            time.sleep(0.01)
        yield recorder
    finally:
        recorder.close()


def retain(data: Path, today: int) -> None:
    """Say that retention begins, and run it for three days, while the ledger is copied: to be killed meanwhile."""
    clock = Clock(START_US + today * DAY_US + 1)
    with recording(data, clock, 0.02) as recorder:
        click.echo("ready")
        ref = recorder.keystore.find_subject(TENANT, HELD_SUBJECT)
        for day in range(today, today + 3):
            clock.now_us = START_US + day * DAY_US + 1
            with suppress(NotReadyError):  # the copy is being put in its place
                Retainer(recorder).run(_rules(KILLED, _holds(ref, 0, 1)), "keeper")
            time.sleep(0.05)


def killed_days(data: Path, kills: int) -> tuple[dict[str, int], int]:
    """Kill (-9) processes that run retention, a day later each time; the last one finishes.

    Return what was wrong then, by kind, and how many problems the verifier found.
    """
    clock, verdict, rng = Clock(), Verdict(), random.Random("retention")
    with recorded(data, range(kills), KILLED, clock) as (_, made):
        pass
    for today in range(kills):
        command = [sys.executable, "-m", "benchmarks.clock_days", str(data), str(today)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as worker:
            assert worker.stdout
            worker.stdout.readline()
            time.sleep(rng.uniform(0, 0.6))
            worker.kill()
    clock.now_us = START_US + (kills + 6) * DAY_US + 1
    with recording(data, clock, 60) as recorder:
        holds = _holds(recorder.keystore.find_subject(TENANT, HELD_SUBJECT), 0, 1)
        Retainer(recorder).run(_rules(KILLED, holds), "keeper")
        _look(recorder, made, kills + 6, holds, verdict)
        key = Signer(recorder.master).key
    return dict(verdict.wrong), len(verify(data, key).problems)


def _settled(door: Door) -> bool:
    sql = "SELECT count(*) FROM segments WHERE segment LIKE 'meta/%' AND segment NOT LIKE '%/rec-%' AND NOT done"
    with door.cursor() as cursor:
        row = cursor.execute(sql).fetchone()
    return row == (0,)


def play(data: Path, days: range, lives: Lives, lift_at: int, until: int | None = None) -> Verdict:
    """Run retention at the start of every day, with three kinds of holds, and look at every record each time."""
    clock, verdict = Clock(), Verdict()
    with recorded(data, days, lives, clock) as (recorder, made):
        ref = recorder.keystore.find_subject(TENANT, HELD_SUBJECT)
        retainer = Retainer(recorder)
        for today in range(until or days.stop + lives.audit + 3):
            clock.now_us = START_US + today * DAY_US + 1
            holds = _holds(ref, today, lift_at)
            verdict.outcomes.append(retainer.run(_rules(lives, holds), "keeper"))
            _look(recorder, [each for each in made if each.day <= today], today, holds, verdict)
    return verdict


def _holds(ref: str | None, today: int, lift_at: int) -> tuple[LegalHold, ...]:
    if today >= lift_at:
        return ()
    since, until = (START_US + day * DAY_US for day in (4, 6))
    return (
        LegalHold(TENANT, subject_ref=ref),
        LegalHold(TENANT, automation="frozen"),
        LegalHold(TENANT, since_us=since, until_us=until),
    )


def _rules(lives: Lives, holds: tuple[LegalHold, ...]) -> Rules:
    everybody = Rule({}, lives.metadata, lives.audit)
    return Rules((everybody, Rule({"data_class": ["health"]}, lives.health, lives.audit)), holds, lives.audit)


def _look(recorder: Recorder, made: list[Made], today: int, holds: tuple[LegalHold, ...], verdict: Verdict) -> None:
    with recorder.door.cursor() as cursor:
        there = {row[0] for row in cursor.execute("SELECT event_id FROM events").fetchall()}
    for each in made:
        held = bool(holds) and (each.subject == HELD_SUBJECT or each.automation == "frozen" or each.day in (4, 5))
        verdict.looks += 1
        verdict.kept_by_holds += held and today > each.day + each.record
        _judge(verdict, "record", each.event_id in there, held or today <= each.day + each.record)
        if (each.content is not None and abs(today - each.day - each.content) <= 2) or (each.content and held):
            readable = _readable(recorder, each.event_id)
            _judge(verdict, "content", readable, held or today <= each.day + (each.content or 0))


def _judge(verdict: Verdict, what: str, there: bool, due: bool) -> None:
    if there != due:
        verdict.wrong[f"{what} {'late' if there else 'early'}"] += 1


def _readable(recorder: Recorder, event_id: str) -> bool:
    try:
        return recorder.contents.read(TENANT, event_id).opened.fields["request"] == f"words of {event_id[:-2]}"
    except ContentGoneError:
        return False


if __name__ == "__main__":
    retain(Path(sys.argv[1]), int(sys.argv[2]))
