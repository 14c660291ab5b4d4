"""`make campaign-movers`: how often unchanged traffic is said to have moved, and how often a real change is seen.

The traffic is made up (synthetic): runs of one to four calls in three steps, fewer on weekends, with outcomes, costs
and times that are alike within a run and differ from day to day by more than chance. A quarter is thirteen looks, one
at the end of each week: the week against the four weeks before it, and the days around each change in it, as the weekly
review does. The changes are planted at any moment and have no effect.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pool
from typing import Any, TypeVar

import click
import numpy as np

from benchmarks.stand import finish
from metrics.health.compare import Slices
from metrics.health.moved import Change, Subject
from metrics.health.movers import after_changes, movers

T = TypeVar("T")
WEEKS, BEFORE, LOOK, AROUND = 17, 28, 7, 14
STEPS = ("classify", "draft", "check")
SEEN = 0.6  # of falls by what is called visible; the bound is set for four of five, chance takes some of twenty
NO_EFFECT = Change(0, None, "prompt", "draft", "3", "4", None)


@dataclass
class Traffic:
    """Columns of runs and of their calls."""

    at: np.ndarray  # in days
    known: np.ndarray
    success: np.ndarray
    seen: np.ndarray
    overridden: np.ndarray
    cost: np.ndarray
    run: np.ndarray  # of each call
    step: np.ndarray
    failed: np.ndarray
    withheld: np.ndarray
    ms: np.ndarray


def made(chance: np.random.Generator, per_day: int, from_day: int = 10_000, drop: float = 0.0) -> Traffic:
    """Make a quarter and the four weeks before it; from a day on fewer runs succeed by `drop`."""
    days = np.arange(7 * WEEKS)
    runs = chance.poisson(per_day * np.where(days % 7 >= 5, 0.4, 1.0) * chance.gamma(40, 1 / 40, len(days)))
    day = np.repeat(days, runs)
    mood = chance.normal(0, 0.1, len(days))[day]
    odds = 2.2 + mood + chance.normal(0, 0.5, len(day))
    success = chance.random(len(day)) < 1 / (1 + np.exp(-odds)) - drop * (day >= from_day)
    calls = chance.integers(1, 5, len(day))
    run = np.repeat(np.arange(len(day)), calls)
    slow = chance.normal(0, 0.3, len(day))[run] + chance.normal(0, 0.05, len(days))[day][run]
    bad = chance.beta(0.1, 4, len(day))[run]
    return Traffic(
        day + chance.beta(4, 4, len(day)), chance.random(len(day)) < 0.7, success, chance.random(len(day)) < 0.2,
        ~success & (chance.random(len(day)) < 0.6),
        np.exp(chance.normal(-4, 0.8, len(day))) * calls, run, chance.integers(0, 3, len(run)),
        chance.random(len(run)) < bad, chance.random(len(run)) < 0.04,
        np.exp(7 + slow + chance.normal(0, 0.7, len(run))),
    )  # fmt: skip


def midranks(values: np.ndarray) -> np.ndarray:
    """Rank from 0 to 1; ties share the middle of their places."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return ((np.cumsum(count) - count / 2) / len(values))[place]


def sums(day: np.ndarray, cluster: np.ndarray, k: np.ndarray, n: np.ndarray) -> Slices:
    """Add up by run, then by day, as the question `movement` does."""
    runs, place = np.unique(cluster, return_inverse=True)
    of_day = np.zeros(len(runs), dtype=int)
    of_day[place] = day
    ks, ns = np.bincount(place, k), np.bincount(place, n)
    used, at = np.unique(of_day, return_inverse=True)
    added: list[Any] = [np.bincount(at, each, len(used)) for each in (ks, ns, ks * ks, ks * ns, ns * ns)]
    return Slices(*added)


def week(traffic: Traffic, look: int) -> dict[Subject, tuple[Slices, Slices]]:
    """Compare the week that begins on a day with the four weeks before."""
    return pairs(traffic, look - BEFORE, look, look + LOOK)


def around(traffic: Traffic, moment: float, look: int) -> dict[Subject, tuple[Slices, Slices]]:
    """Compare the days after a change, up to the end of the week, with the fourteen before it."""
    return pairs(traffic, moment - AROUND, moment, min(look + LOOK, moment + AROUND))


