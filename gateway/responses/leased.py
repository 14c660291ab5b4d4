"""Jobs in the control database: a worker that dies loses its leases, and another takes its jobs over."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, Integer, Select, bindparam, select

from gateway.control import leases, schema, sealed
from gateway.control.database import Write
from gateway.control.errors import Conflict
from gateway.control.leases import Lease
from gateway.responses.jobs import Job, Taken, begun
from gateway.responses.store import Batch, SealedStore, Stored

KIND: Final = "response.job"
LEASE_S: Final = 15.0
_DAY_US: Final = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class LeasedJobs:
    """Jobs beside the responses of a store; `holder` is this worker."""

    store: SealedStore
    holder: str
    lease_s: float = LEASE_S

    async def put(self, job: Job, subject: str | None, shown: Stored) -> None:
        """Queue a job, and show its response as it is now."""
        await asyncio.to_thread(self._put, job, subject, shown)

    async def take(self, running: frozenset[str], most: int) -> Sequence[Taken]:
        """Take jobs that nobody runs; each counts one more try."""
        return await asyncio.to_thread(self._take, running, most)

    async def hold(self, lease: Any) -> bool:
        """Keep a job for longer; False when it was cancelled or is somebody else's."""
        return await asyncio.to_thread(leases.renew, self.store.database, lease, self.lease_s) is not None

    async def give_back(self, lease: Any) -> None:
        """Let somebody else run a job."""
        await asyncio.to_thread(leases.release, self.store.database, lease)

    async def show(self, taken: Taken, shown: Stored, *, last: bool) -> bool:
        """Show a response in a new state, `last`: the job is done; False when it is no longer ours."""
        return await asyncio.to_thread(self._show, taken, shown, last)

    async def say(self, taken: Taken, batch: Batch) -> bool:
        """Keep events of a streamed response for those who follow it; False when it is no longer ours."""
        return await asyncio.to_thread(self._say, taken, batch)

    async def said(self, job: Job) -> int:
        """Return how many batches of events were kept."""
        return len(await self.store.events(job.tenant, job.response_id, 0))

    async def cancel(self, tenant: str, shown: Stored) -> bool:
        """End a job that waits or runs, wherever; False when there is none."""
        return await asyncio.to_thread(self._cancel, tenant, shown)

    def _put(self, job: Job, subject: str | None, shown: Stored) -> None:
        ref = self.store.ref(job.tenant, subject)
        with self.store.database.write() as tx:
            self._keep(tx, job, ref)
            sealed.replace(tx, job.tenant, self.store.item(job.tenant, shown, ref, job.days))
            if job.streams:
                sealed.replace(tx, job.tenant, self.store.batch(job.tenant, job.response_id, begun(shown), ref))

    def _keep(self, tx: Write, job: Job, ref: str | None) -> None:
        ciphertext = self.store.seal(job.tenant, f"job\0{job.response_id}", job.encoded())
        item = sealed.SealedItem(KIND, job.response_id, ciphertext, ref, tx.now_us + job.days * _DAY_US, job.facts[2])
        sealed.replace(tx, job.tenant, item)

    def _take(self, running: frozenset[str], most: int) -> list[Taken]:
        taken: list[Taken] = []
        for tenant, name in self._waiting(running, most):
            lease = leases.acquire(self.store.database, _lease_name(name), self.holder, self.lease_s)
            if lease is not None:
                taken += self._counted(tenant, name, lease)
        return taken

    def _waiting(self, running: frozenset[str], most: int) -> list[tuple[str, str]]:
        """Find jobs without a living lease, the oldest first."""
        asked = {"now_us": self.store.database.clock_us(), "most": most + len(running)}
        with self.store.database.read() as conn:
            rows = conn.execute(_free_jobs(), asked).all()
        return [(tenant, name) for tenant, name in rows if name not in running][:most]

    def _counted(self, tenant: str, name: str, lease: Lease) -> list[Taken]:
        """Count the try before it begins: a worker that dies of a job does not take it for ever."""
        known = self._known(tenant, name)
        if known is None:
            return []
        item, queued = known
        job = replace(queued, tries=queued.tries + 1)
        with self.store.database.write() as tx:
            leases.assert_held(tx, lease)
            self._keep(tx, job, item.subject_ref)
        return [Taken(job, lease, item.subject_ref)]

    def _show(self, taken: Taken, shown: Stored, last: bool) -> bool:
        job, database = taken.job, self.store.database
        item = sealed.get(database, job.tenant, KIND, job.response_id)
        if item is None:
            return False
        try:
            with database.write() as tx:
                leases.assert_held(tx, taken.lease)
                sealed.replace(tx, job.tenant, self.store.item(job.tenant, shown, item.subject_ref, job.days))
                if last:
                    self._drop(tx, job.tenant, job.response_id)
        except Conflict:
            return False
        return True

    def _say(self, taken: Taken, batch: Batch) -> bool:
        job, database = taken.job, self.store.database
        try:
            with database.write() as tx:
                leases.assert_held(tx, taken.lease)
                sealed.replace(tx, job.tenant, self.store.batch(job.tenant, job.response_id, batch, taken.ref))
        except Conflict:
            return False
        return True

    def _cancel(self, tenant: str, shown: Stored) -> bool:
        known = self._known(tenant, shown.response_id)
        if known is None:
            return False
        item, job = known
        with self.store.database.write() as tx:
            if not self._drop(tx, tenant, shown.response_id):
                return False
            sealed.replace(tx, tenant, self.store.item(tenant, shown, item.subject_ref, job.days))
        return True

    def _known(self, tenant: str, name: str) -> tuple[sealed.SealedItem, Job] | None:
        item = sealed.get(self.store.database, tenant, KIND, name)
        raw = None if item is None else self.store.open(tenant, f"job\0{name}", item.ciphertext)
        return None if item is None or raw is None else (item, Job(**orjson.loads(raw)))

    def _drop(self, tx: Write, tenant: str, name: str) -> bool:
        leases.drop(tx, _lease_name(name))
        return sealed.remove(tx, tenant, KIND, name)


def _lease_name(response_id: str) -> str:
    return f"response/{response_id}"


@cache
def _free_jobs() -> Select[str, str]:
    """Build once what is asked every few seconds: each built statement is a heap of reference cycles."""
    items, held, now_us = schema.sealed, schema.leases, bindparam("now_us", type_=BigInteger)
    lease_of = held.c.name == "response/" + items.c.item_id
    free = (held.c.name.is_(None)) | (held.c.expires_us <= now_us)
    found = select(items.c.tenant, items.c.item_id).outerjoin_from(items, held, lease_of)
    found = found.where(items.c.kind == KIND, free, items.c.expires_us > now_us)
    return found.order_by(items.c.created_us).limit(bindparam("most", type_=Integer))
