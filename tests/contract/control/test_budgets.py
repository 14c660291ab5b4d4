"""Allowances, on the fake and on both databases: never more than the ceiling, whoever races, whoever dies."""

import asyncio
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.allowances.purses import Purses
from gateway.control import budgets, outbox
from gateway.control.budgets import Allowance, AllowanceStore, ControlStore, MemoryStore, Wish
from gateway.control.database import Database, open_database
from gateway.control.errors import ControlUnavailable
from tests.contract.control.clock import Clock

DAY = Allowance("acme", "team:support|usd|day", 1_000, 2_000_000_000_000_000)
PLACES = Allowance("acme", "key:k|calls|now")


@pytest.fixture(params=["memory", "control"])
def store(request: pytest.FixtureRequest, database: Database) -> AllowanceStore:
    return MemoryStore() if request.param == "memory" else ControlStore(database, "w1")


def test_a_lease_is_a_block_or_what_is_needed(store: AllowanceStore) -> None:
    assert store.take(DAY, Wish(1, 5, 100)) == (5, 5)
    assert store.take(DAY, Wish(30, 5, 100)) == (30, 35)
    assert store.take(DAY, Wish(1, 50, 100)) == (16, 51)  # a quarter of what is left
    assert store.take(DAY, Wish(50, 5, 100)).granted == 0
    assert store.take(DAY, Wish(49, 5, 100)) == (49, 100)
    store.give_back(DAY, 10)
    assert store.take(DAY, Wish(10, 1, 100)) == (10, 100)
    assert store.take(DAY._replace(period_us=2_000), Wish(1, 1, 100)).granted == 1


def test_what_is_over_the_ceiling_is_refused_at_once(store: AllowanceStore) -> None:
    assert store.take(DAY, Wish(101, 5, 100)).granted == 0


def alerts(database: Database) -> list[Mapping[str, Any]]:
    return [event.body for _, event in outbox.unrelayed(database) if event.kind == "budget.alert"]


def test_alerts_follow_what_was_spent_and_not_what_is_leased(database: Database, clock: Clock) -> None:
    wish = Wish(10, 90, 100, share=1, alerts=(0.5, 0.8, 1.0))

    async def play() -> None:
        purses = Purses(ControlStore(database, "w1"), clock)
        for used, expected in ((10, []), (9, []), (30, []), (1, [0.5]), (25, [0.5]), (6, [0.5, 0.8])):
            assert await purses.reserve(DAY, wish)
            purses.settle(DAY, 10, used)
            await purses.tidy()
            await purses.tidy()
            assert [alert["share"] for alert in alerts(database)] == expected
        await purses.close()

    asyncio.run(play())
    first = alerts(database)[0]
    assert (first["scope"], first["unit"], first["period"], first["cap"]) == ("team", "usd", "day", 100)
    assert (first["spent"], first["refused"]) == (50, False)
    (state,) = budgets.states(database, "acme", clock())
    assert (state.taken, state.spent, state.alerted) == (81, 81, 0.8)


def test_a_caller_that_leaves_while_a_lease_is_taken_does_not_take_it_along(store: AllowanceStore) -> None:
    began, go_on = threading.Event(), threading.Event()

    class Slow(MemoryStore):
        def take(self, allowance: Allowance, wish: Wish) -> Any:
            began.set()
            go_on.wait(10)
            return store.take(allowance, wish)

        def give_back(self, allowance: Allowance, amount: int, settled: Any = None) -> None:
            store.give_back(allowance, amount, settled)

    async def play() -> None:
        purses = Purses(Slow(), lambda: 0)
        call = asyncio.create_task(purses.reserve(DAY, Wish(10, 50, 100)))
        assert await asyncio.to_thread(began.wait, 10)
        call.cancel()
        await asyncio.wait([call])
        go_on.set()
        await purses.close()

    asyncio.run(play())
    assert store.take(DAY, Wish(100, 1, 100)).granted == 100


def test_a_refused_call_says_that_the_budget_is_used_up(database: Database, clock: Clock) -> None:
    store = ControlStore(database, "w1")
    store.take(DAY, Wish(95, 1, 100, alerts=(0.5, 1.0)))
    assert alerts(database) == []
    assert not store.take(DAY, Wish(10, 1, 100, alerts=(0.5, 1.0))).granted
    assert [(alert["share"], alert["refused"]) for alert in alerts(database)] == [(1.0, True)]


WORKERS, CALLS, CEILING = 4, 100, 50


