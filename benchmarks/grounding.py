"""`python -m benchmarks.grounding [FILE...]`: how well the scorer tells supported answers from changed ones."""

import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

from gateway.scorers.grounding import grounding

PAIRS = Path(__file__).parent / "grounding_pairs.txt"
WANTED = 0.80
Scorer = Callable[[str, str], float]


class Pair(NamedTuple):
    """A context with an answer that it supports and one that it does not."""

    kind: str
    context: str
    supported: str
    changed: str


def read(path: Path) -> Iterator[Pair]:
    """Read a file of pairs."""
    context = ""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("="):
            context = line[1:].strip()
        elif line and not line.startswith("#"):
            kind, supported, changed = (part.strip() for part in line.split("|"))
            yield Pair(kind, context, supported, changed)


def auroc(supported: Iterable[float], changed: Iterable[float]) -> float:
    """Give the probability that a supported answer scores higher than a changed one; ties count half."""
    above, below = np.array(list(supported)), np.array(list(changed))
    wins = (above[:, None] > below[None, :]).mean() + 0.5 * (above[:, None] == below[None, :]).mean()
    return float(wins)


def by_grounding(answer: str, context: str) -> float:
    """Score with the scorer."""
    return grounding(answer, [context]) or 0.0


def by_overlap(answer: str, context: str) -> float:
    """Score with the baseline: the share of the answer's words that the context has."""
    words = re.findall(r"\w+", answer.lower())
    known = set(re.findall(r"\w+", context.lower()))
    return sum(word in known for word in words) / max(len(words), 1)


def measured(pairs: list[Pair], score: Scorer) -> tuple[float, float]:
    """Give the AUROC over all answers, and the share of pairs whose supported answer scores higher."""
    up = [score(pair.supported, pair.context) for pair in pairs]
    down = [score(pair.changed, pair.context) for pair in pairs]
    return auroc(up, down), float(np.mean([u > d for u, d in zip(up, down, strict=True)]))


def milliseconds(pairs: list[Pair], answer_chars: int, context_chars: int) -> float:
    """Time an answer against a context, both made of the pairs, again and again where they are short: CPU time."""
    answer = " ".join(pair.supported for pair in pairs)[:answer_chars]
    context = " ".join(dict.fromkeys(pair.context for pair in pairs))
    context = (context * (context_chars // len(context) + 1))[:context_chars]
    times = []
    for _ in range(10):
        began = time.thread_time()
        grounding(answer, [context])
        times.append(time.thread_time() - began)
    return min(times) * 1e3


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--show", is_flag=True, help="Print the pairs that are told apart wrongly.")
def main(files: tuple[Path, ...], show: bool) -> None:
    """Measure; exit 1 below the AUROC that is wanted."""
    pairs = [pair for path in files or (PAIRS,) for pair in read(path)]
    found, told = measured(pairs, by_grounding)
    base, base_told = measured(pairs, by_overlap)
    click.echo(f"| {len(pairs)} pairs | AUROC | pairs told apart |\n|---|---|---|")
    click.echo(f"| grounding | {found:.3f} | {told:.3f} |\n| word overlap | {base:.3f} | {base_told:.3f} |")
    kinds: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        kinds[pair.kind].append(pair)
    click.echo("\n| what was changed | pairs | AUROC | word overlap |\n|---|---|---|---|")
    for kind, some in sorted(kinds.items()):
        click.echo(
            f"| {kind} | {len(some)} | {measured(some, by_grounding)[0]:.3f} | {measured(some, by_overlap)[0]:.3f} |"
        )
    click.echo("\n| answer, context | ms of CPU time, the least of ten |\n|---|---|")
    for answer, context in ((1, 5), (4, 25), (4, 100), (4, 250)):
        click.echo(f"| {answer} kB, {context} kB | {milliseconds(pairs, answer * 1000, context * 1000):.1f} |")
    for pair in pairs if show else ():
        up, down = by_grounding(pair.supported, pair.context), by_grounding(pair.changed, pair.context)
        if up < 0.6 or down > 0.6:
            click.echo(f"  {up:.2f} {down:.2f} {pair.kind}: {pair.supported} | {pair.changed} <- {pair.context}")
    sys.exit(0 if found >= WANTED else 1)


if __name__ == "__main__":
    main()
