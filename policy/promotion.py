"""How the share of a split's arm grows while its measures hold, and falls back when one breaks: pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from policy.blocks_routing import Split
from policy.measures import Counts, interval, stands


@dataclass(frozen=True, slots=True)
class Standing:
    """The share of the growing arm now, since when (UTC microseconds), and why."""

    share: float
    since_us: int
    reason: str

    @property
    def over(self) -> bool:
        """Whether the arm fell back; only another split brings it back."""
        return self.share <= 0.0


def begin(split: Split, now_us: int) -> Standing:
    """Start with the share that the file declares."""
    assert split.promote is not None
    return Standing(next(arm.share for arm in split.arms if arm.name == split.promote.arm), now_us, "declared")


def decide(split: Split, standing: Standing, counts: Counts, now_us: int) -> Standing:
    """Give the next standing, or the same one; `counts` are of the arm's calls since `standing.since_us`.

    A bound that surely broke takes everything from the arm. Only when all surely hold does its share grow.
    """
    plan = split.promote
    if plan is None or standing.over:
        return standing
    found = [(bound, stands(bound, counts)) for bound in plan.requires]
    if broken := [bound.measure for bound, fits in found if fits is False]:
        return Standing(0.0, now_us, f"broken: {', '.join(broken)}")
    due = now_us - standing.since_us >= plan.every.total_seconds() * 1_000_000 and counts.calls >= plan.min_calls
    if not due or standing.share >= plan.up_to or not all(fits for _, fits in found):
        return standing
    return Standing(min(plan.up_to, round(standing.share + plan.step, 6)), now_us, "measures hold")


def evidence(split: Split, counts: Counts) -> Iterable[list[object]]:
    """List what a decision looked at: measure, both ends of its interval, and the bound."""
    for bound in split.promote.requires if split.promote else ():
        low, high = interval(bound, counts)
        limit = bound.at_most if bound.at_least is None else bound.at_least
        yield [bound.measure, round(low, 6), round(high, 6) if high < float("inf") else None, limit]
