"""Exports as jobs of the recorder: asked for over HTTP by auditors, made one after the other, resumed after a kill."""

from __future__ import annotations

import logging
import queue
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import duckdb
import orjson
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from metrics.proof.bundle import Job, Maker, NotSignedYetError
from metrics.proof.manifest import Scope
from metrics.proof.profiles import PROFILES
from metrics.record.ledger_file import NotReadyError
from metrics.record.recorder import Recorder
from metrics.record.refusals import QueryError
from metrics.record.service import NotAllowedError, Service, UnknownQueryError, body_of
from metrics.record.token import Grant

KEPT_US: Final = 7 * 24 * 3600 * 1_000_000
AGAIN_S, STOP_S = 1.0, 3.0
_LOG: Final = logging.getLogger("sluice.exports")
_TROUBLE = (duckdb.Error, NotReadyError, NotSignedYetError, OSError, ValueError, LookupError)
_MAX_US: Final = 2**62


class Wanted(BaseModel):
    """What an auditor asks for; times are UTC microseconds, the end does not belong to the range."""

    model_config = ConfigDict(extra="forbid")
    since_us: int = Field(ge=0, le=_MAX_US)
    until_us: int = Field(ge=0, le=_MAX_US)
    automations: list[str] = Field(default_factory=list, max_length=1000)
    profile: str = Field(default="soc2")
    legal_basis: str = Field(default="", max_length=500)
    time_zone: str = Field(default="UTC", max_length=64)

    def scope(self, grant: Grant) -> Scope:
        """Return it for whoever asks. Raises `QueryError` with a sentence."""
        if self.profile not in PROFILES:
            raise QueryError(f"there is no profile {self.profile!r}; there are {', '.join(PROFILES)}")
        if self.since_us >= self.until_us:
            raise QueryError("the range is empty: its end must lie after its beginning")
        if any("," in name for name in self.automations):
            raise QueryError("an automation's name holds no comma")
        chosen = tuple(sorted(set(self.automations)))
        about = (self.legal_basis, self.time_zone)
        return Scope(grant.tenant, self.since_us, self.until_us, chosen, self.profile, grant.sub, *about)


