"""The composition root of a gateway worker: from settings to everything a call needs."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter_ns
from typing import Final

from gateway.admission import Limits
from gateway.allowances.brake import Brake, shared_brake
from gateway.allowances.meter import Meter
from gateway.allowances.purses import Purses
from gateway.answers import SealedAnswers
from gateway.control.budgets import ControlStore
from gateway.control.certificates import Withdrawn
from gateway.control.database import Database, open_database, random_id
from gateway.control.directory import Directory
from gateway.control.watch import ChangeWatch
from gateway.holds.hold import Holds
from gateway.holds.stops import Stops
from gateway.holds.texts import REVIEWS, ReviewTexts
from gateway.holds.waiting import Waiting
from gateway.inforce import InForce
from gateway.lessons import Lessons
from gateway.machine.ports import is_own_listener
from gateway.pipeline import Pipeline
from gateway.providers.base import Upstreams
from gateway.providers.http import Connections
from gateway.providers.pool import ProviderPool
from gateway.redactors import CompiledRedactors, needs_detectors
from gateway.resilience.tries import shared_tries
from gateway.responses.conversations import Conversations
from gateway.responses.leased import LeasedJobs
from gateway.responses.reviewed import ReviewedStore
from gateway.responses.runner import Runner
from gateway.responses.store import SealedStore
from gateway.responses.turn import Queue
from gateway.run_keys import RunKeys
from gateway.sealer import Sealer
from gateway.settings import Settings
from gateway.stages.judge import Assurance
from gateway.stages.reuse import Reuse
from gateway.watch import Desk
from metrics.record.fileops import FileOps, OsFiles
from metrics.record.ids import utc_us
from metrics.record.journal import FileJournal, Journal, Options, open_keystore, writer_id
from metrics.record.keystore import KeyStore
from metrics.record.master import MasterKey
from policy.snapshot import Snapshot
from redaction.presidio.detectors import Detectors

# Each worker has its own: two workers make two detector processes, one for each core of a small machine.
DETECTORS_PER_WORKER: Final = 1


@dataclass(frozen=True, slots=True)
class Parts:
    """What one worker is made of."""

    settings: Settings
    database: Database
    directory: Directory
    in_force: InForce
    changes: ChangeWatch
    journal: Journal
    master: MasterKey
    detectors: Detectors
    connections: Connections
    pipeline: Pipeline
    purses: Purses
    responses: Conversations
    runner: Runner
    writer: str
    reviews: ReviewTexts
    run_keys: RunKeys
    keystore: KeyStore


@dataclass(frozen=True, slots=True)
class World:
    """What a worker takes from outside: time, files, chance, who answers its calls. Only the demo hands in its own."""

    clock_us: Callable[[], int] = utc_us
    clock_ns: Callable[[], int] = perf_counter_ns
    upstreams: Callable[[Snapshot], Upstreams] | None = None
    files: FileOps = field(default_factory=OsFiles)
    random_bytes: Callable[[int], bytes] = secrets.token_bytes  # of ids


@asynccontextmanager
async def open_parts(
    settings: Settings, environ: Mapping[str, str], role: str, world: World | None = None
) -> AsyncIterator[Parts]:
    """Open everything a worker needs, and close it in the end: the journal last, when no call can write any more."""
    world = world or World()
    keystore, master = open_keystore(settings.data, environ)
    writer = writer_id(role)
    journal = FileJournal(settings.data, writer, keystore, Options(world.files, world.clock_us))
    connections = Connections()
    database = open_database(settings.database_url, world.clock_us)
    detectors = Detectors(DETECTORS_PER_WORKER)
    redactors = CompiledRedactors(lambda tenant: master.derive(f"redaction/values/{tenant}"), detectors.detector)
    directory = Directory(world.clock_us)
    in_force = InForce(_preparing(directory, redactors, detectors))
    lessons, waiting, withdrawn, stops = Lessons(), Waiting(), Withdrawn(), Stops()
    changes = ChangeWatch(database, (directory, in_force, lessons, waiting, withdrawn, stops))
    pool = ProviderPool(connections, settings.upstream, environ, lambda url: is_own_listener(url, settings))
    upstreams = world.upstreams or pool.of
    recording = desk(journal, shared_brake(settings.data), world)
    purses = Purses(ControlStore(database, writer), world.clock_us)
    subject_ref = partial(_subject_ref, keystore)
    reuse = Reuse(SealedAnswers(database, master, subject_ref))
    meter, tries = Meter(purses, world.clock_us), shared_tries(settings.data)
    holds = Holds(ReviewTexts(database, Sealer(master, REVIEWS)), waiting, random_id, subject_ref)
    pipeline = Pipeline(
        directory, in_force.current, redactors, upstreams, recording, Limits(), meter, tries, reuse, lessons,
        assurance=Assurance(withdrawn, master.derive("gateway/audit-coins")), holds=holds, stops=stops,
    )  # fmt: skip
    kept = SealedStore(database, master, subject_ref)
    jobs = LeasedJobs(kept, writer)
    runner = Runner(pipeline, jobs)
    responses = Conversations(ReviewedStore(kept, holds.texts), Queue(jobs, runner.wake, world.clock_us, runner.bell))
    try:
        yield Parts(
            settings, database, directory, in_force, changes, journal, master, detectors, connections, pipeline, purses,
            responses, runner, writer, holds.texts, RunKeys(keystore), keystore,
        )  # fmt: skip
    finally:
        await pipeline.shadows.close()
        await holds.close()
        await purses.close()
        await detectors.close()
        await connections.close()
        await journal.close()
        keystore.close()
        database.close()


def _subject_ref(keystore: KeyStore, tenant: str, subject: str) -> str:
    return keystore.subject_key(tenant, subject)[0]


def _preparing(directory: Directory, redactors: CompiledRedactors, detectors: Detectors) -> Callable[[Snapshot], None]:
    """Return what is done with a snapshot before it comes in force. It runs outside the event loop."""
    loop = asyncio.get_running_loop()

    def prepare(snapshot: Snapshot) -> None:
        redactors.prepare(snapshot, directory.facts())
        if needs_detectors(snapshot):
            loop.call_soon_threadsafe(detectors.start)

    return prepare


def desk(journal: Journal, brake: Brake | None = None, world: World | None = None) -> Desk:
    """Return the desk with the machine's own clock, unless another is given, and chance."""
    world = world or World()
    chance = Chance(world.random_bytes)
    return Desk(journal, world.clock_us, world.clock_ns, chance.id, chance.hex, brake or Brake())


class Chance:
    """Random bytes as hexadecimal digits; asking the system for each few of them would cost more than a stage."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._digits, self._at = "", 0

    def hex(self, size: int) -> str:
        """Give so many random bytes."""
        begin, self._at = self._at, self._at + 2 * size
        if self._at > len(self._digits):
            self._digits, begin, self._at = self._random_bytes(2048).hex(), 0, 2 * size
        return self._digits[begin : self._at]

    def id(self, prefix: str, ts_us: int) -> str:
        """Return an id that sorts by time: 14 hexadecimal digits of microseconds, 16 of chance."""
        return f"{prefix}{ts_us:014x}{self.hex(8)}"