def race(addresses: Callable[[], AllowanceStore], clock: Clock, use: Callable[[random.Random], int]) -> list[int]:
    """Let four workers with a hundred calls each race for a budget of fifty; give what each admitted call used."""

    def worker(seed: int) -> list[int]:
        purses, chance = Purses(addresses(), clock), random.Random(seed)
        wish = Wish(10, CEILING * 10 // 20, CEILING * 10)

        async def call() -> int | None:
            if not await purses.reserve(DAY, wish):
                return None
            await asyncio.sleep(chance.random() / 100)
            used = use(chance)
            purses.settle(DAY, 10, used)
            return used

        async def calls() -> list[int]:
            used = await asyncio.gather(*(call() for _ in range(CALLS)))
            await purses.close()
            return [each for each in used if each is not None]

        return asyncio.run(calls())

    with ThreadPoolExecutor(WORKERS) as threads:
        return [used for each in threads.map(worker, range(WORKERS)) for used in each]


@pytest.fixture
def stores(address: str, clock: Clock) -> Iterator[Callable[[], AllowanceStore]]:
    """A database of its own for each worker."""
    opened = [open_database(address, clock) for _ in range(WORKERS)]
    waiting = list(enumerate(opened))

    def take() -> AllowanceStore:
        number, database = waiting.pop()
        return ControlStore(database, f"w{number}")

    yield take
    for database in opened:
        database.close()


def test_four_workers_with_a_hundred_calls_never_pass_a_budget_of_fifty(
    database: Database, stores: Callable[[], AllowanceStore], clock: Clock
) -> None:
    used = race(stores, clock, lambda _chance: 10)
    assert sum(used) <= CEILING * 10
    assert len(used) >= CEILING * 3 // 4
    (state,) = budgets.states(database, "acme", clock())
    assert state.taken == sum(used)
    assert state.spent == 0  # nobody asked for alerts


def test_what_was_set_aside_and_not_used_can_be_used(
    database: Database, stores: Callable[[], AllowanceStore], clock: Clock
) -> None:
    used = race(stores, clock, lambda chance: chance.randint(0, 5))
    assert sum(used) <= CEILING * 10
    (state,) = budgets.states(database, "acme", clock())
    assert state.taken == sum(used)


Step = tuple[int, int, int]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 60), st.integers(0, 60)), max_size=40),
    kills=st.sets(st.integers(0, 39), max_size=3),
)
def test_under_every_order_of_calls_and_deaths_spending_stays_below(steps: list[Step], kills: set[int]) -> None:
    """A worker that dies takes its purse with it: what it held stays taken, so the rest can never spend it."""
    store, clock, spent = MemoryStore(), Clock(), 0

    async def play() -> int:
        nonlocal spent
        workers = [Purses(store, clock) for _ in range(3)]
        for at, (worker, need, used) in enumerate(steps):
            if at in kills:
                workers[worker] = Purses(store, clock)
            if await workers[worker].reserve(DAY, Wish(need, 10, 200)):
                spent += min(used, need)
                workers[worker].settle(DAY, need, min(used, need))
            assert spent <= store.taken[DAY] <= 200
        return spent

    asyncio.run(play())


def test_places_come_back_and_debts_are_paid(store: AllowanceStore, clock: Clock) -> None:
    async def play() -> None:
        purses = Purses(store, clock)
        one = Wish(1, 1, 1, share=1)
        assert await purses.reserve(PLACES, one)
        assert not await purses.reserve(PLACES, one)
        purses.settle(PLACES, 1, 0)
        await purses.tidy()
        await purses.tidy()
        other = Purses(store, clock)
        assert await other.reserve(PLACES, one)
        assert await purses.reserve(DAY, Wish(10, 1, 100))
        purses.settle(DAY, 10, 30)  # it used more than it had set aside
        await purses.tidy()
        assert (await asyncio.to_thread(store.take, DAY, Wish(71, 1, 100))).granted == 0
        assert (await asyncio.to_thread(store.take, DAY, Wish(70, 1, 100))).granted == 70

    asyncio.run(play())


def test_what_passes_the_ceiling_stops_every_worker_at_once(clock: Clock) -> None:
    class Told(MemoryStore):
        paid = threading.Event()

        def give_back(self, allowance: Allowance, amount: int, settled: budgets.Settled | None = None) -> None:
            super().give_back(allowance, amount, settled)
            self.paid.set()

    async def play() -> None:
        store = Told()
        purses, other = (Purses(store, clock, tidy_s=3600) for _ in range(2))
        running = asyncio.create_task(purses.run())
        assert await purses.reserve(DAY, Wish(10, 1, 100))
        assert await other.reserve(DAY, Wish(60, 1, 100))
        purses.settle(DAY, 10, 45)  # the upstream claims more than was asked for
        assert await asyncio.to_thread(store.paid.wait, 10)
        assert not await other.reserve(DAY, Wish(1, 1, 100))
        assert not await purses.reserve(DAY, Wish(1, 1, 100))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(play())


def test_an_unreachable_database_refuses_what_is_not_leased_yet(clock: Clock) -> None:
    class Gone(MemoryStore):
        def take(self, allowance: Allowance, wish: Wish) -> budgets.Grant:
            raise ControlUnavailable("away")

    async def play() -> None:
        with pytest.raises(ControlUnavailable):
            await Purses(Gone(), clock).reserve(DAY, Wish(1, 1, 1))

    asyncio.run(play())


def test_a_limit_over_two_processes_is_met_exactly(
    database: Database, stores: Callable[[], AllowanceStore], clock: Clock
) -> None:
    minute = Allowance("acme", "key:k|requests|minute", 60_000_000, 120_000_000)

    async def play() -> int:
        workers = [Purses(stores(), clock) for _ in range(2)]
        return sum([await workers[n % 2].reserve(minute, Wish(1, 5, 100)) for n in range(300)])

    assert asyncio.run(play()) == 100
