"""Measure redaction as a whole, patterns and names, on labelled texts: `python -m tools.quality.evaluate FILE ...`.

A file is gzipped JSON lines: `t`, the text, and `s`, a list of `[start, end, kind]` under Presidio's names.
"""

import argparse
import asyncio
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from policy.blocks_redaction import Redaction, RedactionRule
from redaction.names.recognizer import Names, load_names
from redaction.redactor import Redactor
from redaction.types import Entity
from tools.names.corpus import Row, Span, read_rows
from tools.names.metrics import Tally

KEY = b"quality-key-of-at-least-32-bytes"
# Kinds of the texts that have one name here.
SAME = {
    "GPE": "LOCATION", "STREET_ADDRESS": "LOCATION", "ADDRESS": "LOCATION", "FAC": "LOCATION", "LOC": "LOCATION",
    "DOMAIN_NAME": "URL", "ZIP_CODE": "POSTCODE", "DRIVER_LICENSE": "US_DRIVER_LICENSE", "DATE_OF_BIRTH": "DATE_TIME",
    "PER": "PERSON", "ORG": "ORGANIZATION", "AGE_OVER_89": "AGE", "PASSPORT": "US_PASSPORT",
}  # fmt: skip
NAMES = frozenset({"PERSON", "LOCATION", "ORGANIZATION", "NRP", "TITLE", "AGE"})
NEVER = ("EMAIL_ADDRESS", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS", "US_SSN")


class InProcess:
    """The names model as a detector, without a process of its own."""

    def __init__(self, names: Names) -> None:
        self._names = names

    async def find(self, texts: Sequence[str], language: str, level: str, deadline_s: float) -> list[list[Entity]]:
        """Return the names of each text."""
        return self._names.find_all(texts, level)


def redactor(level: str) -> Redactor:
    """Make a redactor that acts on every kind that these texts label."""
    rules = {kind: RedactionRule(operator="pseudonym") for kind in ("NRP", "TITLE", "AGE")}
    rules["URL"] = rules["DATE_TIME"] = RedactionRule(operator="pseudonym", min_score=0.3)
    block = Redaction.model_validate({"names": level})
    return Redactor(block.model_copy(update={"request": {**block.request, **rules}}), KEY, InProcess(load_names()))


def found(engine: Redactor, text: str) -> list[Span]:
    """Return what a request would lose, under the names of the texts."""
    cleared = asyncio.run(engine.clear_text(text))
    return [(one.start, one.end, SAME.get(one.kind, one.kind)) for one in cleared.findings if one.action == "pseudonym"]


def tallies(rows: Iterable[Row], engine: Redactor, least: float) -> tuple[Tally, Tally, Tally]:
    """Count over all kinds, and apart: those with a form against what has one, and everything whatever its kind."""
    every, formed, blind = Tally(), Tally(), Tally()
    for row in rows:
        gold = Row(row.text, tuple((start, end, SAME.get(kind, kind)) for start, end, kind in row.spans))
        seen = [_as_labelled(span, gold.spans) for span in found(engine, row.text)]
        every.add(gold, seen, 0.5)
        formed.add(Row(row.text, tuple(_formed(gold.spans))), [*_formed(seen)], 0.5)
        blind.add(gold, seen, least)
    return every, formed, blind


def _as_labelled(span: Span, gold: Sequence[Span]) -> Span:
    """Count a postcode inside a labelled address as part of it."""
    start, end, kind = span
    inside = kind == "POSTCODE" and any(a <= start and end <= b and other == "LOCATION" for a, b, other in gold)
    return (start, end, "LOCATION") if inside else span


def _formed(spans: Iterable[Span]) -> Iterator[Span]:
    return ((start, end, "FORM") for start, end, kind in spans if kind not in NAMES)


def typed(tally: Tally) -> tuple[float, float, float]:
    """Return precision, recall and F1 of the kinds that have a form, each under its own name."""
    kinds = [kind for kind in tally.gold if kind not in NAMES and kind != "ALL"]
    hits = sum(tally.hits[kind] for kind in kinds)
    precision = hits / max(1, sum(tally.found[kind] for kind in kinds))
    recall = hits / max(1, sum(tally.gold[kind] for kind in kinds))
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def show(name: str, rows: Sequence[Row], level: str, least: float) -> None:
    """Print the measures of one file."""
    every, formed, blind = tallies(rows, redactor(level), least)
    click.echo(f"{name}, names {level}, {len(rows)} texts")
    for kind in sorted(every.gold, key=lambda one: (one in NAMES, one)):
        if kind != "ALL":
            precision, recall, _ = every.scores(kind)
            click.echo(
                f"  {kind:20} n {every.gold[kind]:5}  P {precision:.3f}  R {recall:.3f}  leak {every.leak(kind):.3f}"
            )
    precision, recall, score = typed(every)
    click.echo(f"  with a form: P {precision:.3f} R {recall:.3f} F1 {score:.3f} leak {formed.leak('FORM'):.3f}")
    letters = sum(every.letters[kind] for kind in NEVER)
    leaked = sum(every.leaked[kind] for kind in NEVER)
    click.echo(f"  e-mail, card, IBAN, IP, SSN: {leaked} of {letters} characters leaked")
    precision, recall, score = blind.scores("ALL")
    all_leak = f"leak {blind.leak('ALL'):.3f}, over-redaction {blind.over():.4f}"
    click.echo(f"  everything, IoU {least}: P {precision:.3f} R {recall:.3f} F2 {score:.3f}, {all_leak}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--level", default="balanced")
    parser.add_argument("--least", type=float, default=0.9)
    parser.add_argument("--missed", default="", help="print the values of this kind that leaked")
    args = parser.parse_args()
    for path in args.files:
        rows = read_rows(path.parent, path.name.removesuffix(".jsonl.gz"))
        show(path.name, rows, args.level, args.least)
        if args.missed:
            missed(rows, redactor(args.level), args.missed)


def missed(rows: Iterable[Row], engine: Redactor, kind: str) -> None:
    """Print the values of a kind that leaked, with what stands around them."""
    for row in rows:
        covered = bytearray(len(row.text))
        for start, end, _ in found(engine, row.text):
            covered[start:end] = b"\1" * (end - start)
        for start, end, given in row.spans:
            open_ = sum(row.text[i].isalnum() and not covered[i] for i in range(start, end))
            if kind in {given, SAME.get(given, given)} and open_:
                click.echo(
                    f"    {row.text[max(0, start - 40) : start]!r} {row.text[start:end]!r} {row.text[end : end + 20]!r}"
                )


if __name__ == "__main__":
    main()
