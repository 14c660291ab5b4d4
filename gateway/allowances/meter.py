"""Ceilings on pace and spending: each call sets aside what it may use before, and is charged what it used after."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import orjson

from gateway.allowances.purses import Purses
from gateway.call import Governed, Route
from gateway.control.budgets import BUDGETS, MOST, Allowance, MemoryStore, Wish
from gateway.control.errors import ControlError
from gateway.errors import GatewayError
from gateway.wire.endpoint import Json
from gateway.wire.features import most_output_tokens
from gateway.wire.headers import Header
from metrics.record.ids import utc_us
from policy.blocks_access import Budget, BudgetRule, Limits
from policy.estimate import most_usd
from policy.values import Enforce

NANO: Final = 1_000_000_000
DEFAULT_ANSWER_TOKENS: Final = 4096
_MINUTE_US: Final = 60_000_000
_BLOCKS: Final = 20


class OverLimit(GatewayError):
    """Too many calls or tokens in this minute, or too many calls at once."""

    status, code, type, retryable = 429, "rate_limit_exceeded", "rate_limit_error", True
    layer, outcome = "policy", "refused"


class OverBudget(GatewayError):
    """A budget does not allow this call; trying again does not help."""

    status, code, type = 429, "budget_exceeded", "insufficient_quota"
    layer, outcome = "policy", "refused"


class Unpriced(GatewayError):
    """A budget in dollars governs a call whose cost cannot be known."""

    status, code, type = 403, "price_unknown", "policy_error"
    layer, outcome = "policy", "refused"


class CeilingsDown(GatewayError):
    """What is left cannot be asked for."""

    status, code, retryable = 503, "limits_unavailable", True
    layer = "policy"


class Reserved(NamedTuple):
    """What a call set aside of one allowance."""

    allowance: Allowance
    unit: str
    amount: int
    cap: int


class Ticket:
    """What one call set aside. `settle` and `close` may come twice."""

    __slots__ = ("_purses", "charges", "headers", "held", "now_us")

    def __init__(self, purses: Purses, now_us: int) -> None:
        self._purses, self.now_us = purses, now_us
        self.held: list[Reserved] = []
        self.charges: list[tuple[str, int, int]] = []
        self.headers: list[Header] = []

    @property
    def reserved(self) -> list[tuple[str, int, int]]:
        """What was set aside of budgets."""
        return [(e.allowance.name, e.allowance.period_us, e.amount) for e in self.held if _is_budget(e.allowance)]

    def settle(self, usd: float | None, tokens: int | None) -> list[tuple[str, int, int]]:
        """Charge what was used; None: nothing was asked of a model. An unknown cost is charged as reserved."""
        for each in [each for each in self.held if each.unit != "calls"]:
            used = _used(each, usd, tokens)
            self._purses.settle(each.allowance, each.amount, used)
            if _is_budget(each.allowance):
                self.charges.append((each.allowance.name, each.allowance.period_us, used))
            self.held.remove(each)
        return self.charges

    def close(self) -> None:
        """Free the place among the calls under way."""
        self.settle(None, None)
        for each in self.held:
            self._purses.settle(each.allowance, each.amount, 0)
        self.held.clear()


def _is_budget(allowance: Allowance) -> bool:
    return allowance.name.endswith(BUDGETS)


def _used(held: Reserved, usd: float | None, tokens: int | None) -> int:
    if held.unit == "requests":
        return held.amount
    if tokens is None:
        return 0
    if held.unit == "tokens":
        return tokens
    return held.amount if usd is None else round(usd * NANO)


class Meter:
    """Holds calls to the ceilings of their policies."""

    def __init__(self, purses: Purses, clock_us: Callable[[], int]) -> None:
        self._purses, self._clock_us = purses, clock_us

    async def enter(self, governed: Governed, notes: Json) -> Ticket:
        """Count a call that begins.

        Raises:
            OverLimit: too many began in this minute, or are under way.
        """
        now_us = self._clock_us()
        ticket = Ticket(self._purses, now_us)
        limits = governed.bound.policy.limits
        if limits is None:
            return ticket
        try:
            for unit, period, cap in _of_begin(limits):
                await self._limit(ticket, governed, limits, (unit, period, cap, 1), notes)
        except BaseException:
            ticket.close()
            raise
        return ticket

    async def reserve(self, ticket: Ticket, route: Route, notes: Json) -> None:
        """Set aside the most that a call may use.

        Raises:
            OverLimit, OverBudget, Unpriced: it may not be made.
        """
        governed = route.request.governed
        policy = governed.bound.policy
        tokens = _tokens(route, policy.budget)
        limits = policy.limits
        if limits is not None and limits.tokens_per_minute is not None:
            row = ("tokens", "minute", limits.tokens_per_minute, sum(tokens))
            await self._limit(ticket, governed, limits, row, notes)
        for index, rule in enumerate(policy.budget.rules if policy.budget else ()):
            for unit, cap, need in _of_rule(rule, tokens, route, ticket.now_us):
                wish = Wish(need, cap // _BLOCKS, cap, alerts=policy.budget.alerts if policy.budget else ())
                allowance = _allowance(governed, rule.scope, unit, rule.period, ticket.now_us)
                if not await self._take(ticket, allowance, unit, wish, rule.enforce):
                    _refuse(notes, f"budget.rules[{index}]", rule.enforce, _over_budget(rule, unit))

    async def _limit(
        self, ticket: Ticket, governed: Governed, limits: Limits, row: tuple[str, str, int, int], notes: Json
    ) -> None:
        unit, period, cap, need = row
        allowance = _allowance(governed, limits.scope, unit, period, ticket.now_us)
        places = unit == "calls"
        wish = Wish(need, 1 if places else max(1, cap // _BLOCKS), cap, share=1 if places else 4)
        taken = await self._take(ticket, allowance, unit, wish, limits.enforce)
        wait_s = max(1, -(-(allowance.until_us - ticket.now_us) // 1_000_000)) if allowance.until_us else 1
        if not places:
            left = self._purses.remaining(allowance, cap)
            ticket.headers += _headers(unit, cap, left, wait_s)
        if not taken:
            _refuse(notes, f"limits.{unit}", limits.enforce, _over_limit(unit, cap, wait_s, ticket.headers))

    async def _take(self, ticket: Ticket, allowance: Allowance, unit: str, wish: Wish, enforce: Enforce) -> bool:
        try:
            taken = await self._purses.reserve(allowance, wish)
        except ControlError as error:
            if enforce == "observe":
                return True
            raise CeilingsDown("What is left of a limit or budget cannot be asked for; try again.") from error
        if taken:
            ticket.held.append(Reserved(allowance, unit, wish.need, wish.cap))
        return taken


def _of_begin(limits: Limits) -> Iterator[tuple[str, str, int]]:
    if limits.concurrent_calls is not None:
        yield "calls", "now", limits.concurrent_calls
    if limits.requests_per_minute is not None:
        yield "requests", "minute", limits.requests_per_minute


def _of_rule(rule: BudgetRule, tokens: tuple[int, int], route: Route, now_us: int) -> Iterator[tuple[str, int, int]]:
    if rule.tokens is not None:
        yield "tokens", min(rule.tokens, MOST), sum(tokens)
    if rule.usd is not None:
        yield "usd", min(round(rule.usd * NANO), MOST), _dollars(route, tokens, now_us, rule.enforce)


def _dollars(route: Route, tokens: tuple[int, int], now_us: int, enforce: Enforce) -> int:
    """Give the most that any of the models in question can cost, in nanodollars."""
    prices, at = route.request.governed.snapshot.prices, datetime.fromtimestamp(now_us / 1e6, UTC)
    tier = route.body.get("service_tier")
    costs = [most_usd(prices, target.provider.name, target.model, tokens, at, tier) for target in route.reachable]
    if None in costs and enforce == "on":
        raise Unpriced("This model has no price in prices.yaml, and a budget in dollars governs this call.")
    return round(max([cost for cost in costs if cost is not None], default=0.0) * NANO)


def _tokens(route: Route, budget: Budget | None) -> tuple[int, int]:
    """Give the most tokens of request and answer: no token is shorter than a byte of the request's JSON."""
    named = most_output_tokens(route.body)
    assumed = (budget.answer_tokens if budget else None) or DEFAULT_ANSWER_TOKENS
    answers = route.request.governed.call.endpoint.name != "embeddings"
    return len(orjson.dumps(route.body)), (named or assumed) if answers else 0


