"""Asking models beside the answer: scorers that need one and escalation go through the stage `invoke` again."""

import asyncio
from typing import Final, NamedTuple

from gateway.call import ClearAnswer, Route, Target
from gateway.errors import GatewayError
from gateway.providers.base import Upstreams
from gateway.resilience.attempt import Attempts
from gateway.resilience.tries import Tries
from gateway.scorers.base import Told
from gateway.stages.choose import target_of
from gateway.stages.invoke import invoke
from gateway.stages.record import bill
from gateway.stages.screen import screen
from gateway.wire import said
from gateway.wire.chat import CHAT
from gateway.wire.endpoint import Json

_NOTHING: Final = Told([], 0.0)


class Models(NamedTuple):
    """How one call asks: each try is recorded and charged with the call."""

    upstreams: Upstreams
    attempts: Attempts
    tries: Tries
    ts_us: int

    async def again(self, answer: ClearAnswer, count: int) -> Told:
        """Ask the model that answered the same thing, that many times at once."""
        route, target = answer.answer.route, answer.answer.target
        call = route.request.governed.call
        body = {name: value for name, value in route.body.items() if name not in ("stream", "stream_options")}
        plain = _asking(route, call.endpoint.name, body, target)
        return await self._told([plain] * count, "sample")

    async def verify(self, answer: ClearAnswer, text: str, model: str) -> Told:
        """Ask another model one question."""
        target = target_of(model, self.upstreams)
        if target is None:
            return _NOTHING
        body = {"model": target.model, "messages": [{"role": "user", "content": text}]}
        return await self._told([_asking(answer.answer.route, CHAT.name, body, target)], "verifier")

    async def _told(self, routes: list[Route], purpose: str) -> Told:
        began = self.attempts.now_ns()
        found = await asyncio.gather(*(self._one(route, purpose) for route in routes))
        self.attempts.waited_ns += self.attempts.now_ns() - began
        answers = [each for each in found if each is not None]
        texts = [text for answer, _ in answers for text in said.texts(answer.clean)[:1]]
        costs = [cost for _, cost in answers]
        known = [cost for cost in costs if cost is not None]
        return Told(texts, sum(known) if len(known) == len(costs) else None)

    async def _one(self, route: Route, purpose: str) -> tuple[ClearAnswer, float | None] | None:
        own = Attempts(self.attempts.now_ns)
        try:
            answer = await screen(await invoke(route, own, self.tries))
            return answer, self.charge(answer, own)
        except GatewayError:
            return None  # a missing signal
        finally:
            self.attempts.join(own, purpose)

    def charge(self, answer: ClearAnswer, attempts: Attempts) -> float | None:
        """Note what an answer beside the shown one used and cost."""
        used, main = bill(answer, self.ts_us), attempts.main
        if main is not None:
            main.usage, main.cost_usd = used.usage, used.cost.usd
        return used.cost.usd


def _asking(route: Route, endpoint: str, body: Json, target: Target) -> Route:
    """Give a route for one unstreamed question to one model."""
    governed = route.request.governed
    call = governed.call._replace(stream=False)
    if endpoint != call.endpoint.name:
        call = call._replace(endpoint=CHAT)
    request = route.request._replace(governed=governed._replace(call=call))
    return Route(request, (target,), body, route.rule, usage_forced=False, live=False)