def pairs(traffic: Traffic, since: float, split: float, until: float) -> dict[Subject, tuple[Slices, Slices]]:
    """Compare what lies before and after a moment, by stretches of 24 hours from `since`, as `movement` does."""
    inside = (traffic.at >= since) & (traffic.at < until)
    late, runs = traffic.at >= split, np.arange(len(traffic.at))
    day = np.floor(traffic.at - since).astype(int)
    found: dict[Subject, tuple[Slices, Slices]] = {}

    def add(measure: str, step: str, cluster: np.ndarray, value: np.ndarray, keep: np.ndarray) -> None:
        both = (keep & ~late[cluster], keep & late[cluster])
        parts = [sums(day[cluster[m]], cluster[m], value[m].astype(float), np.ones(m.sum())) for m in both]
        found[Subject("a", measure, step)] = (parts[0], parts[1])

    def ranked(measure: str, step: str, cluster: np.ndarray, value: np.ndarray, keep: np.ndarray) -> np.ndarray:
        ranks = np.zeros(len(value))
        ranks[keep] = midranks(value[keep])
        add(measure, step, cluster, ranks, keep)
        return ranks

    add("success", "", runs, traffic.success, inside & traffic.known)
    add("override", "", runs, traffic.overridden, inside & traffic.seen)
    ranked("cost", "", runs, traffic.cost, inside)
    add("errors", "", traffic.run, traffic.failed, inside[traffic.run])
    add("withheld", "", traffic.run, traffic.withheld, inside[traffic.run])
    for number, step in enumerate(STEPS):
        keep = inside[traffic.run] & (traffic.step == number)
        ranks = ranked("latency", step, traffic.run, traffic.ms, keep)
        add("slow", step, traffic.run, ranks > 0.95, keep)
    return found


def quiet(seed: int, per_day: int, changes: int) -> list[str]:
    """Return what was said to have moved in a quarter in which nothing did, by the week or at a change."""
    chance = np.random.default_rng(seed)
    traffic, told = made(chance, per_day), []
    for look in range(BEFORE, 7 * WEEKS, 7):
        moments = look + chance.random(changes) * LOOK
        found = {mover.subject for mover in movers(week(traffic, look))[0]}
        told += [subject.measure for subject in found]
        at = after_changes([(NO_EFFECT, around(traffic, moment, look)) for moment in moments])
        told += [f"{mover.subject.measure} at a change" for mover in at if mover.subject not in found]
    return told


def planted(seed: int, per_day: int) -> tuple[bool, float]:
    """Let success fall by what is said to be visible; return whether it was seen, and how much that was."""
    look, subject = 7 * (WEEKS - 1), Subject("a", "success", "")
    visible = movers(week(made(np.random.default_rng(seed), per_day), look))[1][subject]
    traffic = made(np.random.default_rng(seed + 10**6), per_day, look, visible)
    return any(mover.subject == subject and mover.worse for mover in movers(week(traffic, look))[0]), visible


def spread(work: Callable[..., T], quarters: int, *given: int) -> list[T]:
    with Pool(2) as pool:
        return pool.starmap(work, [(seed, *given) for seed in range(quarters)], chunksize=5)


@click.command()
@click.option("--quarters", default=1000, show_default=True)
@click.option("--runs", default=60, show_default=True, help="Runs on a working day.")
@click.option("--changes", default=1, show_default=True, help="Changes without an effect in each week.")
def main(quarters: int, runs: int, changes: int) -> None:
    """Exit 1 when more than one false mover a quarter is to be expected, or a visible fall is too often missed."""
    began = time.monotonic()
    false = spread(quiet, quarters, runs, changes)
    each = sum(map(len, false)) / quarters
    click.echo(
        f"{quarters} quarters in which nothing moved, {runs} runs a working day, {changes} changes a week without an "
        f"effect: {each:.2f} false movers a quarter"
    )
    named = [name for found in false for name in found]
    click.echo(f"by measure: { {name: named.count(name) for name in sorted(set(named))} }")
    seen = spread(planted, max(20, quarters // 5), runs)
    size = sum(visible for _, visible in seen) / len(seen)
    share = sum(hit for hit, _ in seen) / len(seen)
    click.echo(f"a fall of success by what is said to be visible ({size:.1%}) was seen in {share:.0%}")
    click.echo(f"{time.monotonic() - began:.0f} s")
    bad = [f"{each:.2f} false movers a quarter"] if each > 1 else []
    finish(bad + ([f"a visible fall was seen in {share:.0%} only"] if share < SEEN else []))


if __name__ == "__main__":
    main()
