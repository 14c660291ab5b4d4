"""Watches one call: what its stages made, how long each took, and exactly one `call.end`, however it ends."""

import asyncio
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from gateway import errors
from gateway.admission import KeyHolder
from gateway.allowances.brake import Brake, braked
from gateway.allowances.meter import Ticket
from gateway.call import ClearAnswer, ClearRequest, Governed, Judged, Recorded, Reply, Route
from gateway.resilience.attempt import Attempts, code
from gateway.stages import record
from gateway.stages.live import Live
from gateway.stages.record import Bill, End
from gateway.stages.reuse import Place
from gateway.stages.screen import unseen
from gateway.stopwatch import Stages
from gateway.wire import headers, sse
from gateway.wire.exchange import ClientLeft, Exchange
from gateway.wire.trace import begin as begin_trace
from metrics.record.commits import Commit, JournalUnavailableError, OnFailure
from metrics.record.events import Event
from metrics.record.journal import Journal
from redaction.types import Blocked

_LOG: Final = logging.getLogger("sluice.gateway")
_STOPPING: Final = "The gateway is stopping, so this answer was cut short."
_BROKEN: Final = "The gateway failed to handle this request."
CLIENT_CLOSED_REQUEST: Final = 499


@dataclass(frozen=True, slots=True)
class Desk:
    """Where calls are recorded, and the clock and ids their records need."""

    journal: Journal
    clock_us: Callable[[], int]
    clock_ns: Callable[[], int]
    new_id: Callable[[str, int], str]
    new_hex: Callable[[int], str]
    brake: Brake = field(default_factory=Brake)


