"""`make campaign-stories`: eight weeks of the demo, several times over; are all planted stories told, and what else?

Each seed plays the weeks of `sluice demo` through gateway and recorder, freezes each week's review as the keeper does,
and reads what it tells as new. A mover is owed when a story of its automation (or of the model or price that it shares
with the story's automation) begins or ends in that week or the one before; any other is a false alarm.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from benchmarks.stand import finish
from demo.weeks.play import Plan, Play, clock_for, last_full_weeks
from demo.weeks.stage import open_stage, own_folder, settings_of
from demo.weeks.stories import Story
from gateway.settings import load
from metrics.health.review.headlines import layer_of

Json = dict[str, Any]
WEEKS = 8
MONDAY_US = last_full_weeks(datetime(2026, 11, 22, 12, tzinfo=UTC), WEEKS)
# Automations that a story reaches beside its own: they use the same model.
SHARED = {"price-rise": "support-drafting", "slow-model": "inbound-triage"}


def prompt_told(story: Story, found: list[Json], document: Json) -> bool:
    causes = [each["cause"]["to"] for each in found if each["worse"] and each["cause"]]
    return story.cause in causes and (layer_of(document, story.automation) or {}).get("layer") == "prompt"


def outage_told(story: Story, found: list[Json], document: Json) -> bool:
    fell = [each for each in found if each["worse"] and each["measure"] == "success" and not each["cause"]]
    return bool(fell) and (layer_of(document, story.automation) or {}).get("layer") == "retrieval"


def price_told(_story: Story, found: list[Json], _document: Json) -> bool:
    rose = [each for each in found if each["worse"] and each["measure"] == "cost"]
    return [each["cause"] and each["cause"]["what"] for each in rose] == ["price"]


def slow_told(story: Story, found: list[Json], _document: Json) -> bool:
    slow = [each for each in found if each["worse"] and each["measure"] == "latency"]
    return bool(slow) and all(each["reason"] and each["reason"]["name"] == story.cause for each in slow)


def certificate_told(_story: Story, found: list[Json], _document: Json) -> bool:
    """The fall is told, and the withdrawal that follows it is not called its cause."""
    fell = [each for each in found if each["worse"] and each["measure"] == "success"]
    return bool(fell) and not any(each["cause"] for each in fell)


TOLD: dict[str, Callable[[Story, list[Json], Json], bool]] = {
    "bad-prompt": prompt_told, "retrieval-outage": outage_told, "price-rise": price_told, "slow-model": slow_told,
    "certificate": certificate_told,
}  # fmt: skip


async def played(seed: int, folder: Path) -> tuple[Plan, list[Json], bool]:
    """Play the weeks; return the plan, the reviews in their order, and whether there was a certificate."""
    plan = Plan(MONDAY_US, WEEKS, seed=seed)
    with own_folder(folder) as own:
        settings = settings_of(load({}, own), own)
        async with open_stage(settings, clock_for(plan), plan.seed) as stage:
            show = Play(stage, plan)
            await show.days(lambda: None)
            reviews = [stage.reviewed(week) for week in show.played.weeks]
            return plan, reviews, show.played.certificate is not None


def owed(plan: Plan, week: int, automation: str | None) -> Iterator[Story]:
    """Give the stories that may move an automation in a week: they act in it, or did in the week before."""
    for story in plan.stories:
        reaches = automation in (story.automation, SHARED.get(story.kind))
        if reaches and story.week <= week <= (story.end_us - plan.first_us) // (7 * 86_400_000_000) + 1:
            yield story


def judge(plan: Plan, reviews: list[Json], certified: bool) -> tuple[list[str], list[str], list[str]]:
    """Return the stories that were missed, the false alarms, and causes that are none."""
    missed, false, blamed = [], [], []
    for story in plan.stories:
        document = reviews[story.week - 1]
        found = [each for each in document["movers"] if each["automation"] == story.automation and not each["told"]]
        if not TOLD[story.kind](story, found, document):
            missed.append(f"{story.kind} in week {story.week}")
    withdrawn = [e for d in reviews for e in d["events"] if e["kind"] == "certificate.withdrawn"]
    missed += ["the withdrawal of the certificate"] if certified and not withdrawn else []
    for week, document in enumerate(reviews, 1):
        for mover in (each for each in document["movers"] if not each["told"]):
            stories = list(owed(plan, week, mover["automation"]))
            if not stories:
                false.append(f"week {week}: {mover['sentence']}")
            cause = mover["cause"]
            if cause and not any(_names(story, cause) for story in stories):
                blamed.append(f"week {week}: {mover['sentence']}")
    return missed, false, blamed


def _names(story: Story, cause: Json) -> bool:
    return story.cause in (cause["what"], cause["to"], cause["name"])


@click.command()
@click.option("--seeds", default=3, show_default=True)
@click.option("--first", default=1, show_default=True, help="The first seed.")
def main(seeds: int, first: int) -> None:
    """Exit 1 when a story is missed, a change is blamed that moved nothing, or alarms are false too often."""
    began, bad, alarms = time.monotonic(), 0, 0
    for seed in range(first, first + seeds):
        with tempfile.TemporaryDirectory() as folder:
            plan, reviews, certified = asyncio.run(played(seed, Path(folder) / "demo"))
        missed, false, blamed = judge(plan, reviews, certified)
        told = sum(not each["told"] for document in reviews for each in document["movers"])
        click.echo(
            f"seed {seed}: {len(plan.stories) - len(missed)} of {len(plan.stories)} stories told, {told} movers, "
            f"{len(false)} false alarms, {len(blamed)} wrong causes{'' if certified else '; no certificate was made'}"
        )
        for words, lines in (("missed", missed), ("false alarm", false), ("wrong cause", blamed)):
            for line in lines:
                click.echo(f"  {words}: {line}")
        bad, alarms = bad + len(missed) + len(blamed), alarms + len(false)
    looks = seeds * WEEKS * 4
    each = alarms / looks * 13
    click.echo(
        f"{looks} looks (an automation in a week): {alarms} false alarms, "
        f"{each:.2f} for each automation and quarter; {time.monotonic() - began:.0f} s"
    )
    finish([f"{bad} missed or wrongly blamed"] * bool(bad) + [f"{each:.2f} false alarms a quarter"] * (each > 1))


if __name__ == "__main__":
    main()
