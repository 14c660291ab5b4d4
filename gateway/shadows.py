"""Shadow copies: a second model gets an answered request again; its answer is compared, and shown to nobody."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from gateway.call import ClearAnswer, Governed, Route
from gateway.errors import GatewayError
from gateway.resilience.attempt import Attempts, code
from gateway.resilience.tries import Tries
from gateway.stages import record
from gateway.stages.invoke import invoke_copy
from gateway.stages.screen import screen
from gateway.watch import Desk
from gateway.wire import said
from gateway.wire.tools import called
from metrics.record.content import Content
from metrics.record.events import Event

KIND: Final = "call.shadow"
MOST: Final = 32  # at once in one worker; a copy beyond them is left out, and the record says so
_COMPARED_CHARS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Shadows:
    """The copies under way in one worker. They ask no budget, and no caller waits for them."""

    under_way: set[asyncio.Task[None]] = field(default_factory=set)

    def send(self, desk: Desk, tries: Tries, route: Route, shown: ClearAnswer) -> None:
        """Begin a copy of an answered call."""
        copy = _Copy(desk, tries, _whole(route), shown)
        task = asyncio.create_task(copy.skip() if len(self.under_way) >= MOST else copy.make())
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)

    async def close(self) -> None:
        """End what is under way; each leaves its record."""
        tasks = list(self.under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class _Copy:
    desk: Desk
    tries: Tries
    route: Route
    shown: ClearAnswer

    async def make(self) -> None:
        """Ask, screen and compare; every ending leaves one event."""
        began_ns, attempts = self.desk.clock_ns(), Attempts(self.desk.clock_ns)
        body: dict[str, Any] = {"outcome": "interrupted"}
        fields: dict[str, bytes] = {}
        try:
            answer = await screen(await invoke_copy(self.route, attempts, self.tries))
            body = self._found(answer)
            if self._governed.bound.policy.logging.answer == "sealed":
                fields["answer"] = orjson.dumps(answer.clean)
        except GatewayError as error:
            body = {"outcome": "error", "error_code": code(error.code)}
        finally:
            body["total_ms"] = round((self.desk.clock_ns() - began_ns) / 1e6, 3)
            await self._record(body, fields)

    async def skip(self) -> None:
        """Leave the copy out."""
        await self._record({"outcome": "skipped", "error_code": "too_many_copies"}, {})

    @property
    def _governed(self) -> Governed:
        return self.route.request.governed

    def _found(self, answer: ClearAnswer) -> dict[str, Any]:
        bill = record.bill(answer, self.desk.clock_us())
        facts = record.answer_facts(answer, bill) | {"outcome": "ok"}
        facts["entities"] = record.found(None, answer, None)["entities"]["answer"]
        one, other = _text(self.shown.clean), _text(answer.clean)
        if one or other:
            facts |= {"same_text": one == other, "word_overlap": _overlap(one, other)}
        return facts | {"same_tools": list(called(self.shown.clean)) == list(called(answer.clean))}

    async def _record(self, body: dict[str, Any], fields: dict[str, bytes]) -> None:
        governed, target = self._governed, self.route.targets[0]
        call, tags = governed.call, governed.tags
        head: dict[str, Any] = {"call_id": call.id, "endpoint": call.endpoint.name, "policy": governed.bound.name}
        head |= {"provider": target.provider.name, "model": target.model, "simulated": target.provider.simulated}
        event = Event(
            event_id=f"{call.id}.s",
            kind=KIND,
            ts_us=self.desk.clock_us(),
            tenant=call.holder.facts.tenant,
            automation=call.holder.facts.automation,
            run=tags.run,
            step=tags.step,
            actor=call.holder.key_id,
            body=head | body,
        )
        kept = f"content:{governed.bound.policy.retention.content.days}d"
        index = tuple((value.kind, value.hmac) for value in self.route.request.cleared.vault.hmacs) if fields else ()
        await self.desk.journal.commit(event, Content(call.labels.subject, kept, fields, index), on_failure="serve")


def _whole(route: Route) -> Route:
    """Turn an answered route to its shadow; a copy is never streamed."""
    assert route.shadow is not None
    governed = route.request.governed
    request = route.request._replace(governed=governed._replace(call=governed.call._replace(stream=False)))
    body = {name: value for name, value in route.body.items() if name not in ("stream", "stream_options")}
    return route._replace(request=request, body=body, targets=(route.shadow,), fallbacks=(), live=False)


def _text(answer: dict[str, Any]) -> str:
    """Put the words of an answer together, whatever its endpoint."""
    return "\n".join(said.texts(answer))[:_COMPARED_CHARS].strip()


def _overlap(one: str, other: str) -> float:
    """Give the share of words that two texts have in common, 0..1."""
    words, others = Counter(one.split()), Counter(other.split())
    total = words.total() + others.total()
    return round(2 * (words & others).total() / total, 4) if total else 1.0
