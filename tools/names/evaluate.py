"""Measure the shipped names model on labelled texts: `python -m tools.names.evaluate --data FOLDER --sets ewt_dev`."""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from redaction.names.gazetteer import load_gazetteer
from redaction.names.model import LEVELS, NamesModel
from tools.names.corpus import Row, Span, read_rows
from tools.names.metrics import Tally

Detect = Callable[[str], list[Span]]
_PLACES = {"ADDR": "LOC"}


def lowered(rows: Sequence[Row]) -> list[Row]:
    """Return the rows in lower case, where no offset moves."""
    return [Row(row.text.lower(), row.spans) for row in rows if len(row.text.lower()) == len(row.text)]


def tally(rows: Sequence[Row], detect: Detect, least: float, labels: Sequence[str]) -> Tally:
    """Count over all rows, both sides with addresses as places; only `labels` are looked at."""
    result = Tally()
    for row in rows:
        gold = Row(row.text, tuple((a, b, _PLACES.get(y, y)) for a, b, y in row.spans))
        found = [(a, b, _PLACES.get(y, y)) for a, b, y in detect(row.text)]
        result.add(gold, [span for span in found if span[2] in labels], least)
    return result


def report(name: str, result: Tally, labels: Sequence[str]) -> None:
    """Print one line for each label."""
    for label in (*labels, "ALL"):
        precision, recall, f2 = result.scores(label)
        over = f"  over-redaction {result.over():.4f}" if label == "ALL" else ""
        click.echo(f"{name:34} {label:6} n {result.gold[label]:5} P {precision:.3f} R {recall:.3f} F2 {f2:.3f} leak {result.leak(label):.3f}{over}")


def speed(rows: Sequence[Row], detect: Detect) -> None:
    """Print the time of texts of 3,000 characters never seen before, and of one of 200,000."""
    text = "\n".join(row.text for row in rows)
    times = []
    for start in range(0, min(len(text) - 3000, 120_000), 3000):
        begun = time.perf_counter()
        detect(text[start : start + 3000])
        times.append((time.perf_counter() - begun) * 1e3)
    begun = time.perf_counter()
    for start in range(0, 200_000, 8000):
        detect((text * 2)[start : start + 8000])
    click.echo(f"3,000 characters: p50 {statistics.median(times):.1f} ms; 200,000: {(time.perf_counter() - begun) * 1e3:.0f} ms")


def main() -> None:
    package = Path(__file__).parents[2] / "redaction" / "names" / "data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["ewt_dev"])
    parser.add_argument("--model", type=Path, default=package / "model.crfsuite")
    parser.add_argument("--gazetteer", type=Path, default=package / "gazetteer.txt.gz")
    parser.add_argument("--least", type=float, default=0.9, help="overlap (IoU) that makes a hit")
    parser.add_argument("--labels", nargs="+", default=["PER", "LOC", "ORG", "NRP", "TITLE"])
    args = parser.parse_args()
    model = NamesModel(args.model, load_gazetteer(args.gazetteer))
    for name in args.sets:
        rows = read_rows(args.data, name)
        if name == "ewt_dev":
            speed(rows, lambda text: [(s.start, s.end, s.label) for s in model.spans(text, 0.5)])
        for level, share in LEVELS.items():
            if level == "paranoid" and len(args.sets) > 1:
                continue
            for kind, chosen in ((name, rows), (f"{name} lower", lowered(rows))):
                found = tally(chosen, lambda text, share=share: [(s.start, s.end, s.label) for s in model.spans(text, share)], args.least, args.labels)  # type: ignore[misc]
                report(f"{kind} {level}", found, args.labels)


if __name__ == "__main__":
    main()