def _allowance(governed: Governed, scope: str, unit: str, period: str, now_us: int) -> Allowance:
    holder = governed.call.holder
    value = holder.key_id if scope == "key" else getattr(holder.facts, scope) or ""
    begin_us, until_us = bounds(period, now_us)
    return Allowance(holder.facts.tenant, f"{scope}:{value}|{unit}|{period}", begin_us, until_us)


def bounds(period: str, now_us: int) -> tuple[int, int]:
    """Give the UTC period that holds a moment: begin and end in microseconds; 0, 0 for `now`."""
    if period == "now":
        return 0, 0
    if period == "minute":
        begin = now_us - now_us % _MINUTE_US
        return begin, begin + _MINUTE_US
    day = datetime.fromtimestamp(now_us / 1e6, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = day if period == "day" else day - timedelta(days=day.weekday()) if period == "week" else day.replace(day=1)
    after = first + (timedelta(days=1) if period == "day" else timedelta(days=7))
    if period == "month":
        after = (first + timedelta(days=32)).replace(day=1)
    return int(first.timestamp()) * 1_000_000, int(after.timestamp()) * 1_000_000


def _headers(unit: str, cap: int, left: int, wait_s: int) -> list[Header]:
    """Say what OpenAI's headers say about a limit."""
    values = {"limit": str(cap), "remaining": str(left), "reset": f"{wait_s}s"}
    return [(f"x-ratelimit-{name}-{unit}".encode(), value.encode()) for name, value in values.items()]


def _over_limit(unit: str, cap: int, wait_s: int, headers: list[Header]) -> OverLimit:
    words = {"calls": f"{cap} calls at once", "requests": f"{cap} calls a minute", "tokens": f"{cap} tokens a minute"}
    told = {name.decode(): value.decode() for name, value in headers} | {"retry-after": str(wait_s)}
    return OverLimit(f"The policy allows {words[unit]}.", headers=told)


def _over_budget(rule: BudgetRule, unit: str) -> OverBudget:
    cap = f"${rule.usd:g}" if unit == "usd" else f"{rule.tokens} tokens"
    return OverBudget(f"The budget of this {rule.scope} ({cap} a {rule.period}) does not allow this call.")


def _refuse(notes: Json, rule: str, enforce: Enforce, error: GatewayError) -> None:
    """Refuse the call, or note that an observed rule would have."""
    if enforce == "on":
        notes["refused_by"] = rule
        raise error
    notes.setdefault("would_refuse", []).append(rule)


def memory_meter() -> Meter:
    """Make a meter for one process alone."""
    return Meter(Purses(MemoryStore(), utc_us), utc_us)
