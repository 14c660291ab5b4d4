"""Gateway, recorder and control database in one process, under one clock that the simulated provider moves."""

import asyncio
import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
from fastapi import APIRouter

from demo.provider import corpus, model
from demo.provider.faults import Faults
from demo.provider.server import Provider
from demo.samples.read import AUTOMATIONS
from demo.weeks.clock import DemoClock, Pauses
from demo.weeks.upstream import NAME, InProcess
from gateway.app import create_app
from gateway.control import leases, weekly
from gateway.control.identity.keys import KeySpec, create_key
from gateway.control.identity.roles import Identity, local_operator
from gateway.control.identity.tenants import DEFAULT_TENANT
from gateway.control.leases import Lease
from gateway.holds.agenda import AGENDA, Agenda
from gateway.holds.reviewing import ReviewDesk
from gateway.intake import Intake
from gateway.keeper.activator import activate
from gateway.keeper.certificates import CertificateWatch
from gateway.keeper.relay import Relay
from gateway.keeper.weekly import ReviewBuilder
from gateway.machine.prepare import control_database
from gateway.routes import events, outcomes, reviews
from gateway.routes.all import hidden_ids
from gateway.sealer import Sealer
from gateway.settings import Settings
from gateway.wiring import Parts, World, open_parts
from metrics.client import Table, Watermark
from metrics.health.questions import all_questions
from metrics.health.review.serve import made
from metrics.proof.anchor import Anchorage
from metrics.proof.auditor import Auditor
from metrics.proof.signer import Signer
from metrics.record.fileops import OsFiles
from metrics.record.recorder import Pace, Recorder
from metrics.record.service import Service
from metrics.record.token import Grant
from policy.load import load_tree

MARK: Final = "DEMO"
_SHIPPED: Final = Path(__file__).with_name("policies")
_TEAMS: Final = dict(zip(AUTOMATIONS, ("service-desk", "sales-ops", "sales-ops", "support"), strict=True))
_YEAR_S: Final = 366 * 86_400
_PATIENCE_S: Final = 120.0
_PACE: Final = Pace(poll_s=0.1, batch_s=0.4, refresh_s=2.0)


class Unsynced(OsFiles):
    """Files that are left to the operating system: weeks would take hours if each record were forced to the disk."""

    def sync(self, fd: int) -> None:
        """Do nothing."""


class NotTheDemosError(RuntimeError):
    """The folder holds something that the demo did not make; the sentence says what to do."""


@dataclass
class Stage:
    """What the demo plays on."""

    settings: Settings
    clock: DemoClock
    parts: Parts
    provider: InProcess
    recorder: Recorder
    service: Service
    http: httpx.AsyncClient
    keys: Mapping[str, str]
    lease: Lease
    desk: ReviewDesk
    agenda: Agenda

    @property
    def operator(self) -> Identity:
        """Whoever runs the demo."""
        return local_operator(DEFAULT_TENANT)

    def query(self, name: str, **given: Any) -> Table:
        """Ask a named question of the ledger."""
        grant = Grant("demo", DEFAULT_TENANT, ("viewer",))
        said = {key: value for key, value in given.items() if value is not None}
        answer = self.service.ask(grant, name, said, arrow=False)
        rows = [list(row) for row in answer.rows]
        return Table(answer.columns, rows, Watermark(answer.seq, answer.ts_us), answer.truncated)

    async def activate(self) -> None:
        """Bring the policy folder in force as it is now."""
        tree = load_tree(self.settings.policies)
        await asyncio.to_thread(activate, self.parts.database, tree, "demo", self.lease)
        await asyncio.to_thread(self.parts.changes.check)

    async def keep(self) -> None:
        """Do what the keeper does: pass on what waits, follow what changed."""
        while await Relay(self.parts.database, self.parts.journal).pass_on(self.lease):
            pass
        await asyncio.to_thread(self.parts.changes.check)

    async def caught_up(self) -> int:
        """Wait until the ledger knows everything; return the newest number."""
        return await asyncio.to_thread(self._caught_up)

    def _caught_up(self) -> int:
        ends_s = time.monotonic() + _PATIENCE_S
        while not (status := self.recorder.status())["caught_up"]:
            if time.monotonic() > ends_s:
                raise TimeoutError(f"the recorder does not keep up: {status['problem']}")
            time.sleep(0.05)
        return int(status["seq"])

    async def freeze(self, week: str) -> None:
        """Freeze the review of a week, as the keeper does."""
        builder = ReviewBuilder(self.parts.database, lambda tenant, given: made(self.recorder, tenant, given))
        builder.want_all(week, "demo")
        await builder.build(self.lease)
        await self.keep()

    def reviewed(self, week: str) -> dict[str, Any]:
        """Return a frozen review."""
        with self.parts.database.read() as conn:
            found = weekly.frozen(conn, DEFAULT_TENANT, week)
        document: dict[str, Any] = orjson.loads(found.content or b"{}")
        return document

    async def watch_certificates(self) -> None:
        """Bet against the certificates in force, as the keeper does."""
        watch = CertificateWatch(self.parts.database, lambda _tenant: self.query)
        await asyncio.to_thread(watch.look, self.lease)
        await asyncio.to_thread(self.parts.changes.check)


