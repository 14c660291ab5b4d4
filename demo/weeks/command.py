"""`sluice demo`: weeks of invented traffic with planted stories, in a data folder of its own."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from demo.weeks.play import Plan, Play, Played, clock_for, last_full_weeks
from demo.weeks.stage import NotTheDemosError, open_stage, own_folder, settings_of
from demo.weeks.stories import FEWEST_WEEKS
from gateway.settings import load

FOLDER = Path("sluice-demo")


@click.command(
    help="""Play weeks of invented traffic through gateway and recorder in a few minutes, with things that go wrong.

Everything is invented and says so. It is written into a folder of its own, which is emptied first; a folder with other
data is refused. The last line says how to look at it.

\b
Examples:
  sluice demo
  sluice demo --weeks 4 --volume 0.5 --folder /tmp/demo
"""
)
@click.option("--weeks", type=click.IntRange(FEWEST_WEEKS, 26), default=8, show_default=True, help="Full ISO weeks.")
@click.option("--volume", type=click.FloatRange(0.01, 5), default=1.0, show_default=True, help="1: 630 runs a week.")
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True, help="The demo's own.")
@click.option("--seed", default=1, show_default=True, help="Fixes what is drawn.")
def demo(weeks: int, volume: float, folder: Path, seed: int) -> None:
    plan = Plan(last_full_weeks(datetime.now(UTC), weeks), weeks, volume, seed)
    try:
        with own_folder(folder.absolute()) as made:
            played = asyncio.run(_play(plan, made))
    except NotTheDemosError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{played.runs} runs, {played.reports} reports, {played.decided} decisions of reviewers. Planted:")
    for story in plan.stories:
        click.echo(f"  week {story.week}, {story.automation}: {story.told}")
    if played.certificate is None:
        click.echo("With this seed chance drew first outputs that support no certificate: none stops holding.")
    click.echo(
        f"Look at it: SLUICE_DATA={folder} SLUICE_POLICIES={folder}/policies {sys.executable} -m demo.run --samples 0"
    )


async def _play(plan: Plan, folder: Path) -> Played:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    settings = settings_of(load(environ, folder), folder)
    columns = (TextColumn("Playing {task.fields[week]}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(), disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("days", total=7 * plan.weeks + 1, week="the week before")
        async with open_stage(settings, clock_for(plan), plan.seed) as stage:
            play = Play(stage, plan)

            def day() -> None:
                bar.update(task, advance=1, week=f"week {len(play.played.weeks) + 1} of {plan.weeks}")

            await play.days(day)
            return play.played
