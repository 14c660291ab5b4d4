"""The way of one call through its candidates: tries, retries, fallbacks, until one answers or none may be asked."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from math import ceil
from typing import Any, Final, NamedTuple, TypeVar

from gateway.call import Route, Target
from gateway.errors import UpstreamDown, UpstreamError, let_go
from gateway.resilience.attempt import LEFT, Attempt, Attempts
from gateway.resilience.breaker import Phase
from gateway.resilience.retry import Decision, Failed, Left, decide, failed, wait_s
from gateway.resilience.tries import Tries
from gateway.stages.choose import named
from policy.blocks_routing import Cause
from policy.providers import Breaker, Provider, Timeouts

_Asked = TypeVar("_Asked")
Ask = Callable[[Route, Attempt, Attempts], Awaitable[_Asked]]
# The upstream lives; that it refuses this request says nothing about the next.
_ALIVE: Final = frozenset({"rate_limited", "refused", "context_length"})
# Another candidate is asked after these only where the policy says so.
_CALLERS: Final = frozenset({"refused", "context_length"})


class Step(NamedTuple):
    """The next try: whom to ask, after how long, and whether it counts as a retry."""

    target: Target
    wait_s: float = 0.0
    again: bool = False


async def first_success(route: Route, attempts: Attempts, tries: Tries, ask: Ask[_Asked]) -> _Asked:
    """Ask until a candidate answers.

    Raises:
        UpstreamError: none did; the last one's error.
    """
    course = _Course(route, attempts, tries)
    step = Step(route.targets[0])
    while True:
        began_ns = attempts.now_ns()
        try:
            with course.place(step):
                if step.wait_s:
                    await tries.sleep(step.wait_s)
                return await course.go(step.target, ask)
        except UpstreamError as error:
            following = course.after(error, step.target)
            if following is None:
                raise
            step = following
            let_go(error)
        finally:
            attempts.waited_ns += attempts.now_ns() - began_ns


async def once(route: Route, attempts: Attempts, tries: Tries, ask: Ask[_Asked]) -> _Asked:
    """Ask the first candidate once.

    Raises:
        UpstreamError: it did not answer.
    """
    return await _Course(route, attempts, tries).go(route.targets[0], ask)


class _Course:
    """What one call has tried, and what it may still spend."""

    def __init__(self, route: Route, attempts: Attempts, tries: Tries) -> None:
        self._route, self._attempts, self._tries = route, attempts, tries
        self._retries = route.request.governed.bound.policy.routing.retries
        self._retried = 0
        self._tried: list[Target] = [route.targets[0]]
        self._entries = route.request.governed.snapshot.providers
        patience = self._entry(route.targets[0])
        self._ends_ns = attempts.now_ns() + int((patience.timeouts if patience else Timeouts()).total_s * 1e9)

    def place(self, step: Step) -> AbstractContextManager[None]:
        """Take the place in the budget that a retry needs."""
        return self._tries.budget.retry() if step.again else nullcontext()

    async def go(self, target: Target, ask: Ask[_Asked]) -> _Asked:
        """Ask one candidate once; its breaker counts how that went, of a stream to its end."""
        probes = self._admit(target) == "half_open"
        attempt = self._attempts.begin(target)
        well: bool | None = None
        try:
            answer = await ask(self._route, attempt, self._attempts)
        except UpstreamError as error:
            well = self._failed(error).cause in _ALIVE
            attempt.fail(error.code)
            self._attempts.end(attempt, error.code)
            raise
        except BaseException:
            self._attempts.end(attempt, LEFT)
            raise
        else:
            well = True
            return answer
        finally:
            if not well or probes or attempt.ended_ns is not None:
                self._report(target, well)
            else:  # a stream that has begun, and may break
                attempt.tell = partial(self._report, target)

    def after(self, error: UpstreamError, target: Target) -> Step | None:
        """Return the next try, or None when the error is what the caller gets."""
        why = self._failed(error)
        pause_s = wait_s(self._retried, why.asked_s, self._tries.chances.coming)
        decision = decide(why, self._left(), self._retries.after, pause_s)
        self._note(decision, why)
        if decision.action == "again":
            self._retried += 1
            self._tries.chances.use()
            return Step(target, decision.wait_s, again=True)
        following = self._following(why.cause) if decision.action == "next" else None
        if following is not None:
            self._tried.append(following)
            return Step(following)
        if self._retried or len(self._tried) > 1:
            error.retryable = False  # the caller's own retries would multiply ours
        return None

    def _report(self, target: Target, well: bool | None) -> None:
        self._tries.breakers.report(named(target), self._breaker(target), self._tries.clock_ms(), well)

    def _admit(self, target: Target) -> Phase:
        name = named(target)
        admission = self._tries.breakers.admit(name, self._breaker(target), self._tries.clock_ms())
        if admission.phase != "closed":
            self._attempts.breakers[name] = admission.phase
        if not admission.passes:
            raise UpstreamDown(
                "The provider has failed too often; it is asked again soon.",
                headers={"retry-after": str(max(1, ceil(admission.wait_s)))},
            )
        return admission.phase

    def _failed(self, error: UpstreamError) -> Failed:
        output = not isinstance(error, UpstreamDown) and self._attempts.all[-1].output
        return failed(error, self._tries.now(), output=output)

    def _entry(self, target: Target) -> Provider | None:
        return self._entries.get(target.provider.name)

    def _breaker(self, target: Target) -> Breaker:
        entry = self._entry(target)
        return entry.breaker if entry else Breaker()

    def _left(self) -> Left:
        seconds = (self._ends_ns - self._attempts.now_ns()) / 1e9
        return Left(self._retries.attempts - self._retried, seconds, self._tries.budget.room)

    def _following(self, cause: Cause) -> Target | None:
        """Return the first candidate that the policy asks after this cause and that was not asked yet."""
        chain = next((chain for chain in self._route.fallbacks if cause in chain.after), None)
        usual = () if cause in _CALLERS else self._route.targets
        targets = usual if chain is None else chain.targets
        return next((target for target in targets if target not in self._tried), None)

    def _note(self, decision: Decision, why: Failed) -> None:
        said: dict[str, Any] = {"cause": why.cause, "then": decision.action, "reason": decision.reason}
        if decision.action == "again":
            said["wait_ms"] = round(decision.wait_s * 1000, 3)
        self._attempts.decisions.append(said)