class Watch:
    """`async with Watch(...) as watch`: the pipeline notes here what its stages made; leaving writes the record."""

    def __init__(self, desk: Desk, http: Exchange, endpoint: str) -> None:
        self.desk, self.http, self.endpoint = desk, http, endpoint
        self.began_ns = desk.clock_ns()
        self.ts_us = desk.clock_us()
        self.call_id = desk.new_id("call_", self.ts_us)
        self.trace = begin_trace(http.headers.get(b"traceparent"), desk.new_hex)
        self.attempts = Attempts(desk.clock_ns)
        self.stages = Stages(desk.clock_ns)
        self.holder: KeyHolder | None = None
        self.governed: Governed | None = None
        self.request: ClearRequest | None = None
        self.route: Route | None = None
        self.live: Live | None = None
        self.answer: ClearAnswer | None = None
        self.judged: Judged | None = None
        self.instead: dict[str, Any] | None = None  # what stands in the answer's place
        self.ticket: Ticket | None = None
        self.place: Place | None = None  # where the answer is kept for the same request sent again
        self.notes: dict[str, Any] = {}  # what stages found worth recording
        self._known: dict[str, Any] = {"call_id": self.call_id, "endpoint": endpoint}
        self._ended = False
        self._quiet = False  # its end is logged already, or not worth a line

    def __call__(self, stage: str) -> Stages:
        return self.stages.next(stage)

    def begin(self, governed: Governed) -> None:
        """Write `call.begin`: from here on even a crash leaves a trace of the call."""
        self.governed = governed
        call = governed.call
        self._known |= {"stream": call.stream, "key_id": call.holder.key_id, **record.policy_facts(governed)}
        self.desk.journal.write(self._event("b", "call.begin", self._known))

    def reserved(self) -> None:
        """Write down what the call set aside of budgets: should this worker die, that much counts as spent."""
        if self.ticket is not None and (charges := self.ticket.reserved):
            self.desk.journal.write(self._event("r", "call.reserved", {"call_id": self.call_id, "charges": charges}))

    async def record(self, reply: Reply) -> Recorded:
        """Make the call's record durable; only then is its end for the caller's eyes.

        Raises:
            RecordDown: it could not be made durable, and the policy wants no unrecorded answers.
        """
        judged = self.judged = reply.released.judged
        self.answer, self.instead = judged.answer, reply.released.instead
        route = judged.answer.answer.route
        bill = self._bill(judged.answer)
        commit = await self._end(End(200, "ok"), bill, route.request.governed.bound.policy.failure.log)
        decided = (judged.judgement.verdict, judged.scored.value)
        facts = headers.closing(*decided, bill.cost.usd, self._overhead_ms(), route.dropped)
        if commit.deferred:
            facts.append(headers.DEFERRED)
        done = route.request.governed.call.endpoint.done
        if self.http.started and "review" in self.notes:
            facts.append((b"x-sluice-review-id", self.notes["review"]["id"].encode()))
        if self.http.started:  # what could not stand in the headers any more goes into a last comment
            names = {name.decode().removeprefix("x-sluice-"): text.decode() for name, text in facts}
            return Recorded(reply.body + sse.comment(call=self.call_id, **names) + done, ())
        if route.request.governed.call.stream:
            return Recorded(reply.body + done, (*self.opening(), *facts))
        return Recorded(reply.body, (headers.JSON, *self.opening(), *facts))

    async def record_plain(self, body: bytes) -> Recorded:
        """Record a call that asked no model."""
        commit = await self._end(End(200, "ok"), None, "block")
        deferred = (headers.DEFERRED,) if commit.deferred else ()
        return Recorded(body, (headers.JSON, *self.opening(), *deferred))

    def opening(self) -> list[headers.Header]:
        """Return the headers that are known before the first byte of an answer."""
        governed = self.governed
        found = headers.identity(self.call_id, self.trace.header, governed.tags.run if governed else None)
        if governed is not None:
            found.append(headers.policy(governed.bound.name, governed.bound.hash12))
        if self.ticket is not None:
            found += self.ticket.headers
        tried = self.attempts.target
        if tried is not None and tried.provider.simulated:
            found.append(headers.SIMULATED)
        if "review" in self.notes:
            found.append((b"x-sluice-review-id", self.notes["review"]["id"].encode()))
        return found

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        self.http.unwatch()
        if self.live is not None:
            self.live.close()
        if error is None:
            self._free()
            return False
        if isinstance(error, asyncio.CancelledError) and (task := asyncio.current_task()) is not None:
            task.uncancel()
        shown = self._shown(error)
        if isinstance(shown, errors.WrongKey):
            shown = self._braked(shown)
        if not self._ended and isinstance(shown, errors.Interrupted):
            # The recorder would say the same of this call: a disk that is slow now costs its caller no word.
            await asyncio.gather(self._end_badly(error, shown), self._tell(shown))
            shown = None
        elif not self._ended:
            await self._end_badly(error, shown)
        self._free()
        if shown is not None:
            await self._tell(shown)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            return False
        errors.let_go(error)
        return True

    def _free(self) -> None:
        if self.ticket is not None:
            self.ticket.close()

    def _shown(self, error: BaseException) -> errors.GatewayError | None:
        """Return what the caller is told; nothing when nobody is there to read it."""
        if self.http.gone or isinstance(error, ClientLeft):
            return None
        if isinstance(error, errors.GatewayError):
            return error
        if isinstance(error, asyncio.CancelledError):
            return errors.Interrupted(_STOPPING)
        # The text of an unexpected error may hold what a caller wrote; where it happened does not.
        frames = traceback.extract_tb(error.__traceback__)[-3:]
        where = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))
        _LOG.error("call %s failed: %s at %s", self.call_id, type(error).__name__, where)
        self._quiet = True
        self.answer = self.live = self.attempts.came = None  # what broke the call must not break its record as well
        return errors.GatewayError(_BROKEN)

    def _braked(self, error: errors.GatewayError) -> errors.GatewayError:
        counted = self.desk.brake.count(self.http.address, self.ts_us)
        self._quiet = counted.over
        if counted.just_over:
            _LOG.warning("many wrong API keys from one address; the others of this minute are recorded, not logged")
        return braked(counted) or error

    async def _end_badly(self, error: BaseException, shown: errors.GatewayError | None) -> None:
        if self.answer is None and self.live is not None:
            self.answer = self.live.so_far()
        elif self.answer is None and self.attempts.came is not None:
            self.answer = unseen(self.attempts.came)
        blocked = error.__cause__ if isinstance(error.__cause__, Blocked) else None
        end = End(CLIENT_CLOSED_REQUEST, "client_disconnected", "client_disconnected", "client")
        if shown is not None:
            end = End(shown.status, shown.outcome, shown.code, shown.layer, blocked)
        if not self._quiet:
            level = logging.WARNING if end.status >= 500 else logging.INFO
            _LOG.log(level, "call %s ended with %d %s", self.call_id, end.status, code(end.error_code))
        await self._end(end, self._bill(self.answer) if self.answer else None, "serve")

    async def _tell(self, error: errors.GatewayError) -> None:
        """Show the caller the error, as an event when the answer has begun."""
        if self.http.started:
            numbered = self.governed is not None and self.governed.call.endpoint.turn is not None
            number = self.live.shown if self.live else 0
            await self.http.end_stream(sse.error_event(error.body(), number if numbered else None))
        else:
            await self.http.reply(error.status, [*self.opening(), *headers.of_error(error)], error.encoded())

    def _bill(self, answer: ClearAnswer) -> Bill:
        bill = record.bill(answer, self.ts_us)
        main = self.attempts.main
        if main is not None:
            main.usage, main.cost_usd = bill.usage, bill.cost.usd
        return record.with_others(bill, self.attempts)

    async def _end(self, end: End, bill: Bill | None, on_failure: OnFailure) -> Commit:
        """Commit the one `call.end`. Whoever cancels us now does not undo it: it is queued before the first wait."""
        self.http.unwatch()
        self._ended = True
        with self("record"):
            content = record.content(self.request, self.answer, self.instead) if self.request else None
            body = self._body(end, bill)
        event = self._event("e", "call.end", body | self._times())
        try:
            return await self.desk.journal.commit(event, content, on_failure=on_failure)
        except JournalUnavailableError as error:
            self._ended = False
            raise errors.RecordDown("The call could not be recorded, so its answer is withheld.") from error

    def _body(self, end: End, bill: Bill | None) -> dict[str, Any]:
        body = self._known | self.notes | self.attempts.facts()
        if self.ticket is not None:
            used = (bill.cost.usd, bill.usage.total_tokens) if bill else (None, None)
            body["charges"] = self.ticket.settle(*used)
        if self.holder is not None:
            body["key_id"] = self.holder.key_id
        if self.route is not None:
            body |= record.route_facts(self.route, self.attempts.target)
        if self.answer is not None and bill is not None:
            body |= record.answer_facts(self.answer, bill)
        body["request_chars"] = self.request.cleared.chars if self.request else None
        body["retry_count"] = headers.retry_count(self.http.headers)
        body |= record.found(self.request, self.answer, end.blocked)
        return body | record.end_facts(end, self.judged, self.attempts.all)

    def _times(self) -> dict[str, Any]:
        if self.live is not None:  # its stages take turns with every piece of the answer
            self.stages.spent_ns |= {"invoke": self.attempts.waited_ns, "screen": self.live.screened_ns}
        main = self.attempts.main
        first = main.first_byte_ns if main else None
        return {
            "stages_us": {name: spent // 1000 for name, spent in self.stages.spent_ns.items()},
            "total_ms": _ms(self.desk.clock_ns() - self.began_ns),
            "upstream_ms": _ms(self.attempts.waited_ns),
            "overhead_ms": self._overhead_ms(),
            "ttft_ms": None if first is None else _ms(first - self.began_ns),
        }

    def _overhead_ms(self) -> float:
        total = self.desk.clock_ns() - self.began_ns
        return _ms(max(0, total - self.attempts.waited_ns - self.http.waited_ns))

    def _event(self, suffix: str, kind: str, body: dict[str, Any]) -> Event:
        facts = self.holder.facts if self.holder else None
        tags = self.governed.tags if self.governed else None
        return Event(
            event_id=f"{self.call_id}.{suffix}",
            kind=kind,
            ts_us=self.ts_us if suffix == "b" else self.desk.clock_us(),
            tenant=facts.tenant if facts else "",
            automation=facts.automation if facts else None,
            run=tags.run if tags else None,
            step=tags.step if tags else None,
            actor=self.holder.key_id if self.holder else None,
            body=body,
        )


def _ms(spent_ns: int) -> float:
    return round(spent_ns / 1e6, 3)
