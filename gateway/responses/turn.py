"""One turn of a conversation: it goes on from the response that the caller names, and may be gone on from."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.control.errors import ControlError
from gateway.errors import BadRequest
from gateway.responses.job_turn import queued
from gateway.responses.jobs import Job, Jobs
from gateway.responses.native import NativeSpeech, Told
from gateway.responses.store import ResponseStore, Stored
from gateway.responses.tape import Bell
from gateway.responses.translated import TranslatedSpeech
from gateway.wire.turn import Asker, Earlier, Json, Said, Speech, Waiting

_LOG: Final = logging.getLogger("sluice.gateway")
MAX_DAYS: Final = 30
_OURS: Final = ("background", "previous_response_id")


@dataclass(frozen=True, slots=True)
class Queue:
    """Where background responses wait, who is told that one is there, and what rings when one here has grown."""

    jobs: Jobs
    wake: Callable[[], None]
    clock_us: Callable[[], int]
    bell: Bell


class ResponseTurn:
    """The turn of one call."""

    def __init__(self, response_id: str, store: ResponseStore, queue: Queue) -> None:
        self._store, self._queue = store, queue
        self._told = Told(response_id, None, True, False)
        self.earlier: Earlier | None = None
        self.follows: str | None = None
        self.hear = None

    async def resume(self, asker: Asker, body: Json) -> Json:
        """Find the earlier turns, and take what only concerns us out of the request."""
        previous = body.get("previous_response_id")
        stores, background = body.get("store") is not False, bool(body.get("background"))
        self._told = Told(self._told.response_id, previous, stores, background)
        if previous is not None:
            self.earlier = await self._find(asker, previous)
        rest = {name: value for name, value in body.items() if name not in _OURS}
        return rest if previous is None else rest | {"input": as_items(body.get("input"))}

    async def _find(self, asker: Asker, response_id: str) -> Earlier:
        stored = await self._store.get(asker.tenant, response_id)
        if stored is None or stored.automation != asker.automation or not stored.answer.get("output"):
            text = "There is no finished response with this id: it was never stored, was deleted, or has expired."
            raise BadRequest(text, code="previous_response_not_found", param="previous_response_id")
        items = [*stored.items, *(item for item in stored.answer["output"] if _goes_on(item))]
        return Earlier(items, stored.values, stored.provider)

    async def defer(self, waiting: Waiting) -> Json | None:
        """Queue a background response."""
        if not self._told.background:
            return None
        before = None if self.earlier is None else self.earlier.provider
        job = Job(
            response_id=self._told.response_id,
            tenant=str(waiting.facts[0]),
            body=waiting.request | {"input": as_items(waiting.request.get("input"))},
            values=dict(waiting.values),
            provider=before,
            previous=self._told.previous,
            key_id=waiting.key_id,
            facts=waiting.facts,
            labels=waiting.labels,
            days=min(MAX_DAYS, waiting.days),
        )
        shown = queued(job, self._queue.clock_us() // 1_000_000)
        await self._queue.jobs.put(replace(job, shown=shown.answer), waiting.subject, shown)
        self._queue.wake()
        return shown.answer

    def goes_on(self, shown: Json) -> bool:
        """Note that a queued response, perhaps that of an earlier and equal request, is to be followed."""
        if self._told.background:
            self.follows = shown["id"]
        return self._told.background

    def speech(self, translated: bool) -> Speech:
        """Return how this call is put to a provider."""
        return TranslatedSpeech(self._told) if translated else NativeSpeech(self._told)

    def polled(self, asked: bool) -> bool:
        """Say whether the caller polls for a held answer."""
        return asked and self._told.store

    async def keep(self, said: Said) -> None:
        """Remember the response if the caller wants that; a store that is away costs the caller nothing else."""
        if not self._told.store:
            return
        items = as_items(said.request.get("input"))
        answer, asker = said.answer, said.asker
        values = dict(said.values)
        stored = Stored(
            self._told.response_id, asker.automation, said.provider, items, answer, values, review=said.review
        )
        try:
            await self._store.put(asker.tenant, said.subject, stored, min(MAX_DAYS, said.days))
        except ControlError as error:
            _LOG.warning("a response could not be kept and cannot be read again: %s", error)


def as_items(given: Any) -> list[Any]:
    """Return the input as a list of items, however it was written."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return given if isinstance(given, list) else []


def _goes_on(item: Any) -> bool:
    """Say whether an item of an answer can be shown to a provider that stored nothing."""
    return not (item.get("type") == "reasoning" and not item.get("encrypted_content"))