@contextmanager
def own_folder(folder: Path) -> Iterator[Path]:
    """Make the demo's folder afresh.

    Raises:
        NotTheDemosError: it holds something else.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise NotTheDemosError(f"{folder} holds data that the demo did not make; name an empty folder.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    (folder / MARK).write_text(
        "Everything in this folder was invented by `sluice demo`; it is deleted with the next.\n"
    )
    shutil.copytree(_SHIPPED, folder / "policies")
    yield folder


@asynccontextmanager
async def open_stage(settings: Settings, clock: DemoClock, seed: int) -> AsyncIterator[Stage]:
    """Open everything; the recorder runs on a thread of its own."""
    pauses = Pauses(clock)
    application = Provider(model.build(corpus.load()), pauses, Faults({}, seed), seed=seed)
    provider = InProcess(clock, pauses, application)
    environ = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ}
    with control_database(settings):
        pass
    anchors = Anchorage([], clock.us)
    recorder = Recorder(
        settings.data,
        environ,
        clock.us,
        _PACE,
        lambda master: Auditor(settings.data, Signer(master), clock.us, anchors),
    )
    recorder.start()
    try:
        # Audit coins fall by the calls' ids: with ids of chance no two plays of one seed would be alike.
        ids = random.Random(f"ids:{seed}").randbytes
        world = World(clock.us, clock.ns, provider.upstreams, Unsynced(), ids)
        async with open_parts(settings, environ, "demo", world) as parts:
            lease = await asyncio.to_thread(leases.acquire, parts.database, "keeper", "demo", _YEAR_S)
            assert lease is not None
            keys = {name: _key(parts, name) for name in AUTOMATIONS}
            desk = ReviewDesk(parts.reviews, parts.pipeline.snapshot, parts.pipeline.redactors)
            sealer = Sealer(parts.master, AGENDA)
            agenda = Agenda(parts.database, sealer, parts.pipeline.snapshot, parts.pipeline.redactors)
            service = Service(recorder, now_s=clock.now_s, questions=all_questions())
            app = create_app(parts.pipeline, _routers(parts, desk), kept=parts.responses)
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://demo/v1") as http:
                yield Stage(settings, clock, parts, provider, recorder, service, http, keys, lease, desk, agenda)
            leases.release(parts.database, lease)
    finally:
        await asyncio.to_thread(recorder.close)


def _key(parts: Parts, automation: str) -> str:
    spec = KeySpec(name="demo", automation=automation, team=_TEAMS[automation], environment="demo")
    return create_key(parts.database, DEFAULT_TENANT, spec, local_operator(DEFAULT_TENANT))[0]


def _routers(parts: Parts, desk: ReviewDesk) -> list[APIRouter]:
    intake = Intake(parts.pipeline, hidden_ids(parts.master))
    return [outcomes.router(intake), events.router(intake), reviews.router(desk, parts.pipeline.directory)]


def settings_of(settings: Settings, folder: Path) -> Settings:
    """Point settings at the demo's own folder and provider."""
    database = f"sqlite:///{folder / 'control.db'}"
    return replace(settings, data=folder, policies=folder / "policies", upstream=NAME, database_url=database)
