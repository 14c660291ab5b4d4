"""Measure the names model on labelled texts: `python -m tools.names.evaluate --data FOLDER --sets ewt_dev`."""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import click

from redaction.names.gazetteer import load_gazetteer
from redaction.names.model import LEVELS, NamesModel, Thresholds
from redaction.names.weights import read_weights
from tools.names.corpus import Row, Span, read_rows
from tools.names.metrics import Tally

Detect = Callable[[str], list[Span]]
_PACKAGED = Path(__file__).parents[2] / "redaction" / "names" / "data"


def lowered(rows: Sequence[Row]) -> list[Row]:
    """Return the rows in lower case, where no offset moves."""
    return [Row(row.text.lower(), row.spans) for row in rows if len(row.text.lower()) == len(row.text)]


def tally(rows: Sequence[Row], detect: Detect, least: float, labels: Sequence[str]) -> Tally:
    """Count over all rows, both sides with addresses as places; only `labels` are looked at."""
    result = Tally()
    for row in rows:
        gold = Row(row.text, tuple(_wanted(row.spans, labels)))
        result.add(gold, [*_wanted(detect(row.text), labels)], least)
    return result


def _wanted(spans: Sequence[Span], labels: Sequence[str]) -> Iterator[Span]:
    for start, end, label in spans:
        kind = "LOC" if label == "ADDR" else label
        if kind in labels:
            yield start, end, kind


def report(name: str, result: Tally, labels: Sequence[str]) -> None:
    """Print one line for each label."""
    for label in (*labels, "ALL"):
        precision, recall, f2 = result.scores(label)
        scores = f"P {precision:.3f} R {recall:.3f} F2 {f2:.3f} leak {result.leak(label):.3f}"
        over = f" over-redaction {result.over():.4f}" if label == "ALL" else ""
        click.echo(f"{name:36} {label:6} n {result.gold[label]:5} {scores}{over}")


def speed(rows: Sequence[Row], detect: Detect) -> None:
    """Print the CPU time of texts of 3,000 characters never seen before, and of 200,000 in pieces."""
    text = "\n".join(row.text for row in rows)
    times = [_milliseconds(detect, [text[at : at + 3000]]) for at in range(0, min(len(text) - 3000, 120_000), 3000)]
    long = (text * 3)[:200_000]
    whole = _milliseconds(detect, [long[at : at + 8000] for at in range(0, 200_000, 8000)])
    click.echo(f"3,000 characters: p50 {statistics.median(times):.1f} ms; 200,000: {whole:.0f} ms")


def _milliseconds(detect: Detect, texts: Sequence[str]) -> float:
    begun = time.process_time()
    for text in texts:
        detect(text)
    return (time.process_time() - begun) * 1e3


def _detect(model: NamesModel, least: Thresholds, text: str) -> list[Span]:
    return [(span.start, span.end, span.label) for span in model.spans(text, least)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["ewt_dev"], help="file names without ending, or NAME:SOURCE")
    parser.add_argument("--levels", nargs="+", default=list(LEVELS))
    parser.add_argument("--model", type=Path, default=_PACKAGED / "model.gz")
    parser.add_argument("--gazetteer", type=Path, default=_PACKAGED / "gazetteer.txt.gz")
    parser.add_argument("--least", type=float, default=0.9, help="overlap (IoU) that makes a hit")
    parser.add_argument("--labels", nargs="+", default=["PER", "LOC", "ORG"])
    args = parser.parse_args()
    model = NamesModel(read_weights(args.model), load_gazetteer(args.gazetteer))
    for name in args.sets:
        rows = read_rows(args.data, name)
        speed(rows, partial(_detect, model, LEVELS["balanced"]))
        for level in args.levels:
            detect = partial(_detect, model, LEVELS[level])
            report(f"{name} {level}", tally(rows, detect, args.least, args.labels), args.labels)
            report(f"{name} lower {level}", tally(lowered(rows), detect, args.least, args.labels), args.labels)


if __name__ == "__main__":
    main()
