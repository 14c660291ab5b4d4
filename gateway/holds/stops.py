"""Automations that are stopped, as a worker sees them: every answer is held, and live streams end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection

from gateway.call import Judged
from gateway.control.stops import Stopped, stopped
from gateway.errors import AutomationStopped
from gateway.wire.endpoint import Endpoint
from policy.decide import Judgement
from policy.model import Facts

_ENDED = "This automation was stopped, so its answer was cut short."
_NO_TEXT = "This automation is stopped, and what this endpoint answers cannot be reviewed."


@dataclass(slots=True)
class Stops:
    """Follows the database through a `ChangeWatch`."""

    names: Stopped = frozenset()
    _live: dict[asyncio.Task[object], tuple[asyncio.AbstractEventLoop, tuple[str, str]]] = field(default_factory=dict)
    _ended: set[asyncio.Task[object]] = field(default_factory=set)

    def of(self, facts: Facts) -> bool:
        """Say whether an automation is stopped."""
        return bool(self.names) and _name(facts) in self.names

    def check(self, facts: Facts, endpoint: Endpoint) -> bool:
        """Say whether a new call is one of a stopped automation.

        Raises:
            AutomationStopped: it is, and its answer is nothing that a person could review.
        """
        found = self.of(facts)
        if found and endpoint.assemble is None:
            raise AutomationStopped(_NO_TEXT)
        return found

    @contextmanager
    def live(self, facts: Facts) -> Iterator[None]:
        """Run a live stream that a stop ends, at once and from any thread.

        Raises:
            AutomationStopped: the automation was stopped meanwhile.
        """
        task = asyncio.current_task()
        assert task is not None
        self._live[task] = (asyncio.get_running_loop(), _name(facts))
        try:
            if self.of(facts):  # it came between the question and this
                raise AutomationStopped(_ENDED)
            yield
        except asyncio.CancelledError:
            if task not in self._ended:
                raise
            task.uncancel()
            raise AutomationStopped(_ENDED) from None
        finally:
            del self._live[task]
            self._ended.discard(task)

    def held(self, judged: Judged) -> Judged:
        """Hold an answer of a stopped automation, whatever its policy says; what is blocked stays blocked."""
        request = judged.answer.answer.route.request
        facts = request.governed.call.holder.facts
        if not self.of(facts) or judged.judgement.verdict in ("block", "hold"):
            return judged
        return judged._replace(judgement=Judgement("hold", "hold", "stopped"))

    def reload(self, conn: Connection, _since: int) -> None:
        """Read what is stopped, and end the live streams of what is new."""
        before, self.names = self.names, stopped(conn)
        for task, (loop, name) in list(self._live.items()):
            if name in self.names - before:
                loop.call_soon_threadsafe(self._end, task)

    def _end(self, task: asyncio.Task[object]) -> None:
        if task in self._live:
            self._ended.add(task)
            task.cancel("stopped")


def _name(facts: Facts) -> tuple[str, str]:
    return (facts.tenant, facts.automation or "")
