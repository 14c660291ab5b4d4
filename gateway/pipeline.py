"""One call, top to bottom. Read this file first.

Every request goes through the same named stages, and each needs the value of the stage before. The record is durable
before the caller sees the end of the answer; `Watch` writes it however the call ends. A call that a stopping worker
cuts short is the one exception: its caller is told so while the record is written, not after it, as a slow disk would
keep both from ending in time, and what is told does not hang on the record.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from gateway.admission import KeyDirectory, Limits
from gateway.allowances.meter import Meter, memory_meter
from gateway.call import ClearAnswer, ClearRequest, Judged, Released, Route
from gateway.errors import ReviewsDown, UpstreamError
from gateway.holds.hold import Holds
from gateway.holds.stops import Stops
from gateway.lessons import Lessons
from gateway.providers.base import Upstreams
from gateway.resilience.tries import Tries
from gateway.shadows import Shadows
from gateway.stages.act import act
from gateway.stages.admit import admit, identify
from gateway.stages.bind import Redactors, bind
from gateway.stages.choose import choose
from gateway.stages.clear import clear
from gateway.stages.invoke import invoke, open_live
from gateway.stages.judge import UNSCORED, Assurance, escalated, judge, judge_again
from gateway.stages.logprobs import without_logprobs
from gateway.stages.models import Models
from gateway.stages.restore import restore
from gateway.stages.reuse import IDEMPOTENCY, Kept, Place, Reuse, again, marked
from gateway.stages.score import score
from gateway.stages.screen import screen
from gateway.stages.shape import shape
from gateway.stages.tools import called_tools
from gateway.stages.turn import defer, goes_on, keep, overhear, resume
from gateway.watch import Desk, Watch
from gateway.wire.endpoint import Endpoint
from gateway.wire.exchange import Exchange
from gateway.wire.headers import streamed
from policy.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything a call needs. Built once, in `gateway.wiring`; `snapshot` gives the one in force now."""

    directory: KeyDirectory
    snapshot: Callable[[], Snapshot]
    redactors: Redactors
    upstreams: Callable[[Snapshot], Upstreams]
    desk: Desk
    limits: Limits
    meter: Meter = field(default_factory=memory_meter)
    tries: Tries = field(default_factory=Tries)
    reuse: Reuse = field(default_factory=Reuse)
    lessons: Lessons = field(default_factory=Lessons)
    shadows: Shadows = field(default_factory=Shadows)
    assurance: Assurance = field(default_factory=Assurance)
    holds: Holds | None = None
    stops: Stops = field(default_factory=Stops)

    async def run(self, http: Exchange, endpoint: Endpoint) -> None:
        """Govern one request and answer it."""
        async with Watch(self.desk, http, endpoint.name) as watch:
            with watch("admit"):
                watch.holder = holder = identify(http, self.directory, "POST")
                call = await admit(watch.call_id, watch.trace, http, endpoint, holder, self.limits)
            http.watch_client()
            with watch("bind"):
                snapshot = self.snapshot()
                governed = bind(call, snapshot, self.redactors)
                watch.begin(governed)
                stopped = self.stops.check(holder.facts, endpoint)
                if governed.bound.policy.metered:
                    watch.ticket = await self.meter.enter(governed, watch.notes)
            with watch("clear"):
                governed = await resume(governed)
                watch.request = request = await clear(shape(governed, watch.notes))
                place = await self.reuse.look(request, http.headers, watch.notes, stopped=stopped)
            if place is None:
                await self._first(request, watch, http)
                return
            watch.place = place
            async with place:
                if place.is_new:
                    await self._first(request, watch, http)
                else:
                    await self._again(request, place, watch, http)

    async def _first(self, request: ClearRequest, watch: Watch, http: Exchange) -> None:
        """Answer a request that was not answered before, now or later."""
        later = await defer(request)
        if later is None:
            await self._ask(request, watch, http)
            return
        watch.notes["background"] = "queued"  # the answer comes later, and will be a call of its own
        recorded = await watch.record_plain(orjson.dumps(later.reply))
        await _keep(watch.place, Kept(later.clean))
        if goes_on(request, later.clean):
            await http.begin_stream(streamed(recorded.headers))
        else:
            await http.reply(200, recorded.headers, recorded.body)

    async def _ask(self, request: ClearRequest, watch: Watch, http: Exchange) -> None:
        """Ask a model."""
        with watch("choose"):
            upstreams = self.upstreams(request.governed.snapshot)
            watch.route = route = choose(request, upstreams, self.lessons, watch.notes)
            if watch.ticket is not None:
                await self.meter.reserve(watch.ticket, route, watch.notes)
                watch.reserved()
        with self.tries.budget.call():
            live = route.live and not self.stops.of(request.governed.call.holder.facts)
            await (self._live if live else self._whole)(route, watch, http)
        if route.shadow is not None and watch.answer is not None:
            self.shadows.send(self.desk, self.tries, route, watch.answer)

    async def _again(self, request: ClearRequest, place: Place, watch: Watch, http: Exchange) -> None:
        """Give an answer that was given before, or what became of one that was held."""
        if place.known is not None:
            kind, clean = place.known
        else:
            with watch("act"):
                kind, clean = IDEMPOTENCY, await self._holds().again(request, str(place.review), watch.notes)
        with watch("restore"):
            body = again(request, clean)
        recorded = await watch.record_plain(body)
        headers = marked(recorded, kind)
        if not request.governed.call.stream:
            await http.reply(200, headers, recorded.body)
            return
        await http.begin_stream(streamed(headers))
        if not goes_on(request, clean):
            await http.end_stream(recorded.body)

    async def _whole(self, route: Route, watch: Watch, http: Exchange) -> None:
        """The answer is complete, screened and judged before any of it is shown."""
        streamed = route.request.governed.call.stream
        releasing = self._released(route, watch)
        if streamed:
            releasing = http.keep_alive_while(releasing, watch.opening, self.limits.keep_alive_s)
        released = await releasing
        with watch("restore"):
            reply = restore(released)
        recorded = await watch.record(reply)
        await keep(released)
        await _keep(watch.place, _kept(released))
        if not streamed:
            await http.reply(200, recorded.headers, recorded.body)
            return
        if not http.started:
            await http.begin_stream(recorded.headers)
        await http.end_stream(recorded.body)

    async def _released(self, route: Route, watch: Watch) -> Released:
        """Ask, judge and act; where the policy says so, ask a better model once and judge again."""
        judged = await self._judged(route, watch)
        if judged.judgement.verdict == "escalate":
            with watch("choose"):
                better = escalated(judged, self._models(route, watch))
            judged = await self._escalated(judged, better, watch) if better else judge_again(judged)
        self._audit(judged, watch)
        watch.judged = judged = self.stops.held(judged)
        with watch("act"):
            if judged.judgement.verdict != "hold":
                return act(judged, watch.notes)
            return await self._holds().act(judged, watch.notes, watch.place)

    def _holds(self) -> Holds:
        if self.holds is None:
            raise ReviewsDown("The answer has to be held for review, and there is no store of reviews.")
        return self.holds

    async def _escalated(self, judged: Judged, better: Route, watch: Watch) -> Judged:
        """Ask the better model; where it fails, the first answer is judged without it."""
        tries, first = watch.attempts, watch.attempts.main
        tries.set_aside("escalated")
        since = len(tries.all)
        try:
            return await self._judged(better, watch)
        except UpstreamError:
            tries.set_aside("escalated", since)
            if first is not None:
                first.purpose = "answer"
            watch.answer, watch.judged = judged.answer, (again := judge_again(judged))
            return again

    async def _judged(self, route: Route, watch: Watch) -> Judged:
        with watch("invoke"):
            answer = await invoke(route, watch.attempts, self.tries)
        with watch("screen"):
            watch.answer = screened = await screen(answer)
        return await self._verdict(screened, watch)

    async def _verdict(self, said: ClearAnswer, watch: Watch) -> Judged:
        """Score an answer where the policy asks for it, and judge it."""
        route = said.answer.route
        if route.request.governed.bound.policy.confidence is not None:
            with watch("score"):
                scored = await score(said, self._models(route, watch), watch.notes)
                watch.answer = said = without_logprobs(said)
        else:
            scored = UNSCORED
        with watch("judge"):
            held_by = called_tools(said, watch.notes)
            threshold = self.assurance.threshold(said, scored, watch.notes, self.desk.clock_us())
            watch.judged = judged = judge(said, scored, threshold, escalated=route.escalated, held_by=held_by)
        return judged

    def _audit(self, judged: Judged, watch: Watch) -> None:
        """Send an output whose coin fell so to the reviewers, beside its reply; what is held is seen by one anyway."""
        drawn = "audit" in watch.notes and watch.notes["audit"]["drawn"]
        if drawn and judged.judgement.verdict != "hold" and self.holds is not None:
            self.holds.audit(judged)

    def _models(self, route: Route, watch: Watch) -> Models:
        return Models(self.upstreams(route.request.governed.snapshot), watch.attempts, self.tries, watch.ts_us)

    async def _live(self, route: Route, watch: Watch, http: Exchange) -> None:
        """The answer is screened and restored as it comes; its last part waits for the record."""
        with self.stops.live(route.request.governed.call.holder.facts):
            with watch("invoke"):
                watch.live = live = await open_live(route, watch.attempts, self.tries)
            overhear(live, route)
            await http.begin_stream(watch.opening())
            while (events := await live.read()) is not None:
                if events:
                    await http.write(events)
                    if http.behind:
                        del events  # nothing is held for a slow client but what it was sent
                        await http.caught_up()
            judged = await self._verdict(live.so_far(), watch)
        self._audit(judged, watch)
        released = act(judged, watch.notes)
        recorded = await watch.record(live.last(released))
        await keep(released)
        await _keep(watch.place, _kept(released))
        await http.end_stream(recorded.body)
        await live.settle()


async def _keep(place: Place | None, kept: Kept) -> None:
    if place is not None:
        await place.keep(kept)


def _kept(released: Released) -> Kept:
    """Give what was shown, for the same request sent again; what stands in an answer's place is for that one only."""
    if released.instead is None:
        return Kept(released.judged.answer.clean)
    return Kept(released.instead, alike=False)