class Exports:
    """One thread makes bundles below DATA/exports; they are dropped a week after they were made."""

    def __init__(self, recorder: Recorder, maker: Maker) -> None:
        self._recorder, self._maker = recorder, maker
        self.folder = recorder.data / "exports"
        self._jobs: dict[str, Job] = {}
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="exports", daemon=True)

    def start(self) -> None:
        """Go on with what a process before left unfinished, then take what is asked for."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self.folder.glob("*/job.json")):
            try:
                job = Job.read(path.parent)
            except (OSError, ValueError, KeyError, TypeError) as problem:  # of another version, or damaged
                _LOG.warning("export %s is given up: %s", path.parent.name, type(problem).__name__)
                self._drop(path.parent.name)
                continue
            self._jobs[path.parent.name] = job
            if job.state != "done":
                self._waiting.put(path.parent.name)
        self._thread.start()

    def close(self) -> None:
        """Stop after the part at hand, or in its middle if that takes long; the rest is made after the next start."""
        self._stop.set()
        self._waiting.put("")
        if self._thread.ident:
            self._thread.join(STOP_S)

    def ask(self, scope: Scope) -> str:
        """Begin an export, or return the one that is being made of the very same scope."""
        name = scope.export_id
        with self._lock:
            known = self._jobs.get(name)
            if known is None or known.state == "done":
                self._begin(name, scope)
        return name

    def job(self, tenant: str, name: str) -> Job:
        """Return a job of a tenant. Raises `UnknownQueryError`."""
        job = self._jobs.get(name)
        if job is None or job.scope.tenant != tenant:
            raise UnknownQueryError("there is no such export")
        return job

    def listed(self, tenant: str) -> list[dict[str, Any]]:
        """List the exports of a tenant, the newest first."""
        mine = [(name, job) for name, job in self._jobs.items() if job.scope.tenant == tenant]
        return [shown(name, job) for name, job in sorted(mine, key=lambda each: -each[1].asked_us)]

    def bundle(self, name: str) -> Path:
        """Return where a bundle is."""
        return self.folder / f"{name}.zip"

    def _begin(self, name: str, scope: Scope) -> None:
        now_us = self._recorder.now_us()
        for old, job in list(self._jobs.items()):
            if job.state == "done" and (job.asked_us < now_us - KEPT_US or old == name):
                self._drop(old)
        job = Job(scope, self._recorder.state.progress.seq, now_us)
        (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        job.keep(self.folder / name)
        self._jobs[name] = job
        self._waiting.put(name)

    def _drop(self, name: str) -> None:
        shutil.rmtree(self.folder / name, ignore_errors=True)
        self.bundle(name).unlink(missing_ok=True)
        self._jobs.pop(name, None)

    def _work(self) -> None:
        while not self._stop.is_set():
            name = self._waiting.get()
            if name and not self._made(name):
                self._stop.wait(AGAIN_S)
                self._waiting.put(name)  # after the others: one that cannot be made holds up none

    def _made(self, name: str) -> bool:
        """Make a bundle as far as it goes; tell whether it is done."""
        job, folder = self._jobs[name], self.folder / name
        try:
            if job.all_rows is None:
                job.all_rows = self._maker.count(job)
            for _ in self._maker.steps(job, folder):
                job.problem = None
                if self._stop.is_set():
                    return False
            self._finish(name, job)
        except _TROUBLE as problem:
            job.problem = str(problem).splitlines()[0]
            _LOG.warning("export %s waits: %s", name, type(problem).__name__)
            return False
        return True

    def _finish(self, name: str, job: Job) -> None:
        """Record that it was made, then let it be fetched; the parts are not needed any more."""
        folder, scope = self.folder / name, job.scope
        said = {"export_id": name, "profile": scope.profile, "since_us": scope.since_us, "until_us": scope.until_us}
        said |= {"automations": list(scope.automations), "rows": sum(part.rows for part in job.parts)}
        self._recorder.tell("export.made", scope.actor, scope.tenant, **said, manifest_sha256=job.sha256)
        replace(job, state="done").keep(folder)
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "job.json":
                path.unlink()
        job.state = "done"  # last: whoever sees it may ask for the same again


def shown(name: str, job: Job) -> dict[str, Any]:
    """Return a job as it is shown."""
    scope = job.scope
    about: dict[str, Any] = {
        "object": "export",
        "id": name,
        "state": job.state,
        "profile": scope.profile,
        "actor": scope.actor,
    }
    about |= {"since_us": scope.since_us, "until_us": scope.until_us, "automations": list(scope.automations)}
    about |= {"asked_us": job.asked_us, "rows": job.done_rows, "of_rows": job.all_rows, "problem": job.problem}
    return about | {"bytes": job.bytes, "manifest_sha256": job.sha256}


def add_exports(app: FastAPI, service: Service, exports: Exports) -> None:
    """Add `/v1/exports` to the recorder's application; all of it needs the role auditor."""

    @app.post("/v1/exports")
    async def ask(request: Request) -> dict[str, Any]:
        grant = _auditor(service, request)
        name = await run_in_threadpool(exports.ask, _wanted(await body_of(request)).scope(grant))
        return shown(name, exports.job(grant.tenant, name))

    @app.get("/v1/exports")
    def listed(request: Request) -> dict[str, Any]:
        return {"object": "list", "data": exports.listed(_auditor(service, request).tenant)}

    @app.get("/v1/exports/{name}")
    def one(name: str, request: Request) -> dict[str, Any]:
        return shown(name, exports.job(_auditor(service, request).tenant, name))

    @app.get("/v1/exports/{name}/bundle")
    def bundle(name: str, request: Request) -> FileResponse:
        grant = _auditor(service, request)
        if exports.job(grant.tenant, name).state != "done":
            raise UnknownQueryError("this export is not made yet")
        service.recorder.tell("export.fetched", grant.sub, grant.tenant, export_id=name)
        return FileResponse(exports.bundle(name), media_type="application/zip", filename=f"{name}.zip")


def _auditor(service: Service, request: Request) -> Grant:
    grant = service.grant(request)
    if "auditor" not in grant.roles:
        raise NotAllowedError("exports need the role auditor")
    return grant


def _wanted(body: bytes) -> Wanted:
    try:
        return Wanted.model_validate(orjson.loads(body or b"{}"))
    except ValidationError as problem:
        first = problem.errors()[0]
        raise QueryError(f"{'.'.join(map(str, first['loc'])) or 'the request'}: {first['msg']}") from problem
    except orjson.JSONDecodeError as problem:
        raise QueryError("the parameters of an export are a JSON object") from problem
