"""Runs background responses: each is an ordinary governed call whose client is nobody."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final

import orjson

from gateway.admission import Holder, StaticDirectory
from gateway.control.errors import ControlError
from gateway.pipeline import Pipeline
from gateway.responses.job_turn import JobTurn, failed, in_progress
from gateway.responses.jobs import Job, Jobs, Taken
from gateway.responses.store import Batch, Stored
from gateway.responses.tape import FIRST, Bell, Tape
from gateway.wire.endpoint import Json
from gateway.wire.exchange import Exchange, Message
from gateway.wire.labels import NAMES
from gateway.wire.responses import RESPONSES
from gateway.wire.sse import SseReader
from policy.model import Facts

MAX_TRIES: Final = 3
_MOST: Final = 16
_LOOK_S: Final = 1.0
_HOLD_S: Final = 4.0
_INSIDE: Final = b"background"  # a key that only the directory of one job knows
_LOG: Final = logging.getLogger("sluice.gateway")
_SHOWN: Final = "The worker that ran this response ended after a part of it was shown."
_TRIES: Final = "Every worker that ran this response ended before it was complete."


class Runner:
    """Takes jobs and runs them, in every worker. `wake` saves a new job the wait for the next look."""

    def __init__(self, pipeline: Pipeline, jobs: Jobs) -> None:
        self._pipeline, self._jobs = pipeline, jobs
        self._running: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self.bell = Bell()

    def wake(self) -> None:
        """Look for jobs at once."""
        self._woken.set()

    async def run(self) -> None:
        """Run jobs until cancelled; what is not complete then goes back for another worker."""
        try:
            while True:
                self._woken.clear()
                await self._look()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), _LOOK_S)
        finally:
            tasks = list(self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        room = _MOST - len(self._running)
        if room <= 0:
            return
        try:
            taken = await self._jobs.take(frozenset(self._running), room)
        except ControlError as error:
            _LOG.warning("background responses wait: %s", error)
            return
        for each in taken:
            name = each.job.response_id
            task = self._running[name] = asyncio.create_task(self._work(each))
            task.add_done_callback(partial(self._ended, name))

    def _ended(self, name: str, _task: asyncio.Task[None]) -> None:
        self._running.pop(name, None)

    async def _work(self, taken: Taken) -> None:
        """Answer while the lease is ours; whoever calls the job off ends it."""
        answering = asyncio.create_task(self._answer(taken))
        try:
            while not (await asyncio.wait({answering}, timeout=_HOLD_S))[0]:
                if not await self._ours(taken):
                    break
        finally:
            if not answering.done():
                answering.cancel()
            await asyncio.wait({answering})

    async def _ours(self, taken: Taken) -> bool:
        try:
            return await self._jobs.hold(taken.lease)
        except ControlError:  # away for a moment; the lease itself says how long that may be
            return True

    async def _answer(self, taken: Taken) -> None:
        job = taken.job
        try:
            if (why := await self._lost(job)) is not None:
                await self._jobs.show(taken, failed(job, "server_error", why), last=True)
            elif await self._jobs.show(taken, in_progress(job), last=False):
                await self._end(taken, await self._followed(taken) if job.streams else await self._asked(job, None))
        except ControlError as error:
            _LOG.warning("the background response %s is left for another try: %s", job.response_id, error)
        finally:
            self.bell.ring(job.response_id)

    async def _lost(self, job: Job) -> str | None:
        """Say why a job is not tried again: what was shown of an answer is never followed by another one."""
        if job.tries > MAX_TRIES:
            return _TRIES
        return _SHOWN if job.streams and job.tries > 1 and await self._jobs.said(job) > FIRST else None

    async def _followed(self, taken: Taken) -> Stored | None:
        """Make the call, and keep what is said for those who follow it."""
        if taken.job.tries == 1:
            begun: Json = {"type": "response.in_progress", "response": in_progress(taken.job).answer}
            await self._jobs.say(taken, Batch(FIRST - 1, [begun | {"sequence_number": 0}]))
            self.bell.ring(taken.job.response_id)
        async with Tape(self._jobs, taken, self.bell.ring) as tape:
            return await self._asked(taken.job, tape.hear)

    async def _end(self, taken: Taken, shown: Stored | None) -> None:
        if shown is None:
            await self._jobs.give_back(taken.lease)
        else:
            await self._jobs.show(taken, shown, last=True)

    async def _asked(self, job: Job, hear: Callable[[Json], None] | None) -> Stored | None:
        """Make the call; None when it was cut short by the end of this worker or of the job."""
        turn, nobody = JobTurn(job, hear), _Nobody(job)
        inside = StaticDirectory({_INSIDE: Holder(job.key_id, _facts(job))})
        await replace(self._pipeline, directory=inside).run(nobody.exchange, replace(RESPONSES, turn=turn))
        if turn.answered is not None:
            return turn.answered
        error = nobody.error()
        return None if error.get("code") == "interrupted" else failed(job, str(error["code"]), str(error["message"]))


class _Nobody:
    """The client's side of a call without a client."""

    def __init__(self, job: Job) -> None:
        self._body = orjson.dumps(job.body | {"input": []})
        self._given = False
        self._last = b""
        labels = [(f"x-sluice-{name.replace('_', '-')}".encode(), label.encode("utf-8", "replace"))
                  for name, label in zip(NAMES, job.labels, strict=False) if label is not None]  # fmt: skip
        headers = [(b"authorization", b"Bearer " + _INSIDE), *labels]
        scope = {"method": "POST", "path": "/v1/responses", "headers": headers, "client": None}
        self.exchange = Exchange(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._given:
            await asyncio.get_running_loop().create_future()  # nobody ever leaves
        self._given = True
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def _send(self, message: Message) -> None:
        self._last = message.get("body", b"")

    def error(self) -> dict[str, Any]:
        """Return the error that the call ended with."""
        (*_, said) = SseReader().feed(self._last) or (self._last,)
        try:
            found: dict[str, Any] = orjson.loads(said)["error"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return {"code": "server_error", "message": "The response could not be completed."}
        return found


def _facts(job: Job) -> Facts:
    return Facts(*job.facts)  # type: ignore[arg-type]
