"""`make campaign-confidence`: how often a certificate breaks its promise, and what it lets pass, over many draws."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click
import numpy as np

from benchmarks.stand import finish, say
from metrics.health.confidence.calibrate import Flags, Floats
from metrics.health.confidence.certify import Plan, certify
from metrics.health.confidence.watch import wealth

LOOKS, ALPHAS, DELTA = (100, 300, 1000, 3000), (0.05, 0.10), 0.10
# Share of the oracle's coverage that must be reached at 3,000 outcomes.
WANTED = {0.05: 0.6, 0.10: 0.8}
_TRUTH = 2_000_000


@dataclass(frozen=True, slots=True)
class World:
    """Traffic whose error rates are known: correct with logistic(level + slope z); the score sees z with noise."""

    name: str
    level: float
    slope: float
    noise: float
    flip: float = 0.0  # share of outputs with the surest scores that are as wrong as the worst: not monotone

    def draw(self, rng: np.random.Generator, size: int | tuple[int, int]) -> tuple[Floats, Flags]:
        """Give scores and errors."""
        z = rng.standard_normal(size)
        seen = 2.0 + 1.5 * (z + self.noise * rng.standard_normal(size))
        scores = 1 / (1 + np.exp(-seen))
        error_rate = 1 / (1 + np.exp(self.level + self.slope * z))
        sure = seen > 5.0
        return scores, rng.random(size) < np.where(
            sure & (self.flip > 0), np.maximum(error_rate, self.flip), error_rate
        )


WORLDS = (
    World("overconfident, noisy", 2.1, 2.1, 0.6),
    World("weak score", 1.95, 1.6, 0.7),
    World("surest scores are wrong", 2.1, 2.1, 0.6, flip=0.3),
    World("useless score, 5.5 % wrong", 2.844, 0.0, 1.0),
    World("useless score, 10.5 % wrong", 2.1429, 0.0, 1.0),
)


class Truth:
    """The true error rate and coverage of every threshold of a world."""

    def __init__(self, world: World, seed: int) -> None:
        scores, errors = world.draw(np.random.default_rng(seed), _TRUTH)
        order = np.argsort(-scores)
        self._falling = -scores[order]
        self._rate = np.cumsum(errors[order]) / np.arange(1, _TRUTH + 1)

    def of(self, threshold: float) -> tuple[float, float]:
        """Give the error rate among passed outputs, and the coverage."""
        passed = max(int(np.searchsorted(self._falling, -threshold, side="right")), 1)
        return float(self._rate[passed - 1]), passed / _TRUTH

    def oracle(self, alpha: float) -> float:
        """Give the largest coverage whose true error rate is at most alpha."""
        kept = np.nonzero(self._rate[2000:] <= alpha)[0]
        return (int(kept[-1]) + 2001) / _TRUTH if len(kept) else 0.0


@dataclass(slots=True)
class Cell:
    """Counts of one world, number of outcomes and alpha."""

    look: int
    alpha: float
    draws: int
    broken: int = 0
    coverage: float = 0.0
    naive_broken: int = 0
    naive_coverage: float = 0.0

    def add(self, threshold: float | None, naive: float | None, truth: Truth, *, broken_before: bool) -> bool:
        """Count one draw; tell whether the promise was broken at this look or before."""
        rate, coverage = truth.of(threshold) if threshold is not None else (0.0, 0.0)
        broken = broken_before or rate > self.alpha
        self.broken += broken
        self.coverage += coverage / self.draws
        rate, coverage = truth.of(naive) if naive is not None else (0.0, 0.0)
        self.naive_broken += rate > self.alpha
        self.naive_coverage += coverage / self.draws
        return broken


def naive_threshold(scores: Floats, errors: Flags, alpha: float) -> float | None:
    """Give the threshold that people pick: the lowest at which the error rate of the sample is at most alpha."""
    order = np.argsort(-scores)
    rates = np.cumsum(errors[order]) / np.arange(1, len(scores) + 1)
    kept = np.nonzero(rates <= alpha)[0]
    return float(scores[order][kept[-1]]) if len(kept) else None


def cells(world: World, truth: Truth, draws: int, seed: int) -> list[Cell]:
    """Draw, refit at every look, and count whether any certificate given so far was broken."""
    rng = np.random.default_rng(seed)
    found = {(look, alpha): Cell(look, alpha, draws) for look in LOOKS for alpha in ALPHAS}
    for _ in range(draws):
        scores, errors = world.draw(rng, LOOKS[-1])
        for alpha in ALPHAS:
            broken, plan = False, Plan(alpha, DELTA, LOOKS)
            for look in LOOKS:
                threshold = certify(scores, errors, plan, look).threshold
                naive = naive_threshold(scores[:look], errors[:look], alpha)
                broken = found[look, alpha].add(threshold, naive, truth, broken_before=broken)
    return list(found.values())


def allowed(draws: int) -> float:
    """Give delta plus three standard errors of the simulation."""
    return DELTA + 3 * float(np.sqrt(DELTA * (1 - DELTA) / draws)) if draws < 1000 else 0.129


def review_bias(world: World, truth: Truth, draws: int, seed: int) -> Iterator[tuple[str, float, float]]:
    """Estimate the error rate among passed outputs from reviewed held ones, and from the coin: bias, and its error."""
    rng, size, coin = np.random.default_rng(seed), 3000, 0.1
    threshold = float(np.quantile(world.draw(rng, 100_000)[0], 0.6))
    true = truth.of(threshold)[0]
    estimates = []
    for _ in range(draws):
        scores, errors = world.draw(rng, size)
        passed, tossed = scores >= threshold, rng.random(size) < coin
        # Held outputs nearest to the threshold are the best that review of held outputs offers.
        near = ~passed & (scores >= np.quantile(scores, 0.5))
        estimates.append((errors[near].mean(), errors[passed & tossed].mean()))
    for name, values in zip(("review of held outputs", "audit coin"), np.array(estimates).T, strict=True):
        yield name, float(values.mean()) - true, float(values.std() / np.sqrt(draws))


def alarms(draws: int, seed: int) -> Iterator[tuple[float, float, float | None]]:
    """Watch certificates of alpha .05 over 4,000 audits: true error rate, share withdrawn, median audits until then."""
    rng = np.random.default_rng(seed)
    for rate in (0.03, 0.05, 0.07, 0.10, 0.15, 0.25):
        crossed = [wealth(rng.random(4000) < rate, 0.05, DELTA).crossed_at for _ in range(draws)]
        at = [each for each in crossed if each is not None]
        yield rate, len(at) / draws, float(np.median(at)) if at else None


def report(world: World, truth: Truth, found: Sequence[Cell]) -> None:
    """Print the cells of a world as rows of a table."""
    for cell in found:
        oracle = truth.oracle(cell.alpha)
        share = f"{cell.coverage / oracle:.0%}" if oracle else "-"
        click.echo(
            f"| {world.name} | {cell.look:,} | {cell.alpha:.2f} | {cell.broken / cell.draws:.3f} | {cell.coverage:.3f} "
            f"| {share} | {cell.naive_broken / cell.draws:.3f} | {cell.naive_coverage:.3f} | {oracle:.3f} |"
        )


def wrongs(world: World, truth: Truth, found: Sequence[Cell]) -> Iterator[str]:
    """List what a world shows that should not be; the first world is also held to the coverage that is wanted."""
    for cell in found:
        where = f"{world.name}, {cell.look} outcomes, alpha {cell.alpha}"
        if cell.broken / cell.draws > allowed(cell.draws):
            yield f"{where}: broken in {cell.broken} of {cell.draws} draws"
        share = cell.coverage / truth.oracle(cell.alpha) if truth.oracle(cell.alpha) else 1.0
        if world is WORLDS[0] and cell.look == LOOKS[-1] and share < WANTED[cell.alpha]:
            yield f"{where}: only {share:.0%} of the oracle's coverage"


@click.command()
@click.option("--draws", default=1000, show_default=True, help="Draws of each world.")
@click.option("--seed", default=1, show_default=True, help="Seed of all draws.")
def main(draws: int, seed: int) -> None:
    """Simulate and print the tables; exit 1 when a promise was broken too often or too little passes."""
    began = time.monotonic()
    bad: list[str] = []
    click.echo(
        "| traffic | outcomes | alpha | broken | coverage | of oracle | naive broken | naive coverage | oracle |"
    )
    click.echo("|---|---|---|---|---|---|---|---|---|")
    for world in WORLDS:
        truth = Truth(world, seed)
        found = cells(world, truth, draws, seed + 1)
        report(world, truth, found)
        bad += wrongs(world, truth, found)
    click.echo("\n| what is reviewed | bias of the error rate among passed | standard error |\n|---|---|---|")
    for name, bias, error in review_bias(WORLDS[0], Truth(WORLDS[0], seed), draws, seed + 2):
        click.echo(f"| {name} | {bias:+.4f} | {error:.4f} |")
    click.echo("\n| true error rate (alpha .05) | withdrawn within 4,000 audits | median audits |\n|---|---|---|")
    for rate, share, median in alarms(min(draws, 300), seed + 3):
        click.echo(f"| {rate:.2f} | {share:.3f} | {'-' if median is None else f'{median:.0f}'} |")
    say("seconds", f"{time.monotonic() - began:.0f}")
    finish(bad)


if __name__ == "__main__":
    main()
