"""Plays the weeks: runs, reports, reviewers and stories in the order of their times."""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from demo.samples.read import AUTOMATIONS
from demo.weeks.clock import DAY_US, DemoClock
from demo.weeks.people import People
from demo.weeks.stage import Stage
from demo.weeks.stories import WEEK_US, Story, planted
from demo.weeks.traffic import Later, Traffic
from gateway.policy_tools import certificates as files
from metrics.health.confidence.fit import Signature, fit
from metrics.health.confidence.sample import stretches
from policy.certificate import Certificate
from policy.certified import asked_for
from policy.load import load_tree

_HOUR_US: Final = DAY_US // 24
_BEFORE_US: Final = 5 * WEEK_US  # so long that no review compares with it
_VALID: Final = timedelta(days=365)
_FIRST_TRIAGE: Final = 720  # runs in the week before the first: enough to certify by with most seeds
_LOOKS: Final = (10, 12, 14, 16)  # hours at which reviewers look
_SLOWER: Final = 4.0
_DEARER: Final = (
    "  - {provider: simulated, model: simulated-large, from: DAY, simulated: true, input_usd: 6.25, "
    "cached_input_usd: 0.625, output_usd: 25.00}\n"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How many weeks, from which Monday, with how much traffic (1: about 600 runs a week)."""

    first_us: int
    weeks: int = 8
    volume: float = 1.0
    seed: int = 1
    certified: bool = True  # fit a certificate from a week beforehand

    @property
    def stories(self) -> tuple[Story, ...]:
        """What is planted."""
        return planted(self.first_us, self.weeks)


@dataclass
class Played:
    """What came of it."""

    runs: int = 0
    failed: int = 0
    reports: int = 0
    decided: int = 0
    certificate: str | None = None
    weeks: list[str] = field(default_factory=list)


def last_full_weeks(now: datetime, weeks: int) -> int:
    """Give the Monday 0:00 UTC from which so many full weeks lead up to the present one, in microseconds."""
    monday = datetime(now.year, now.month, now.day, tzinfo=UTC) - timedelta(days=now.weekday(), weeks=weeks)
    return int(monday.timestamp()) * 1_000_000


def week_name(at_us: int) -> str:
    """Give the ISO week of a moment, such as 2026-W47."""
    year, week, _ = datetime.fromtimestamp(at_us / 1e6, UTC).isocalendar()
    return f"{year}-W{week:02d}"


class Play:
    """One run of the demo, day by day; what people do with a call later waits until its time has come."""

    def __init__(self, stage: Stage, plan: Plan) -> None:
        self.stage, self.plan, self.clock = stage, plan, stage.clock
        luck = random.Random(plan.seed)
        self.people = People(stage, luck)
        self.traffic = Traffic(stage.http, stage.keys, stage.clock, plan.stories, luck, self.people.right)
        self.played = Played()
        self._waiting: list[tuple[int, int, Later]] = []
        self._numbers = itertools.count()
        self._told: set[tuple[str, bool]] = set()

    async def days(self, progress: Callable[[], None]) -> None:
        """Play the warm-up and all weeks; `progress` is called after each day."""
        await self.stage.activate()
        if self.plan.certified:
            await self._first_certificate()
        progress()
        for day in range(7 * self.plan.weeks):
            await self._day(self.plan.first_us + day * DAY_US)
            if day % 7 == 6:
                await self._week_over(self.plan.first_us + (day + 1) * DAY_US)
            progress()
        self.played.runs, self.played.failed = self.traffic.runs, self.traffic.failed
        self.played.decided = self.people.decided

    async def _first_certificate(self) -> None:
        """Triage weeks beforehand, every output seen by a person, and certify what was seen."""
        begin = self.plan.first_us - _BEFORE_US
        for number in range(_FIRST_TRIAGE):
            await self._until(begin + number * 5 * DAY_US // _FIRST_TRIAGE)
            await self.traffic.one(AUTOMATIONS[0])
            if number % 10 == 9:
                await self.people.look()
        await self._until(begin + 6 * DAY_US)
        while await self.people.look():
            pass
        await self.stage.keep()
        await self.stage.caught_up()
        self.played.certificate = self._certify()
        await self.stage.activate()

    def _certify(self) -> str | None:
        tree = load_tree(self.stage.settings.policies)
        rows = self.stage.query("audited", since=0, automation=AUTOMATIONS[0], metric="success").dicts()
        now = datetime.fromtimestamp(self.clock.now_s(), UTC)
        for stretch in stretches(rows, "default"):
            asked = asked_for(tree, stretch.key)
            made = None if asked is None else fit(stretch, asked[1], Signature("demo@example.com", now, _VALID))
            if isinstance(made, Certificate):
                files.write(Path(self.stage.settings.policies), made, None)
                return made.certificate
        return None

    async def _day(self, day_us: int) -> None:
        looks = [(day_us + hour * _HOUR_US, "") for hour in _LOOKS]
        for at_us, automation in sorted([*self.traffic.times(day_us, self.plan.volume), *looks]):
            await self._until(at_us)
            if automation:
                await self.traffic.one(automation)
            else:
                await self.people.look()
        await self._until(day_us + DAY_US)
        await self.stage.keep()
        await self.stage.watch_certificates()

    async def _week_over(self, monday_us: int) -> None:
        await self.stage.caught_up()
        week = week_name(monday_us - 1)
        await self.stage.freeze(week)
        self.played.weeks.append(week)

    async def _until(self, at_us: int) -> None:
        """Let time pass: what is reported meanwhile, and what stories change."""
        for report in self.traffic.later:
            heapq.heappush(self._waiting, (report.at_us, next(self._numbers), report))
        self.traffic.later.clear()
        while self._waiting and self._waiting[0][0] <= at_us:
            due, _, report = heapq.heappop(self._waiting)
            self.clock.jump(due)
            await self.traffic.send(report)
            self.played.reports += 1
        self.clock.jump(at_us)
        for story in self.plan.stories:
            await self._turn(story, story.begin_us <= at_us < story.end_us)

    async def _turn(self, story: Story, on: bool) -> None:
        """Begin or end what a story changes outside of the traffic."""
        if ((story.kind, on) in self._told) or (not on and (story.kind, True) not in self._told):
            return
        self._told.add((story.kind, on))
        if story.kind == "slow-model":
            self.stage.provider.slower = {story.cause: _SLOWER} if on else {}
        elif story.kind == "price-rise" and on:
            day = datetime.fromtimestamp(story.begin_us / 1e6, UTC).date().isoformat()
            with (self.stage.settings.policies / "prices.yaml").open("a") as file:
                file.write(_DEARER.replace("DAY", day))
            await self.stage.activate()


def start_us(plan: Plan) -> int:
    """Give when the demo's clock begins: before the first week, for the certificate."""
    return plan.first_us - _BEFORE_US - DAY_US


def clock_for(plan: Plan) -> DemoClock:
    """Make the demo's clock."""
    return DemoClock(start_us(plan))
