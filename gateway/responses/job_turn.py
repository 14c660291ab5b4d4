"""The turn of a background response when it runs, and what its caller sees meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.responses.from_chat import frame
from gateway.responses.jobs import Job
from gateway.responses.native import NativeSpeech, Told
from gateway.responses.store import Stored
from gateway.responses.translated import TranslatedSpeech
from gateway.wire.turn import Asker, Earlier, Json, Said, Speech, Waiting


class JobTurn:
    """Goes on where the request was queued: it is cleared already, and its values stand apart."""

    def __init__(self, job: Job, hear: Callable[[Json], None] | None) -> None:
        self._job, self.hear = job, hear
        self._told = told(job)
        self.earlier: Earlier | None = Earlier(job.body["input"], job.values, job.provider)
        self.answered: Stored | None = None

    async def resume(self, asker: Asker, body: Json) -> Json:
        """Return the request as it is; its items come with the earlier turns."""
        return body

    async def defer(self, waiting: Waiting) -> Json | None:
        """Wait no more."""
        return None

    def goes_on(self, shown: Json) -> bool:
        """Say that nothing goes on elsewhere."""
        return False

    def speech(self, translated: bool) -> Speech:
        """Return how this call is put to a provider."""
        return TranslatedSpeech(self._told) if translated else NativeSpeech(self._told)

    def polled(self, asked: bool) -> bool:
        """Say that the caller polls, whatever it was asked."""
        return True

    async def keep(self, said: Said) -> None:
        """Hand the answer to the runner, which stores it under its lease."""
        values = dict(said.values)
        answered = _stored(self._job, said.answer, said.provider, said.request["input"], values)
        self.answered = replace(answered, review=said.review)


def told(job: Job) -> Told:
    """Return what the caller is told about a job's response."""
    return Told(job.response_id, job.previous, True, True)


def queued(job: Job, created_s: int) -> Stored:
    """Return a response that waits."""
    return _stored(job, frame(told(job), job.body, None, created_s) | {"status": "queued"})


def in_progress(job: Job) -> Stored:
    """Return a response that runs."""
    return _stored(job, job.shown | {"status": "in_progress"})


def failed(job: Job, code: str, message: str) -> Stored:
    """Return a response that came to nothing."""
    return _stored(job, job.shown | {"status": "failed", "error": {"code": code, "message": message}})


def _stored(
    job: Job, answer: Json, provider: str = "", items: list[Any] | None = None, values: dict[str, str] | None = None
) -> Stored:
    kept = job.values if values is None else values
    return Stored(job.response_id, job.facts[2], provider, job.body["input"] if items is None else items, answer, kept)
