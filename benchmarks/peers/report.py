"""The page of `make bench-peers`: all servers side by side, and each goal with what was reached."""

import datetime as dt
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.subjects import PINS
from benchmarks.servers import ROOT

OURS, WARM = "sluice, structured kinds", "sluice, names warm"
LITELLM, SHIELD = "LiteLLM proxy", "llm-shield-proxy"
Rounds = Sequence[dict[str, dict[str, float]]]
COLUMNS = (
    ("CPU µs per call", "cpu_us"),
    ("LiteLLM's and llm-shield-proxy's CPU over it", "times"),
    ("recorder µs per call", "recorder_us"),
    ("calls/s per core at 32", "per_second"),
    ("added p50 at one, ms", "added_ms"),
    ('first token added, ms, `"word "` / `" word"`', "first"),
    ('hold-back of `" word"`, ms', "held_ms"),
    ('CPU µs per chunk, burst, `"word "` / `" word"`', "burst"),
    ("paced", "paced_us"),
    ("RSS after load, MB, largest process / tree", "memory"),
    ("cold start, s", "cold_start_s"),
)


class Medians:
    """Figures of all rounds: the median of each, and the ones made from several."""

    def __init__(self, rounds: Rounds) -> None:
        self.rounds = rounds
        self.rows = list(dict.fromkeys(name for one in rounds for name in one if name != "direct"))

    def of(self, row: str, figure: str) -> float | None:
        found = [one[row][figure] for one in self.rounds if figure in one.get(row, {})]
        return statistics.median(found) if found else None

    def more_than_direct(self, row: str, figure: str) -> float | None:
        """Return the median over the rounds of what a server adds to the bare upstream of the same round."""
        found = [one[row][figure] - one["direct"][figure] for one in self.rounds if figure in one.get(row, {})]
        return statistics.median(found) if found else None

    def held_ms(self, row: str) -> float | None:
        """Return how much later the first word of " word" tokens is seen than that of "word " tokens."""
        lead, trail = self.more_than_direct(row, "word_lead_ms"), self.more_than_direct(row, "word_trail_ms")
        return None if lead is None or trail is None else lead - trail

    def ratio(self, figure: str, of: str, to: str) -> float | None:
        ours, theirs = self.of(of, figure), self.of(to, figure)
        return None if ours is None or not theirs else ours / theirs


def shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def cell(medians: Medians, row: str, figure: str) -> str:
    """Return one cell; those with two figures show both."""
    parts = {
        "first": [medians.more_than_direct(row, f"first_{shape}_ms") for shape in ("trail", "lead")],
        "burst": [medians.of(row, "burst_us"), medians.of(row, "burst_lead_us")],
        "memory": [medians.of(row, "memory_mb"), medians.of(row, "tree_mb")],
        "times": [medians.ratio("cpu_us", peer, row) for peer in (LITELLM, SHIELD)],
        "added_ms": [medians.more_than_direct(row, "p50_ms")],
        "held_ms": [medians.held_ms(row)],
        "recorder_us": [medians.of(row, figure) or None],
    }
    return " / ".join(map(shown, parts.get(figure, [medians.of(row, figure)])))


@dataclass(frozen=True)
class Goal:
    """What was aimed at; `reached` and `bound` are in the same unit, smaller is better."""

    what: str
    reached: float | None
    bound: float | None
    unit: str = ""

    def line(self) -> str:
        if self.reached is None or self.bound is None:
            return f"| {self.what} | - | - | not measured |"
        said = [f"1/{shown(1 / v)}" if not self.unit and v > 0 else f"{shown(v)}{self.unit}" for v in self.sides()]
        return f"| {self.what} | {said[0]} | {said[1]} | {'met' if self.reached <= self.bound else '**missed**'} |"

    def sides(self) -> tuple[float, float]:
        return self.bound or 0.0, self.reached or 0.0


def goals(medians: Medians) -> list[Goal]:
    ratio, commit = medians.ratio, medians.of("direct", "commit_ms")
    firsts = [
        Goal(f'first token added against LiteLLM, tokens `"{token}"`', first_ratio(medians, shape), 1 / 12)
        for shape, token in (("trail", "word "), ("lead", " word"))
    ]
    throughput = ratio("per_second", LITELLM, OURS)
    return [
        Goal("CPU per call against LiteLLM", ratio("cpu_us", OURS, LITELLM), 1 / 25),
        Goal("CPU per call against llm-shield-proxy", ratio("cpu_us", OURS, SHIELD), 1 / 18),
        Goal("CPU of the recorder per call", medians.of(OURS, "recorder_us"), 150.0, " µs"),
        Goal("LiteLLM's calls/s per core at 32 connections against ours", throughput, 1 / 25),
        Goal(
            f"added p50 at one connection (0.4 ms and a group commit of {shown(commit)} ms)",
            medians.more_than_direct(OURS, "p50_ms"),
            None if commit is None else 0.4 + commit,
            " ms",
        ),
        *firsts,
        Goal("CPU per chunk in a burst against LiteLLM", ratio("burst_us", OURS, LITELLM), 1 / 40),
        Goal("CPU per chunk when paced against LiteLLM", ratio("paced_us", OURS, LITELLM), 1 / 10),
        Goal("memory of a worker after load against LiteLLM", ratio("memory_mb", OURS, LITELLM), 1 / 4),
        Goal("cold start against LiteLLM", ratio("cold_start_s", OURS, LITELLM), 1 / 8),
        Goal("cold start with names", medians.of(WARM, "cold_start_s"), 3.0, " s"),
    ]


def first_ratio(medians: Medians, shape: str) -> float | None:
    ours = medians.more_than_direct(OURS, f"first_{shape}_ms")
    theirs = medians.more_than_direct(LITELLM, f"first_{shape}_ms")
    return None if ours is None or not theirs else ours / theirs


def machine() -> str:
    """Say on what this was measured, and what exactly."""
    info = Path("/proc/cpuinfo")
    models = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    pins = " ".join((PINS / f"{name}.in").read_text().strip() for name in ("litellm", "shield"))
    return (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {os.cpu_count()} x {models[0] if models else platform.machine()}, "
        f"Python {platform.python_version()}, sluice {commit.stdout.strip() or 'unknown'}, {pins.replace('==', ' ')}, "
        f"load average at the end {os.getloadavg()[0]:.1f}"
    )


def page(rounds: Rounds) -> str:
    """Return the tables as Markdown."""
    medians = Medians(rounds)
    lines = [
        f"{machine()}; medians of {len(rounds)} rounds. Direct p50 {shown(medians.of('direct', 'p50_ms'))} ms, "
        f"one group commit {shown(medians.of('direct', 'commit_ms'))} ms.",
        "",
        f"| server | {' | '.join(title for title, _ in COLUMNS)} |",
        "|---" * (len(COLUMNS) + 1) + "|",
        *(f"| {row} | {' | '.join(cell(medians, row, name) for _, name in COLUMNS)} |" for row in medians.rows),
        "",
        "| goal for structured kinds | at most | reached | |",
        "|---|---|---|---|",
        *(goal.line() for goal in goals(medians)),
    ]
    return "\n".join(lines)
