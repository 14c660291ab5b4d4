"""A queue in which every request gets its turn, however many pieces another one has."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Job:
    """One message for a detector process, and where its reply goes."""

    message: dict[str, Any]
    due: float  # loop time
    reply: asyncio.Future[dict[str, Any]]

    def resolve(self, reply: dict[str, Any]) -> None:
        """Hand over the reply, unless nobody waits any more."""
        if not self.reply.done():
            self.reply.set_result(reply)

    def fail(self, error: Exception) -> None:
        """Hand over a failure, unless nobody waits any more."""
        if not self.reply.done():
            self.reply.set_exception(error)


class Turns:
    """Jobs of several requests, taken from the requests in rotation."""

    def __init__(self) -> None:
        self._requests: deque[deque[Job]] = deque()

    def put(self, jobs: Iterable[Job]) -> None:
        """Add the jobs of one request."""
        request = deque(jobs)
        if request:
            self._requests.append(request)

    def take(self) -> Job | None:
        """Take the next job that somebody still waits for."""
        while self._requests:
            request = self._requests.popleft()
            job = request.popleft()
            if request:
                self._requests.append(request)
            if not job.reply.done():
                return job
        return None
